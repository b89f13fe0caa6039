"""What the web server keeps and tells: the nouns of the database and of JSON-RPC.

Frozen structs only. The JSON of these types is what every client sees; ``spec/message_spec.rst``
(part *JSON-RPC*) describes them, ``frontend/src/protocol.ts`` and ``antiphon_client`` mirror them.
Times are ISO 8601 strings in UTC; ids are URL-safe strings of 128 random bits.
"""

from __future__ import annotations

from typing import Any, Literal, NewType, TypeAlias

import msgspec

from .changes import Changes, Units

AccountName = NewType("AccountName", str)
WorksheetId = NewType("WorksheetId", str)
CellId = NewType("CellId", str)
RunId = NewType("RunId", str)
TokenId = NewType("TokenId", str)
LinkId = NewType("LinkId", str)
CommentId = NewType("CommentId", str)
SignInId = NewType("SignInId", str)

Role: TypeAlias = Literal["observe", "answer", "run", "edit", "own"]
ROLES: tuple[Role, ...] = ("observe", "answer", "run", "edit", "own")
"""From the least right to the most; each includes the ones before it."""

CellType: TypeAlias = Literal["code", "markdown"]
RunState: TypeAlias = Literal["queued", "running", "ok", "error", "interrupted", "cancelled", "died", "lost"]
"""``queued`` and ``running`` are open; each of the others is final. ``reason`` says why for the last four."""

SignUp: TypeAlias = Literal["closed", "invite", "open"]
"""Who may make an account: nobody but an admin, who was invited by one, anybody."""

Way: TypeAlias = Literal["password", "link", "token", "visit", "oidc"]
"""How somebody signed in: "link" is by a login link, "visit" by the link of a worksheet,
"oidc" at an OpenID provider."""


