"""What people install: built from a clean tree, whole, and each side alone."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent

# One worker builds the tree once for all of them.
pytestmark = pytest.mark.xdist_group("packaging")


def run(*command: str | Path, cwd: Path, seconds: float = 300) -> str:
    """Run a command, fail with what it said, return its stdout."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    # Most of what an installation brings is never imported here.
    environment["PIP_COMPILE"] = "no"
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def pip(*words: str | Path, cwd: Path) -> str:
    return run(
        sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "-q", *words, cwd=cwd
    )


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources as a fresh clone has them, without anything that was built here."""
    copy = tmp_path_factory.mktemp("clone")
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    assert not (copy / "webserver/antiphon_webserver/static").exists()
    return copy


@pytest.fixture(scope="module")
def wheel(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that ``pip`` builds from the fresh clone; the hook builds the page for it."""
    out = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "-w", out, tree, cwd=tree)
    return next(out.glob("antiphon-*.whl"))


@pytest.fixture(scope="module")
def with_pip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty environment, to be copied: to bring pip into one takes longer than to install a side."""
    made = tmp_path_factory.mktemp("environment") / "venv"
    venv.create(made, with_pip=True)
    return made


def python_files(package: str) -> set[str]:
    folder = next(ROOT.glob(f"*/{package}"))
    found = (path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)
    return {str(path.relative_to(folder.parent)) for path in found}


@pytest.mark.slow
def test_the_wheel_holds_the_three_packages_and_the_built_page(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for package in ("antiphon_kernel", "antiphon_webserver", "antiphon_client"):
        assert python_files(package) <= names
        assert f"{package}/py.typed" in names
    assert {"antiphon_webserver/static/index.html", "antiphon_webserver/static/frame.html"} <= names
    assert any(name.startswith("antiphon_webserver/static/assets/") for name in names)
    assert any(name.startswith("antiphon_webserver/storage/migrations/versions/0001") for name in names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {
        "antiphon",
        "antiphon_kernel",
        "antiphon_webserver",
        "antiphon_client",
    }


@pytest.mark.slow
def test_a_source_distribution_brings_the_page_and_needs_no_node(
    wheel: Path, tree: Path, tmp_path: Path
) -> None:
    build = "import sys; sys.path[:0] = sys.argv[2:]; import hatchling.build as b; b.build_sdist(sys.argv[1])"
    pip("install", "--target", tmp_path / "hatchling", "hatchling", cwd=tmp_path)
    run(sys.executable, "-c", build, tmp_path, tmp_path / "hatchling", cwd=tree)
    with tarfile.open(next(tmp_path.glob("antiphon-*.tar.gz"))) as archive:
        archive.extractall(tmp_path, filter="data")
    source = next(path for path in tmp_path.glob("antiphon-*") if path.is_dir())
    page = load("page")
    assert not page.is_stale(source)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("side", "package", "absent"),
    [
        ("kernel", "antiphon_kernel", {"tornado", "sqlalchemy", "alembic", "argon2", "click"}),
        ("server", "antiphon_webserver", {"IPython", "matplotlib_inline", "click"}),
        ("client", "antiphon_client", {"IPython", "tornado", "sqlalchemy", "zmq"}),
    ],
)
def test_one_side_alone_imports_and_runs_without_the_other_sides_requirements(
    wheel: Path, tree: Path, with_pip: Path, tmp_path: Path, side: str, package: str, absent: set[str]
) -> None:
    shutil.copytree(with_pip, tmp_path / "venv", symlinks=True)
    run("make", f"install-{side}", f"DEST={tmp_path / 'venv'}", cwd=tree)
    script = f"""
import importlib, importlib.util, pkgutil
import {package}
for module in pkgutil.walk_packages({package}.__path__, "{package}."):
    beside = ("__main__", "jupyter.provisioner", "executors.spawned")
    if not module.name.endswith(beside) and ".migrations." not in module.name:
        importlib.import_module(module.name)
print(sorted(name for name in {sorted(absent)!r} if importlib.util.find_spec(name)))
"""
    assert run(tmp_path / "venv/bin/python", "-c", script, cwd=tmp_path).strip() == "[]"
    if side == "client":
        assert run(tmp_path / "venv/bin/antiphon", "--version", cwd=tmp_path).startswith("antiphon ")
    else:
        with started(tmp_path / "venv/bin/python", side) as ready:
            assert json.loads(ready.read_text())["pid"]


@contextmanager
def started(python: Path, side: str) -> Iterator[Path]:
    """One side running by itself, in a directory of its own; gives the file by which others find it."""
    # Short, and not pytest's: a Unix socket's path must fit into 107 bytes.
    with tempfile.TemporaryDirectory(prefix="antiphon-") as folder:
        ready, words = {
            "kernel": ("kernel.json", ["antiphon_kernel", "--connection-file", f"{folder}/kernel.json"]),
            "server": ("server.json", ["antiphon_webserver", "--data", folder, "--port", "0"]),
        }[side]
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        process = subprocess.Popen(
            [str(python), "-m", *words],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            deadline = time.monotonic() + 60
            while not (Path(folder) / ready).exists():
                assert process.poll() is None, process.stderr and process.stderr.read()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield Path(folder) / ready
        finally:
            process.terminate()
            process.communicate(timeout=60)
        assert process.returncode == 0


@pytest.mark.slow
def test_an_editable_install_sees_a_new_file_at_once(wheel: Path, tree: Path, tmp_path: Path) -> None:
    target = tmp_path / "venv"
    venv.create(target, with_pip=False)
    pip("--python", target / "bin/python", "install", "--no-deps", "-e", tree, cwd=tree)
    for folder, package in (("kernel", "antiphon_kernel"), ("client", "antiphon_client")):
        fresh = tree / folder / package / "brand_new.py"
        fresh.write_text("ANSWER = 42\n")
        try:
            answer = run(
                target / "bin/python", "-c", f"import {package}.brand_new as m; print(m.ANSWER)", cwd=tmp_path
            )
        finally:
            fresh.unlink()
        assert answer.strip() == "42"


def test_a_plain_install_has_the_requirements_of_all_sides() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert {*extras["kernel"], *extras["server"], *extras["client"]} == set(project["dependencies"])


# --- tools/page.py ----------------------------------------------------------------------------


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("version", "good"),
    [
        ("v20.18.3", False),
        ("v20.19.0", True),
        ("v21.7.3", False),
        ("v22.11.0", False),
        ("v22.12.0", True),
        ("v24.0.0", True),
        ("18", False),
    ],
)
def test_node_is_new_enough_if_the_build_tool_runs_on_it(version: str, good: bool) -> None:
    assert load("page").is_new_enough(version) is good


def test_the_page_is_stale_if_a_source_is_newer_but_not_in_a_source_distribution(tmp_path: Path) -> None:
    page = load("page")
    source = tmp_path / "frontend" / "src" / "main.ts"
    source.parent.mkdir(parents=True)
    source.touch()
    assert page.is_stale(tmp_path)
    page.built_page(tmp_path).mkdir(parents=True)
    for name in ("index.html", "frame.html"):
        (page.built_page(tmp_path) / name).touch()
    os.utime(source, (1, 1))
    assert not page.is_stale(tmp_path)
    os.utime(source, (2**32, 2**32))
    assert page.is_stale(tmp_path)
    (tmp_path / "PKG-INFO").touch()
    assert not page.is_stale(tmp_path)
