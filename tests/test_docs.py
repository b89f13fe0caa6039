"""What the documents say is there: links, commands, options, files, targets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from tools import reference

from antiphon_client.cli import antiphon
from benchmarks import report
from benchmarks.measures import MEASURES
from tests.conftest import AntiphonServer
from tests.kernel.test_faults import FAULTS

ROOT = Path(__file__).parent.parent
DOCS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]

LINK = re.compile(r"\]\(([^)\s]+)\)")
COMMAND = re.compile(r"^\s*(?:\.venv/bin/)?antiphon +(.+?)(?: +#.*)?$", re.MULTILINE)
MAKE = re.compile(r"(?:`|^ {4,})make ([a-z][a-z-]*)(?=[`\s])", re.MULTILINE)


def named(pattern: re.Pattern[str]) -> list[tuple[str, str]]:
    """Every match in every document, as (document, first group)."""
    return [(doc.name, found) for doc in DOCS for found in pattern.findall(doc.read_text(encoding="utf-8"))]


def anchors(doc: Path) -> set[str]:
    """The anchors of a Markdown file's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", doc.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    ("doc", "link"), [(doc, link) for doc in DOCS for link in LINK.findall(doc.read_text(encoding="utf-8"))]
)
def test_link_leads_somewhere(doc: Path, link: str) -> None:
    if link.startswith("https://"):
        return
    path, _, anchor = link.partition("#")
    target = (doc.parent / path).resolve() if path else doc
    assert target.exists(), link
    assert not anchor or anchor in anchors(target), link


def words(command: str) -> Iterator[str]:
    """The words of a shown command up to its free text, which the shell would quote."""
    for word in command.split():
        if word.startswith(('"', "'")):
            return
        yield word


@pytest.mark.parametrize(("doc", "shown"), named(COMMAND))
def test_shown_command_and_its_options_exist(doc: str, shown: str) -> None:
    command: click.Command = antiphon
    for word in words(shown):
        options = {name for parameter in command.params for name in parameter.opts}
        if word.startswith("-"):
            assert word in options, f"antiphon {shown}: no option {word}"
        elif isinstance(command, click.Group):
            command = command.get_command(click.Context(command), word) or command
    assert command is not antiphon, f"antiphon {shown}: no such command"


@pytest.mark.parametrize(("doc", "target"), named(MAKE))
def test_named_make_target_exists(doc: str, target: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^[a-z -]*(?<!-)\b{target}\b(?!-)[a-z -]*:", makefile, re.MULTILINE), (
        f"{doc} names make {target}"
    )


@pytest.mark.slow
def test_data_directory_holds_what_the_table_lists(shared_server: AntiphonServer) -> None:
    text = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
    table = text.split("| file | what |")[1].split("\n\n")[0]
    first_columns = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    listed = {name for column in first_columns for name in re.findall(r"`([\w.]+)`", column)}
    found = {path.name for path in shared_server.data.iterdir()}
    assert found - {"antiphon.sqlite-wal", "antiphon.sqlite-shm"} == listed


def test_floors_name_modules_that_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = [row.split("|")[2:5] for row in text.split("| floor |")[1].split("\n\n")[0].splitlines()[2:]]
    roots = ("kernel/antiphon_kernel", "webserver/antiphon_webserver", "frontend/src")
    for cells in rows:
        for root, cell in zip(roots, cells, strict=True):
            for name in re.findall(r"`([\w./]+)`", cell):
                place = ROOT / root / name
                assert place.exists() or place.with_suffix(".py").exists(), f"{root} has no {name}"


def test_measures_of_the_performance_document_exist() -> None:
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    table = text.split("| name | question |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == list(MEASURES)
    assert text.index(report.BEGIN) < text.index(report.END)
    for names in re.findall(r'ONLY="([^"]*)"', text):
        assert set(names.split()) <= set(MEASURES)


def test_what_comes_from_the_code_is_current() -> None:
    found = reference.OPERATE.read_text(encoding="utf-8")
    assert reference.with_settings(found) == found, "write it anew with: make reference"
    assert reference.API.read_text(encoding="utf-8") == reference.api(), "write it anew with: make reference"


def test_every_test_that_a_document_names_exists() -> None:
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    said = {name for _, name in named(re.compile(r"`(test_\w+)`"))}
    assert said
    assert not said - there


def test_every_promise_of_safety_names_a_test() -> None:
    rows = re.findall(
        r"^\| .+ \|$", (ROOT / "docs" / "security.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    promises = rows[rows.index("| promise | tests |") :]
    assert all("`test_" in row for row in promises if row != "| promise | tests |")


def test_every_fault_names_what_shows_it() -> None:
    text = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    rows = [
        row
        for row in re.findall(r"^\| .+ \|$", text, re.MULTILINE)
        if row != "| fault | what happens | tests |"
    ]
    cases = {f"{kind}: {fault.name}" for kind, faults in FAULTS.items() for fault in faults}
    for row in rows:
        named = re.findall(r"`([^`]+)`", row.rsplit(" | ", 1)[1])
        assert named, row
        assert all(name.startswith("test_") or name in cases for name in named), row
    assert {case.split(": ")[0] for case in cases} == {
        name.split(": ")[0] for name in re.findall(r"`(\w+: [^`]+)`", text)
    }
