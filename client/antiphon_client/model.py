"""What the server tells, as this client reads it.

A mirror of ``antiphon_webserver.model``, kept apart so that a client needs no server to be installed.
Only the fields that this client uses; a field that is not named here is ignored, so that an older
client understands a newer server.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

Role: TypeAlias = Literal["observe", "answer", "run", "edit", "own"]


FileFormat: TypeAlias = Literal["ipynb", "py", "md", "html"]


class Struct(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all models."""


class Account(Struct, frozen=True, kw_only=True):
    name: str
    display_name: str
    admin: bool = False


class AccountDetails(Account, frozen=True, kw_only=True):
    """An account as an admin sees it."""

    created: str
    disabled: bool
    signins: int
    tokens: int
    worksheets: int


class SignIn(Struct, frozen=True, kw_only=True):
    """A browser that is signed in."""

    id: str
    way: str
    created: str
    expires: str


class AuditEntry(Struct, frozen=True, kw_only=True):
    """Something that was done or refused."""

    number: int
    date: str
    account: str
    address: str
    act: str
    subject: dict[str, str]
    outcome: str
    count: int


class LiveSession(Struct, frozen=True, kw_only=True):
    """A session as an admin sees it."""

    uid: str
    owner: str
    state: str
    created: str
    latest: int


class Invitation(Struct, frozen=True, kw_only=True):
    """By it somebody makes an account, once."""

    url: str
    expires: str


class ServerInfo(Struct, frozen=True, kw_only=True):
    """``kernel`` is "ready", "starting" or "gone"."""

    version: str
    kernel: str
    signed_in: Account | None = None


class Token(Struct, frozen=True, kw_only=True):
    id: str
    label: str
    scope: Role = "own"
    worksheet: str | None = None
    created: str = ""
    last_used: str | None = None
    expires: str | None = None


class NewToken(Struct, frozen=True, kw_only=True):
    """``secret`` is told this one time."""

    token: Token
    secret: str


class LoginLink(Struct, frozen=True, kw_only=True):
    """A one-time login link."""

    url: str
    account: str
    expires: str


class NewAccount(Struct, frozen=True, kw_only=True):
    account: Account
    link: LoginLink


class Member(Struct, frozen=True, kw_only=True):
    account: str
    role: Role


class Link(Struct, frozen=True, kw_only=True):
    """A right in a worksheet for whoever has its secret."""

    id: str
    role: Role
    author: str
    created: str
    expires: str | None = None
    uses: int = 0
    most_uses: int | None = None


class NewLink(Struct, frozen=True, kw_only=True):
    """``url`` is told this one time."""

    link: Link
    url: str


class Worksheet(Struct, frozen=True, kw_only=True):
    """``session`` is the UID of its live session, or null before the first run."""

    id: str
    title: str
    owner: str
    role: Role
    created: str
    changed: str
    session: str | None = None


class ListedWorksheet(Worksheet, frozen=True, kw_only=True):
    """``state`` is the session's; ``found`` the line of a cell that holds what was looked for."""

    state: str | None = None
    cells: int
    members: int
    found: str = ""


class Span(Struct, frozen=True, kw_only=True):
    """Entries ``first`` to ``last`` of a worksheet's log, made without a pause."""

    first: int
    last: int
    began: str
    ended: str
    authors: tuple[str, ...]
    kinds: dict[str, int]
    cells: tuple[str, ...]


class History(Struct, frozen=True, kw_only=True):
    """Spans, newest first; ``more``: there are earlier ones."""

    spans: tuple[Span, ...]
    more: bool


class Cleared(Struct, frozen=True, kw_only=True):
    """Bytes of output that a worksheet has, and that were deleted."""

    kept: int
    freed: int


class Exported(Struct, frozen=True, kw_only=True):
    """A worksheet as a file."""

    filename: str
    text: str


class Session(Struct, frozen=True, kw_only=True):
    uid: str
    title: str
    owner: str
    worksheet: str | None
    state: str
    reason: str = ""
    latest: int = 0
    created: str = ""


class Limits(Struct, frozen=True, kw_only=True):
    """What a session may use; 0 is no limit."""

    memory_bytes: int = 0
    cpu_seconds: int = 0
    run_seconds: int = 0
    processes: int = 0
    output_bytes: int = 0
    idle_seconds: int = 0


class Preloaded(Struct, frozen=True, kw_only=True):
    """A module that a session had imported before it began; ``changed`` on disk since."""

    name: str
    version: str = ""
    file: str = ""
    changed: bool = False


class Use(Struct, frozen=True, kw_only=True):
    """What a session uses now."""

    memory_bytes: int
    cpu_seconds: float
    processes: int
    waiting: int
    idle_seconds: float
    last_activity: str
    limits: Limits
    preloaded: tuple[Preloaded, ...] = ()


