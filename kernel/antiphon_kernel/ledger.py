"""What the next daemon must know of a session if this one is killed.

A ledger is a file in memory (``memfd``) that the zygote keeps open. It holds the session's state as a
journal of what changed, and beside it some bytes that tell what the daemon was about to do. Writing
is a store into shared memory or one system call, before the change can be seen by anybody: what a
process wrote there stays when it is killed.

What belongs here: the form of the file. What must never come here: who keeps it (``executors``), and
what is made of it (``session.Adopt``). The code of a session has no descriptor of its ledger.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import struct
from collections.abc import Iterable
from itertools import compress
from operator import attrgetter, is_not
from typing import Any, NamedTuple, get_type_hints

import msgspec

from . import codec
from .errors import KernelError
from .message import CONTENT_TYPES, Content, Header, Message, SessionUID
from .session import Line, Session
from .session.bounds import PARENTS_REMEMBERED, REPLIES_REMEMBERED
from .session.recent import Recent

REQUEST_BYTES = 1024 * 1024
"""A longer request is noted without its content. If it still waits when the daemon is killed, it fails."""

JOURNAL_BYTES = 256 * 1024
"""A longer journal is begun anew, unless most of it still matters."""

_PAGE = mmap.PAGESIZE
_USE, _HEARING, _CUT, _TELLING = range(4)
_LATEST, _START, _END = 8, 16, 24
_PARENT, _PARENT_BYTES = 32, 512
_NUMBER = struct.Struct("@Q")  # native: stored by one instruction, so never half of it
_LENGTH = struct.Struct(">I")

_UNUSED, _IN_USE, _OVER = range(3)
_TOLD, _PERHAPS, _PERHAPS_HALF = range(3)

_PUNCH_HOLE = 3  # FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE
_libc = ctypes.CDLL(None, use_errno=True)


def is_in_use(descriptor: int) -> bool:
    """Whether the ledger belongs to a session that is not closed."""
    return os.pread(descriptor, 1, _USE) == bytes([_IN_USE])


class Record(NamedTuple):
    """What a ledger tells.

    ``hearing``: something that the worker said had been read, but perhaps not published.
    ``telling``: a request was being handed to the worker, which has it or has it not.
    ``half_told``: or has half of it.
    ``captured``: the request that what is in the worker's pipes belongs to.
    ``incomplete``: msg_ids of requests that were noted without their content.
    """

    session: Session
    hearing: bool
    telling: bool
    half_told: bool
    captured: str
    incomplete: frozenset[str]


class Ledger:
    """The daemon's hold on a ledger. After ``close``, all that is written is written nowhere.

    Args:
        descriptor: of ``os.memfd_create``; a new file or one that another daemon wrote. Closed by ``close``.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        try:
            if os.fstat(descriptor).st_size < _PAGE:
                os.ftruncate(descriptor, _PAGE)
            self._page: mmap.mmap | None = mmap.mmap(descriptor, _PAGE)
        except BaseException:
            os.close(descriptor)
            raise
        self._session = _BLANK
        self._snapshot_bytes = 0
        self._start = self._end = _PAGE

    # --- the session

    def begin(self, session: Session) -> None:
        """The ledger is this session's from now on."""
        assert self._page is not None
        self._session = session
        self._start, self._end = (max(self._read(place), _PAGE) for place in (_START, _END))
        _NUMBER.pack_into(self._page, _LATEST, session.latest)
        self._begin_anew()
        self._set(_USE, _IN_USE)

    def write(self, session: Session, *, tells: bool = False) -> None:
        """Note a session's new state, before any of it can be seen.

        Where there is no more memory for it the ledger is given up: the session then ends with the daemon.

        Args:
            tells: a request is handed to the worker next; ``told`` follows.
        """
        before, self._session = self._session, session
        if session is before or self._page is None:
            return
        if tells and self._page[_TELLING] == _TOLD:
            self._set(_TELLING, _PERHAPS)
        _NUMBER.pack_into(self._page, _LATEST, session.latest)
        if (entry := _difference(before, session)) is None:
            return
        try:
            self._append(entry)
            if self._end - self._start > max(JOURNAL_BYTES, 4 * self._snapshot_bytes):
                self._begin_anew()
        except OSError:
            self.end()

    def end(self) -> None:
        """The session is over, or goes on in another ledger. Closes this one."""
        self._set(_USE, _OVER)
        self.close()

    def close(self) -> None:
        if self._page is not None:
            self._page.close()
            self._page = None
            os.close(self.descriptor)

    @property
    def is_in_use(self) -> bool:
        """Whether a session has it."""
        return self._page is not None and self._page[_USE] == _IN_USE

    @property
    def is_used(self) -> bool:
        """Whether a session has it, or had it."""
        return self._page is None or self._page[_USE] != _UNUSED

    def _append(self, entry: _Entry) -> int:
        """Gives the bytes that it took. They count once the end of the journal is behind them."""
        record = _encode(entry)
        data = _LENGTH.pack(len(record)) + record
        if os.pwrite(self.descriptor, data, self._end) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._end += len(data)
        assert self._page is not None
        _NUMBER.pack_into(self._page, _END, self._end)
        return len(data)

    def _begin_anew(self) -> None:
        """Write the whole state, which may be read as a change too; then forget what is before it."""
        entry = _difference(_BLANK, self._session)
        assert entry is not None
        before, self._start = self._start, self._end
        self._snapshot_bytes = self._append(entry)
        assert self._page is not None
        _NUMBER.pack_into(self._page, _START, self._start)
        first = -(-before // _PAGE) * _PAGE
        free = self._start // _PAGE * _PAGE - first
        if free > 0:
            _libc.fallocate(self.descriptor, _PUNCH_HOLE, ctypes.c_int64(first), ctypes.c_int64(free))

    # --- what is about to be done

    def hear(self) -> None:
        """Something is read that the worker said. ``heard`` follows, when it is published."""
        self._set(_HEARING, 1)

    def heard(self, *, unfinished: bool) -> None:
        """What was read is published, but for the beginning of something unfinished."""
        self._set(_CUT, unfinished)
        self._set(_HEARING, 0)

    def told(self) -> None:
        """The worker has all requests that it was to be handed."""
        self._set(_TELLING, _TOLD)

    def tell_in_parts(self) -> None:
        """A request is handed to the worker next that may go there in parts. ``told`` follows."""
        self._set(_TELLING, _PERHAPS_HALF)

    def capture(self, parent: str) -> None:
        """What is in the worker's pipes belongs to this request."""
        name = parent.encode(errors="replace")[:_PARENT_BYTES]
        if self._page is not None:
            self._page[_PARENT : _PARENT + 2 + len(name)] = len(name).to_bytes(2, "big") + name

    def _set(self, place: int, value: int) -> None:
        if self._page is not None:
            self._page[place] = value

    # --- reading

    def _read(self, place: int) -> int:
        assert self._page is not None
        number: int = _NUMBER.unpack_from(self._page, place)[0]
        return number

    def read(self) -> Record:
        """What another daemon wrote.

        Raises:
            ValueError: it is no ledger of a session, or one of another version.
        """
        assert self._page is not None
        page = self._page
        start, end = self._read(_START), self._read(_END)
        journal = os.pread(self.descriptor, end - start, start) if start < end else b""
        try:
            session, incomplete = _session_of(map(_decode, _records(journal)))
        except (msgspec.DecodeError, KernelError, KeyError, TypeError, struct.error) as error:
            raise ValueError(f"a ledger cannot be read: {error}") from error
        size = int.from_bytes(page[_PARENT : _PARENT + 2], "big")
        return Record(
            session=msgspec.structs.replace(session, latest=self._read(_LATEST)),
            hearing=bool(page[_HEARING] or page[_CUT]),
            telling=page[_TELLING] != _TOLD,
            half_told=page[_TELLING] == _PERHAPS_HALF,
            captured=page[_PARENT + 2 : _PARENT + 2 + min(size, _PARENT_BYTES)].decode(errors="replace"),
            incomplete=incomplete,
        )


# --- The journal ------------------------------------------------------------------------------


class _Entry(msgspec.Struct, frozen=True, array_like=True):
    """What changed. ``requests`` are those that were not pending before: frames of ``codec.encode_body``,
    without content if it is too long. ``lines`` and ``restarts`` name requests by msg_id; a line has
    its other fields beside ``queue`` and ``running``. ``answered`` and ``parents`` are new ones."""

    fields: dict[str, Any]
    requests: list[list[bytes]]
    lines: dict[str, dict[str, Any]] | None
    restarts: list[str] | None
    answered: list[tuple[str, str, msgspec.Raw]]
    parents: list[Header]


_encode = msgspec.msgpack.Encoder().encode
_encode_raw = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Entry).decode