class Struct(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all models."""


class Account(Struct, frozen=True, kw_only=True):
    """A person; or, as a ``visitor``, a browser that came by the link of a worksheet. A visitor may do in the
    worksheets that it visits what their links allow, has nothing of its own, and is gone with its links.
    """

    name: AccountName
    display_name: str
    admin: bool = False
    visitor: bool = False


class AccountDetails(Account, frozen=True, kw_only=True):
    """An account as an admin sees it. A ``disabled`` one lets nobody in."""

    created: str
    disabled: bool
    signins: int
    tokens: int
    worksheets: int


class SignIn(Struct, frozen=True, kw_only=True):
    """A browser that is signed in; ``here`` is the one that asks."""

    id: SignInId
    way: Way
    created: str
    expires: str
    here: bool = False


class Token(Struct, frozen=True, kw_only=True):
    """A token for programs. Its secret is shown once, at creation, and stored hashed.

    It may do what its account may, up to the role ``scope``: with "run" it runs cells where the account
    may, and edits none, even of its own worksheets. ``worksheet``: in this one alone; null is in all.
    """

    id: TokenId
    label: str
    scope: Role = "own"
    worksheet: WorksheetId | None = None
    created: str
    last_used: str | None = None
    expires: str | None = None


class Member(Struct, frozen=True, kw_only=True):
    """``link`` is the one by which the account came, and with which it goes; null is a member by name."""

    account: AccountName
    display_name: str
    role: Role
    link: LinkId | None = None


class Caret(Struct, frozen=True, kw_only=True):
    """Where somebody writes: window number ``window`` of ``account``, in a cell's text of ``version``, from
    ``anchor`` to ``head`` (UTF-16 units; ``head`` is the end that moves)."""

    window: int
    account: AccountName
    cell: CellId
    version: int
    anchor: int
    head: int


class Link(Struct, frozen=True, kw_only=True):
    """A right in a worksheet for whoever has the link's secret. ``uses`` counts those whom it made members,
    ``most_uses`` is how many it may; null is any number. ``expires`` is null for a link without an end."""

    id: LinkId
    role: Role
    author: AccountName
    created: str
    expires: str | None = None
    uses: int = 0
    most_uses: int | None = None


class Worksheet(Struct, frozen=True, kw_only=True):
    """``role`` is the caller's. ``session`` is the UID of its live session, or null before the first run."""

    id: WorksheetId
    title: str
    owner: AccountName
    role: Role
    created: str
    changed: str
    session: str | None = None


class ListedWorksheet(Worksheet, frozen=True, kw_only=True):
    """A worksheet as a list shows it.

    Args:
        state: of its session, as last heard; null where there is none.
        cells, members: how many it has.
        found: the line of a cell that holds what was looked for; empty where nothing was, or only the title
            or the owner does.
    """

    state: str | None = None
    cells: int
    members: int
    found: str = ""


class Cell(Struct, frozen=True, kw_only=True):
    """``version`` counts the edits of ``source``; an edit names the version that it changes. ``metadata``
    is what is said about the cell, as in a notebook file: tags, what is hidden, what other programs note."""

    id: CellId
    type: CellType
    source: str
    version: int = 0
    metadata: dict[str, Any] = {}


class ShownCell(Cell, frozen=True, kw_only=True):
    """A cell and what became of its newest run: ``edited``, its text is not what was run any more;
    ``outdated``, what it read was run or changed since; ``ended``, it was run in a namespace that is no
    more. All are false where nothing was run."""

    edited: bool = False
    outdated: bool = False
    ended: bool = False


Range: TypeAlias = tuple[Units, Units]
"""A stretch of a cell's text, from one place to another, in UTF-16 units."""


class Comment(Struct, frozen=True, kw_only=True):
    """What somebody says, in Markdown; ``number`` is that of the entry that said it, ``edited`` when it was
    changed last. Of a ``deleted`` one there is no text."""

    id: CommentId
    number: int
    author: AccountName
    created: str
    text: str
    edited: str | None = None
    deleted: bool = False


class Thread(Struct, frozen=True, kw_only=True):
    """Comments that follow one another; ``id`` is that of the first. They are about a cell, and if there is a
    ``range``, about this stretch of its text, which read ``quote`` when the first comment was made. The range
    moves with edits, and ends with the last character of it that is deleted."""

    id: CommentId
    cell: CellId
    range: Range | None = None
    quote: str = ""
    resolved: bool = False
    comments: tuple[Comment, ...]


class Run(Struct, frozen=True, kw_only=True):
    """One evaluation. ``cell`` is null for code that was run beside the cells (a terminal). ``scratch``: one
    person tries something, and their page alone shows what came of it."""

    id: RunId
    worksheet: WorksheetId
    cell: CellId | None
    session: str
    msg_id: str
    account: AccountName
    code: str
    state: RunState
    reason: str = ""
    execution_count: int = 0
    scratch: bool = False
    created: str
    started: str | None = None
    ended: str | None = None


class Blob(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Bytes that are served at ``/blob/<digest>/<type>``, named by their SHA-256 in hex.

    In JSON they stood as ``form`` says: as base64, as text, or as a JSON value that ``bytes`` are the text
    of. ``line``: base64 had a line feed after so many characters and at its end; 0 is none.
    """

    digest: str
    bytes: int
    type: str
    form: Literal["base64", "text", "json"]
    line: int = 0


OUTPUT = frozenset({"stream", "display_data", "execute_result", "update_display_data"})
"""The types of publications whose size the code of a session decides."""


class Publication(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One publication of a session's feed, as stored and relayed. ``parent`` is the request's msg_id.

    ``blobs``: what was taken out of ``content.data``, by MIME type.
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


# --- The worksheet log: one union, tagged by ``kind`` -----------------------------------------


class Entry(Struct, frozen=True, kw_only=True, tag_field="kind", tag=True):
    """Base of the log's entries. Numbered 1, 2, 3, … for each worksheet, without gaps."""

    number: int
    author: AccountName
    date: str


class CellCreated(Entry, frozen=True, kw_only=True, tag="cell_created"):
    """``after`` is the cell it follows, null at the top."""

    cell: Cell
    after: CellId | None


class CellEdited(Entry, frozen=True, kw_only=True, tag="cell_edited"):
    """``changes`` turn the text of the version before into this one's. ``edit`` is the id that whoever
    typed gave it, and by which they know it again; empty if there was none.

    Of an edit that stands for others too, ``first`` is the number of the first of them (0: it stands for
    itself), and for a reader that has read some of them, ``source`` is the whole text.

    ``edited``: the text is not what the cell's newest run ran."""

    cell: CellId
    version: int
    changes: Changes
    edit: str = ""
    first: int = 0
    source: str | None = None
    edited: bool = False


class Merged(Entry, frozen=True, kw_only=True, tag="merged"):
    """An edit that a later one of the same cell and author stands for now; it has no author of its own."""


class CellConverted(Entry, frozen=True, kw_only=True, tag="cell_converted"):
    cell: CellId
    type: CellType


class CellAnnotated(Entry, frozen=True, kw_only=True, tag="cell_annotated"):
    """``metadata`` is the whole of it, as it is now."""

    cell: CellId
    metadata: dict[str, Any]


class CellMoved(Entry, frozen=True, kw_only=True, tag="cell_moved"):
    cell: CellId
    after: CellId | None


class CellDeleted(Entry, frozen=True, kw_only=True, tag="cell_deleted"):
    cell: CellId


class OutputsCleared(Entry, frozen=True, kw_only=True, tag="outputs_cleared"):
    """Outputs of runs that were over are stored no more: under ``cells`` nothing stands now. ``bytes`` is how
    much room that made."""

    cells: tuple[CellId, ...] = ()
    bytes: int


class CellsMarked(Entry, frozen=True, kw_only=True, tag="cells_marked"):
    """By what was done just before, some cells became ``outdated``, and some ``current`` again. A
    ``session_opened`` makes all of them current."""

    outdated: tuple[CellId, ...] = ()
    current: tuple[CellId, ...] = ()


class CommentCreated(Entry, frozen=True, kw_only=True, tag="comment_created"):
    """The first comment of a thread has its id; another one is an answer, and has neither range nor quote.
    The range is one of the cell's text of ``version``, which is the present one."""

    comment: CommentId
    thread: CommentId
    cell: CellId
    range: Range | None = None
    version: int = 0
    quote: str = ""
    text: str


class CommentEdited(Entry, frozen=True, kw_only=True, tag="comment_edited"):
    comment: CommentId
    thread: CommentId
    text: str


class CommentDeleted(Entry, frozen=True, kw_only=True, tag="comment_deleted"):
    comment: CommentId
    thread: CommentId


class CommentRestored(Entry, frozen=True, kw_only=True, tag="comment_restored"):
    """A deleted comment is there again, with its text."""

    comment: CommentId
    thread: CommentId
    text: str


class ThreadResolved(Entry, frozen=True, kw_only=True, tag="thread_resolved"):
    """What the thread is about is settled; or, if not ``resolved``, open again."""

    thread: CommentId
    resolved: bool


class WorksheetRestored(Entry, frozen=True, kw_only=True, tag="worksheet_restored"):
    """Somebody went back to the cells at number ``to``; the entries that follow do it, one by one."""

    to: int


class WorksheetRenamed(Entry, frozen=True, kw_only=True, tag="worksheet_renamed"):
    title: str


class MemberSet(Entry, frozen=True, kw_only=True, tag="member_set"):
    member: Member


class MemberRemoved(Entry, frozen=True, kw_only=True, tag="member_removed"):
    account: AccountName


class LinkCreated(Entry, frozen=True, kw_only=True, tag="link_created"):
    link: Link


class LinkEnded(Entry, frozen=True, kw_only=True, tag="link_ended"):
    """The link is over, and so are the memberships of those who came by it."""

    link: LinkId
    reason: str


class OwnerChanged(Entry, frozen=True, kw_only=True, tag="owner_changed"):
    """``owner`` has the worksheet now, with the role "own". The one before stays a member with it."""

    owner: Member


class SessionOpened(Entry, frozen=True, kw_only=True, tag="session_opened"):
    """The worksheet has a new session; its feed starts at 1."""

    session: str


class RunCreated(Entry, frozen=True, kw_only=True, tag="run_created"):
    """Written before the request is sent: outputs of ``run.msg_id`` belong to ``run.cell``."""

    run: Run


class RunEnded(Entry, frozen=True, kw_only=True, tag="run_ended"):
    run: RunId
    state: RunState
    reason: str = ""
    execution_count: int = 0
    ended: str


AnyEntry: TypeAlias = (
    CellCreated
    | CellEdited
    | Merged
    | CellConverted
    | CellAnnotated
    | CellMoved
    | CellDeleted
    | OutputsCleared
    | CellsMarked
    | CommentCreated
    | CommentEdited
    | CommentDeleted
    | CommentRestored
    | ThreadResolved
    | WorksheetRestored
    | WorksheetRenamed
    | MemberSet
    | MemberRemoved
    | OwnerChanged
    | LinkCreated
    | LinkEnded
    | SessionOpened
    | RunCreated
    | RunEnded
)


# --- What methods return ----------------------------------------------------------------------


class Session(Struct, frozen=True, kw_only=True):
    """A session as the web server sees it. ``state`` is the kernel's execution state, or "lost"."""

    uid: str
    title: str
    owner: AccountName
    worksheet: WorksheetId | None
    state: str
    reason: str = ""
    latest: int = 0
    created: str


class SessionCursor(Struct, frozen=True, kw_only=True):
    """A session and the number of its newest publication inside a snapshot."""

    uid: str
    cursor: int


class WidgetBuffer(Struct, frozen=True, kw_only=True):
    """A part of a widget's state that is binary, and where in the state it belongs."""

    path: tuple[str | int, ...]
    blob: Blob


class WidgetModel(Struct, frozen=True, kw_only=True):
    """The newest state of one widget, as its comm told it, without what is binary."""

    state: dict[str, Any]
    buffers: tuple[WidgetBuffer, ...] = ()


class Widgets(Struct, frozen=True, kw_only=True):
    """The widgets of a session by comm_id. ``capturing``: by the msg_id of a request, the ``Output`` widgets
    that take what it publishes now, the innermost last."""

    models: dict[str, WidgetModel] = {}
    capturing: dict[str, tuple[str, ...]] = {}


class Snapshot(Struct, frozen=True, kw_only=True):
    """A worksheet at (``cursor`` of its log, ``session.cursor`` of its feed); the rest comes by cursor.

    ``runs`` holds the newest run of each cell; ``outputs`` the publications of those runs, by run id.
    A run that published more than a snapshot carries has its first and its newest ones there, and in
    ``omitted`` how many are left out; ``run.outputs`` and ``feed.since`` give them. ``widgets`` are the
    newest states of the widgets of these runs' sessions, by session. ``threads`` are those of deleted cells
    too, as such a cell may come back; ``read`` says up to which number the caller has read a thread.
    """

    worksheet: Worksheet
    cells: tuple[ShownCell, ...]
    members: tuple[Member, ...]
    runs: tuple[Run, ...]
    outputs: dict[RunId, tuple[Publication, ...]]
    omitted: dict[RunId, int] = {}
    cursor: int
    session: SessionCursor | None
    widgets: dict[str, Widgets] = {}
    threads: tuple[Thread, ...] = ()
    read: dict[CommentId, int] = {}


class Entries(Struct, frozen=True, kw_only=True):
    """``latest`` is the number of the newest entry of the log."""

    entries: tuple[AnyEntry, ...]
    latest: int


class Moment(Struct, frozen=True, kw_only=True):
    """The cells as they were after entry ``number``, which ``author`` made at ``date``."""

    number: int
    author: AccountName
    date: str
    cells: tuple[Cell, ...]


class Span(Struct, frozen=True, kw_only=True):
    """Entries ``first`` to ``last``, made without a pause: who took part, how many entries there are of
    each kind, and which cells they are about."""

    first: int
    last: int
    began: str
    ended: str
    authors: tuple[AccountName, ...]
    kinds: dict[str, int]
    cells: tuple[CellId, ...]


class History(Struct, frozen=True, kw_only=True):
    """Spans, newest first. ``more``: the log has entries before the last of them."""

    spans: tuple[Span, ...]
    more: bool


class Deleted(Struct, frozen=True, kw_only=True):
    """A cell in the bin: who deleted it and when, by which entry, and the cell it stood after."""

    cell: Cell
    after: CellId | None
    number: int
    author: AccountName
    date: str


class Bin(Struct, frozen=True, kw_only=True):
    """Deleted cells, newest first. ``more``: others were deleted before the last of them."""

    deleted: tuple[Deleted, ...]
    more: bool


class Runs(Struct, frozen=True, kw_only=True):
    """Runs, newest first. ``more``: there are runs before the last of them."""

    runs: tuple[Run, ...]
    more: bool


class RunOutputs(Struct, frozen=True, kw_only=True):
    """What a run published, oldest first, from number ``first`` on (0: nothing); ``omitted`` is how many came
    before those, or come after them, where it was asked for what is ``after`` a number."""

    publications: tuple[Publication, ...]
    first: int = 0
    omitted: int


class Publications(Struct, frozen=True, kw_only=True):
    """``gone``: first and last number that nobody holds any more; null when nothing is missing."""

    publications: tuple[Publication, ...]
    latest: int
    gone: tuple[int, int] | None = None


class Person(Struct, frozen=True, kw_only=True):
    """Somebody who has the worksheet open, in ``windows`` windows."""

    account: AccountName
    display_name: str
    windows: int


class AuditEntry(Struct, frozen=True, kw_only=True):
    """Something that was done or refused, ``count`` times within a second or so.

    ``act`` is the method, or "signin.password", "signin.link", "signin.visit". ``subject`` names what it
    was done to; never a text, a title or a secret. ``outcome`` is "ok" or the name of the error.
    """

    number: int = 0
    date: str
    account: str
    address: str
    act: str
    subject: dict[str, str]
    outcome: str = "ok"
    count: int = 1


class LiveSession(Struct, frozen=True, kw_only=True):
    """A session as an admin sees it: whose it is, not what it holds."""

    uid: str
    owner: AccountName
    state: str
    created: str
    latest: int


class Invitation(Struct, frozen=True, kw_only=True):
    """By it somebody makes an account, once. The secret stands behind the ``#``."""

    url: str
    expires: str


class LoginLink(Struct, frozen=True, kw_only=True):
    """A one-time login link. The secret stands behind the ``#``: it reaches no log and no referrer."""

    url: str
    account: AccountName
    expires: str
