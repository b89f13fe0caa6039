"""From what a run published to what stands under its cell: a pure fold.

What belongs here: the outputs, which have the form of notebook files (nbformat 4), and the rules by
which publications become outputs; ``frontend/src/outputs.ts`` has the same rules for the page. What
must never come here: SQL, waiting, files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from antiphon_kernel.message import Metadata, MimeBundle

from .blobs import put_back
from .model import Blob, Publication, Struct
from .terminal import shown
from .widgets import Capture


class Stream(Struct, frozen=True, kw_only=True, tag_field="output_type", tag="stream"):
    name: str
    text: str


class DisplayData(Struct, frozen=True, kw_only=True, tag_field="output_type", tag="display_data"):
    """One value in several representations, by MIME type."""

    data: MimeBundle
    metadata: Metadata


class ExecuteResult(Struct, frozen=True, kw_only=True, tag_field="output_type", tag="execute_result"):
    """The value of the code's last line."""

    execution_count: int | None
    data: MimeBundle
    metadata: Metadata


class Error(Struct, frozen=True, kw_only=True, tag_field="output_type", tag="error"):
    """``traceback`` is for a terminal, with its colours."""

    ename: str
    evalue: str
    traceback: tuple[str, ...]


Output: TypeAlias = Stream | DisplayData | ExecuteResult | Error


class Fold:
    """The outputs of one request. ``take`` its publications in their order, then read ``outputs``.

    Args:
        request: the msg_id of the request; publications of other requests are taken for the displays
            that they update.
        most_bytes: outputs that come when there are so many already are left out and counted.
    """

    def __init__(self, request: str, *, most_bytes: int) -> None:
        self._request = request
        self._most_bytes = most_bytes
        self._items: list[_Item] = []
        self._bytes = 0
        self._clear_next = False
        self._capture = Capture()
        self.omitted = 0
        self.started = False
        self.execution_count = 0
        self.prompt: str | None = None
        self.reply: dict[str, Any] | None = None

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What there is now. Streams are as they were written; ``settle`` gives what a terminal shows."""
        return tuple(item.now for item in self._items)

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """What the outputs lack: it was taken out of them."""
        return tuple(blob for item in self._items for blob in item.blobs.values())

    def with_blobs(self, read: Mapping[str, bytes]) -> tuple[Output, ...]:
        """``outputs`` with the bytes of ``blobs`` put back, as far as ``read`` has them by their digest."""
        return tuple(_whole(item, read) for item in self._items)

    def take(self, publications: Iterable[Publication]) -> None:
        for publication in publications:
            self._capture.take(publication)
            if self._capture.of(publication) is not None:
                continue  # it stands in a widget
            if publication.msg_type == "update_display_data":
                self._update(publication)
            elif publication.parent == self._request:
                self._take(publication)

    def _take(self, publication: Publication) -> None:
        content = publication.content
        match publication.msg_type:
            case "execute_input":
                self.started = True
                self.execution_count = content["execution_count"]
            case "stream":
                self._write(content["name"], content["text"])
            case "display_data" | "execute_result" | "error" as msg_type:
                display_id = (content.get("transient") or {}).get("display_id", "")
                output = _output(msg_type, content)
                self._add(_Item(output, _size(publication), display_id, publication.blobs))
            case "clear_output" if content.get("wait"):
                self._clear_next = True
            case "clear_output":
                self._clear()
            case "input_request":
                self.prompt = content["prompt"]
            case "input_answered":
                self.prompt = None
            case "execute_reply":
                self.reply = content
                self.prompt = None
                self.execution_count = content.get("execution_count") or self.execution_count

    def _write(self, name: str, text: str) -> None:
        """A stream goes on in the last output if that is the same stream, as it would in a terminal."""
        last = self._items[-1] if self._items and not self._clear_next else None
        if last is None or not isinstance(last.output, _Text) or last.output.name != name:
            self._add(_Item(_Text(name, text), len(text)))
        elif self._has_room(len(text)):
            last.output.parts.append(text)
            last.size += len(text)

    def _add(self, item: _Item) -> None:
        if self._clear_next:
            self._clear()
        if self._has_room(item.size):
            self._items.append(item)

    def _update(self, publication: Publication) -> None:
        """Put new data where the display of that name stands."""
        content = publication.content
        name = (content.get("transient") or {}).get("display_id", "")
        for item in self._items:
            output = item.output
            if not name or item.display_id != name or not isinstance(output, DisplayData | ExecuteResult):
                continue
            new = _size(publication)
            if self._has_room(new - item.size):
                data, metadata = content["data"], content.get("metadata") or {}
                item.output = msgspec.structs.replace(output, data=data, metadata=metadata)
                item.size, item.blobs = new, publication.blobs

    def _has_room(self, size: int) -> bool:
        """Counts what comes, or counts it among what is left out."""
        if self._bytes + size > self._most_bytes:
            self.omitted += 1
            return False
        self._bytes += size
        return True

    def _clear(self) -> None:
        self._items, self._bytes, self._clear_next = [], 0, False


class _Text:
    """A stream that may go on: joined once, when it is read."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.parts = [text]

    @property
    def stream(self) -> Stream:
        return Stream(name=self.name, text="".join(self.parts))


@dataclass
class _Item:
    """An output, its bytes, the name by which it is updated, and what was taken out of its data."""

    output: _Text | Output
    size: int
    display_id: str = ""
    blobs: dict[str, Blob] = field(default_factory=dict)

    @property
    def now(self) -> Output:
        return self.output.stream if isinstance(self.output, _Text) else self.output


def _whole(item: _Item, read: Mapping[str, bytes]) -> Output:
    output = item.now
    if not item.blobs or not isinstance(output, DisplayData | ExecuteResult):
        return output
    return msgspec.structs.replace(output, data=put_back(output.data, item.blobs, read))


def _size(publication: Publication) -> int:
    """Bytes in JSON, with what was taken out."""
    inside = len(msgspec.json.encode(publication.content))
    return inside + sum(
        blob.bytes * 4 // 3 if blob.form == "base64" else blob.bytes for blob in publication.blobs.values()
    )


def _output(msg_type: str, content: dict[str, Any]) -> Output:
    match msg_type:
        case "display_data":
            return DisplayData(data=content["data"], metadata=content.get("metadata") or {})
        case "execute_result":
            return ExecuteResult(
                execution_count=content["execution_count"],
                data=content["data"],
                metadata=content.get("metadata") or {},
            )
        case _:
            return Error(
                ename=content["ename"], evalue=content["evalue"], traceback=tuple(content["traceback"])
            )


def settle(outputs: Iterable[Output]) -> tuple[Output, ...]:
    """The outputs with their streams as a terminal shows them at the end."""
    return tuple(
        msgspec.structs.replace(output, text=shown(output.text)) if isinstance(output, Stream) else output
        for output in outputs
    )


def plain(text: str) -> str:
    """Without the escape sequences by which a terminal is told of colours."""
    return _ESCAPE.sub("", text)


_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