_BLANK = Session(uid=SessionUID(""), name="", nonce="", created="", last_activity="", lines={})

_APART = {"latest", "last_activity", "lines", "restarts", "answered", "parents", "printed"}
"""Noted in a way of their own, or not worth a note with each output."""
_FIELDS = tuple(name for name in Session.__struct_fields__ if name not in _APART)
_fields_of = attrgetter(*_FIELDS)
_FIELD_TYPES = get_type_hints(Session)
_LINE_FIELDS = tuple(name for name in Line.__struct_fields__ if name not in ("queue", "running"))
_line_fields_of = attrgetter(*_LINE_FIELDS)
_LINE_TYPES = get_type_hints(Line)


def _difference(before: Session, after: Session) -> _Entry | None:
    values = _fields_of(after)
    fields = dict(compress(zip(_FIELDS, values, strict=True), map(is_not, values, _fields_of(before))))
    requests: list[list[bytes]] = []
    lines: dict[str, dict[str, Any]] | None = None
    restarts: list[str] | None = None
    if after.lines is not before.lines or after.restarts is not before.restarts:
        known = {request.header.msg_id for request in _pending(before)}
        requests = [_frames(request) for request in _pending(after) if request.header.msg_id not in known]
        lines = {name: _shape(line) for name, line in after.lines.items()}
        restarts = [request.header.msg_id for request in after.restarts]
    if not fields and lines is None and after.answered is before.answered and after.parents is before.parents:
        return None
    return _Entry(
        fields=fields,
        requests=requests,
        lines=lines,
        restarts=restarts,
        answered=[
            (msg_id, reply.msg_type, msgspec.Raw(_encode_raw(reply)))
            for msg_id, reply in after.answered.since(before.answered)
        ],
        parents=[header for _, header in after.parents.since(before.parents)],
    )