class SessionDetails(Session, frozen=True, kw_only=True):
    """A session with what it uses, which is None when it is over."""

    use: Use | None = None


class Blob(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Bytes that the server has under ``/blob/<digest>/<type>``; ``form`` says how they stood in JSON."""

    digest: str
    bytes: int
    type: str
    form: str
    line: int = 0


class Publication(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One publication of a session's feed. ``parent`` is the ``msg_id`` of the request it belongs to.

    ``blobs``: what was taken out of ``content["data"]``, by MIME type.
    """

    number: int
    msg_id: str
    msg_type: str
    parent: str
    username: str
    date: str
    metadata: dict[str, Any]
    content: dict[str, Any]
    blobs: dict[str, Blob] = {}
    buffers: tuple[Blob, ...] = ()


class Publications(Struct, frozen=True, kw_only=True):
    """``gone``: first and last number that nobody holds any more; null when nothing is missing."""

    publications: tuple[Publication, ...]
    latest: int
    gone: tuple[int, int] | None = None


class RunOutputs(Struct, frozen=True, kw_only=True):
    """A part of what a run published, oldest first, and how many publications come after it."""

    publications: tuple[Publication, ...]
    omitted: int


class Executing(Struct, frozen=True, kw_only=True):
    """The request was accepted; its publications have ``msg_id`` as parent."""

    msg_id: str


class QueuedRun(Struct, frozen=True, kw_only=True):
    """A run that waits, and the beginning of its code."""

    msg_id: str
    username: str = ""
    date: str = ""
    code: str = ""


class FileEntry(Struct, frozen=True, kw_only=True):
    """A file, directory, link or other thing of a session's directory; ``size`` in bytes."""

    name: str
    kind: str
    size: int = 0
    changed: str = ""


class Files(Struct, frozen=True, kw_only=True):
    """Some of the ``total`` that a directory holds; ``next`` is where the others begin."""

    entries: tuple[FileEntry, ...]
    total: int
    next: int | None = None


class Variable(Struct, frozen=True, kw_only=True):
    """A variable of a session; ``shape`` and ``size_bytes`` are None where they are not known."""

    name: str
    type: str
    module: str = ""
    shape: tuple[int, ...] | None = None
    size_bytes: int | None = None
    preview: str = ""


class Variables(Struct, frozen=True, kw_only=True):
    """Some of the ``total`` variables; ``next`` is where the others begin. Not ``known``: those of another
    kernel."""

    known: bool = True
    variables: tuple[Variable, ...] = ()
    total: int = 0
    next: int | None = None


class Column(Struct, frozen=True, kw_only=True):
    """What stands above a column of a variable."""

    name: str
    type: str = ""


class VariableDetails(Struct, frozen=True, kw_only=True):
    """A variable, None where there is none of the name, and some of its ``total`` rows."""

    variable: Variable | None = None
    text: str = ""
    columns: tuple[Column, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    total: int = 0
    width: int = 0


class Queue(Struct, frozen=True, kw_only=True):
    """The msg_id of what runs, since when, and the runs that wait, the next one first."""

    running: str = ""
    running_since: str = ""
    queue: tuple[QueuedRun, ...] = ()


class ShownCell(Struct, frozen=True, kw_only=True):
    """A cell, and what became of its newest run."""

    id: str
    type: str
    source: str
    edited: bool
    outdated: bool
    ended: bool


class Run(Struct, frozen=True, kw_only=True):
    """One evaluation of a cell."""

    id: str
    cell: str | None
    state: str
    reason: str
    started: str | None = None
    ended: str | None = None


class Runs(Struct, frozen=True, kw_only=True):
    """Runs, newest first."""

    runs: tuple[Run, ...]


class Comment(Struct, frozen=True, kw_only=True):
    """What somebody says; of a deleted one there is no text."""

    id: str
    author: str
    created: str
    text: str
    edited: str | None = None
    deleted: bool = False


class Thread(Struct, frozen=True, kw_only=True):
    """Comments about a cell, or about what read ``quote`` in its text."""

    id: str
    cell: str
    quote: str = ""
    resolved: bool = False
    comments: tuple[Comment, ...]


class Snapshot(Struct, frozen=True, kw_only=True):
    """A worksheet at entry ``cursor`` of its log."""

    cells: tuple[ShownCell, ...]
    runs: tuple[Run, ...]
    cursor: int


class Entries(Struct, frozen=True, kw_only=True):
    """What the log has after a cursor."""

    entries: tuple[dict[str, Any], ...]
    latest: int


Clearing: TypeAlias = Literal["all", "earlier"]
"""Of which runs outputs are deleted."""

Which: TypeAlias = Literal["all", "above", "below", "stale"]
