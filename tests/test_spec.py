"""The spec is true: its examples parse and come back equal, and it has a section for everything."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from blake3 import blake3
from docutils import nodes
from docutils.core import publish_doctree

from antiphon_kernel.connection import Connection
from antiphon_kernel.errors import ERRORS
from antiphon_kernel.message import CONTENT_TYPES, Header
from antiphon_webserver.context import KernelState
from antiphon_webserver.errors import RPC_ERRORS
from antiphon_webserver.methods import TABLE
from antiphon_webserver.model import AnyEntry, Blob, Caret, Person, Publication

SPEC = Path(__file__).parent.parent / "spec" / "message_spec.rst"
DOCUMENT = publish_doctree(
    SPEC.read_text(encoding="utf-8"),
    settings_overrides={"halt_level": 2, "report_level": 2, "syntax_highlight": "none"},
)


def sections() -> Iterator[tuple[str, nodes.section]]:
    for section in DOCUMENT.findall(nodes.section):
        yield section[0].astext(), section


def examples(section: nodes.section, kind: str = "") -> list[Any]:
    """The JSON blocks that stand directly in a section; ``kind`` is their class."""
    return [
        json.loads(block.astext())
        for block in section.children
        if isinstance(block, nodes.literal_block)
        and "json" in block["classes"]
        and (not kind or kind in block["classes"])
    ]


SECTIONS = dict(sections())


def first_column(table_class: str, column: int = 0) -> list[str]:
    (table,) = (t for t in DOCUMENT.findall(nodes.table) if table_class in t["classes"])
    (body,) = table.findall(nodes.tbody)
    return [row[column].astext() for row in body.findall(nodes.row)]


def all_fields(value: Any) -> Any:
    """A struct as plain JSON data, defaults included."""
    return json.loads(msgspec.json.encode(value))


@pytest.mark.parametrize("msg_type", sorted(CONTENT_TYPES))
def test_message_type_has_an_example_that_comes_back_equal(msg_type: str) -> None:
    found = examples(SECTIONS[msg_type])
    assert found, f"{msg_type} has no example"
    for example in found:
        content = msgspec.json.decode(json.dumps(example), type=CONTENT_TYPES[msg_type])
        assert all_fields(content) == example


def test_spec_describes_no_message_type_that_does_not_exist() -> None:
    named = {name for name in SECTIONS if name.endswith(("_request", "_reply"))}
    assert named <= set(CONTENT_TYPES)


def test_header_example_comes_back_equal() -> None:
    (example,) = examples(SECTIONS["Header"], "header")
    assert all_fields(msgspec.convert(example, Header)) == example


def test_connection_file_example_comes_back_equal() -> None:
    (example,) = examples(SECTIONS["The connection file"], "connection-file")
    assert all_fields(msgspec.convert(example, Connection)) == example


def test_publications_in_a_feed_reply_are_examples_too() -> None:
    (reply,) = examples(SECTIONS["feed_reply"])
    for record in reply["publications"]:
        content = msgspec.convert(record["content"], CONTENT_TYPES[record["header"]["msg_type"]])
        assert all_fields(content) == record["content"]


def test_signed_message_has_the_signature_that_the_text_defines() -> None:
    (block,) = (b for b in DOCUMENT.findall(nodes.literal_block) if "signed-message" in b["classes"])
    _envelope, signature, *frames = block.astext().splitlines()
    expected = hmac.new(b"secret", b"request", hashlib.sha256)
    for place, frame in enumerate(map(str.encode, frames)):
        expected.update(len(frame).to_bytes(8, "big") + (frame if place < 4 else blake3(frame).digest()))
    assert signature == expected.hexdigest()


def test_kernel_errors_are_those_of_the_code() -> None:
    assert first_column("errors") == list(ERRORS)


def test_rpc_errors_are_those_of_the_code() -> None:
    documented = zip(first_column("rpc-errors"), first_column("rpc-errors", 1), strict=True)
    assert {int(code): name for code, name in documented} == {
        code: error.__name__ for code, error in RPC_ERRORS.items()
    }


@pytest.mark.parametrize("name", sorted(TABLE))
def test_method_takes_the_parameters_of_its_example(name: str) -> None:
    (params,) = examples(SECTIONS[name], "params")
    assert all_fields(TABLE[name].read(params)) == params


@pytest.mark.parametrize("name", sorted(set(TABLE) - {"rpc.discover"}))
def test_method_returns_the_type_of_its_example(name: str) -> None:
    result = examples(SECTIONS[name], "result")
    if TABLE[name].result is type(None):
        assert not result
        assert "Result: null." in SECTIONS[name].astext()
    else:
        (example,) = result
        assert all_fields(msgspec.convert(example, TABLE[name].result)) == example


def test_spec_describes_no_method_that_does_not_exist() -> None:
    (methods,) = (section for title, section in sections() if title == "Methods")
    described = {s[0].astext() for s in methods.findall(nodes.section) if "." in s[0].astext()}
    assert described == set(TABLE) | set(NOTIFICATIONS)


class ServerKernel(msgspec.Struct, forbid_unknown_fields=True):
    kernel: KernelState


class FeedPublications(msgspec.Struct, forbid_unknown_fields=True):
    session: str
    publications: tuple[Publication, ...]
    latest: int
    gone: tuple[int, int] | None


class WorksheetEntries(msgspec.Struct, forbid_unknown_fields=True):
    worksheet: str
    entries: tuple[AnyEntry, ...]
    latest: int


class WorksheetPresence(msgspec.Struct, forbid_unknown_fields=True):
    worksheet: str
    people: tuple[Person, ...]
    more: int


class WorksheetCarets(msgspec.Struct, forbid_unknown_fields=True):
    worksheet: str
    carets: tuple[Caret, ...]


class WorksheetClosed(msgspec.Struct, forbid_unknown_fields=True):
    worksheet: str
    reason: str


NOTIFICATIONS = {
    "server.kernel": ServerKernel,
    "feed.publications": FeedPublications,
    "worksheet.entries": WorksheetEntries,
    "worksheet.presence": WorksheetPresence,
    "worksheet.carets": WorksheetCarets,
    "worksheet.closed": WorksheetClosed,
}


@pytest.mark.parametrize("name", NOTIFICATIONS)
def test_notification_example_comes_back_equal(name: str) -> None:
    (example,) = examples(SECTIONS[name], "notification")
    assert all_fields(msgspec.convert(example, NOTIFICATIONS[name])) == example


def test_blob_example_comes_back_equal() -> None:
    (example,) = examples(SECTIONS["Blobs"], "blob")
    assert all_fields(msgspec.convert(example, Blob)) == example


def kinds() -> list[str]:
    return [str(kind.__struct_config__.tag) for kind in get_args(AnyEntry)]


@pytest.mark.parametrize("kind", kinds())
def test_entry_example_comes_back_equal(kind: str) -> None:
    (example,) = examples(SECTIONS[kind], "entry")
    assert example["kind"] == kind
    assert all_fields(msgspec.convert(example, AnyEntry)) == example