def _pending(session: Session) -> list[Message]:
    pending = [*session.restarts]
    for line in session.lines.values():
        pending += line.pending
    return pending


def _shape(line: Line) -> dict[str, Any]:
    shape: dict[str, Any] = dict(zip(_LINE_FIELDS, _line_fields_of(line), strict=True))
    shape["queue"] = [request.header.msg_id for request in line.queue]
    shape["running"] = line.running.header.msg_id if line.running is not None else ""
    return shape


def _frames(request: Message) -> list[bytes]:
    frames = codec.encode_body(request, "msgpack")
    return frames if codec.body_bytes(frames) <= REQUEST_BYTES else frames[:2]


def _request(frames: list[bytes]) -> tuple[Message, bool]:
    """The request, and whether it is all there."""
    header = msgspec.msgpack.decode(frames[0], type=Header)
    if is_whole := len(frames) > 2:
        return codec.read(codec.Opened("msgpack", header, [b"", b"", *frames])), is_whole
    content_type = CONTENT_TYPES[header.msg_type]
    # The fields that it must have are its long ones.
    blanks = {"code": "", "data": {}, "cursor_pos": 0, "comm_id": "", "target_name": ""}
    content = {name: value for name, value in blanks.items() if name in content_type.__struct_fields__}
    return Message(header=header, content=msgspec.convert(content, content_type)), is_whole


def _records(journal: bytes) -> Iterable[bytes]:
    place = 0
    while place < len(journal):
        (length,) = _LENGTH.unpack_from(journal, place)
        place += _LENGTH.size + length
        yield journal[place - length : place]


def _session_of(entries: Iterable[_Entry]) -> tuple[Session, frozenset[str]]:
    fields: dict[str, Any] = {"uid": "", "name": "", "nonce": "", "created": ""}
    known: dict[str, tuple[Message, bool]] = {}
    lines: dict[str, dict[str, Any]] = {}
    restarts: list[str] = []
    answered: dict[str, Content] = {}
    parents: dict[str, Header] = {}
    for entry in entries:
        fields |= entry.fields
        for frames in entry.requests:
            request = _request(frames)
            known[request[0].header.msg_id] = request
        if entry.lines is not None and entry.restarts is not None:
            lines, restarts = entry.lines, entry.restarts
            named = {name for line in lines.values() for name in (line["running"], *line["queue"])}
            known = {name: request for name, request in known.items() if name in named.union(restarts)}
        for msg_id, msg_type, raw in entry.answered:
            answered[msg_id] = msgspec.msgpack.decode(raw, type=CONTENT_TYPES[msg_type])
        parents |= {header.msg_id: header for header in entry.parents}
    values = {name: msgspec.convert(value, _FIELD_TYPES[name]) for name, value in fields.items()}
    session = Session(
        **values,
        last_activity=values["created"],
        lines={name: _line(shape, known) for name, shape in lines.items()},
        restarts=tuple(known[msg_id][0] for msg_id in restarts),
        answered=Recent(list(answered.items())[-REPLIES_REMEMBERED:]),
        parents=Recent(list(parents.items())[-PARENTS_REMEMBERED:]),
    )
    return session, frozenset(name for name, (_, is_whole) in known.items() if not is_whole)


def _line(shape: dict[str, Any], known: dict[str, tuple[Message, bool]]) -> Line:
    values = {name: msgspec.convert(shape[name], _LINE_TYPES[name]) for name in _LINE_FIELDS}
    running = known[shape["running"]][0] if shape["running"] else None
    return Line(**values, queue=tuple(known[msg_id][0] for msg_id in shape["queue"]), running=running)
