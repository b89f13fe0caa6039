"""The messages: every type that crosses the wire, and nothing else.

What belongs here: frozen structs and the tables that name them. What must never come here: bytes,
sockets, clocks, randomness. ``codec`` turns these into frames; ``session`` decides what they do.

The content of a message that Jupyter also has means what it means there (messaging protocol 5.4).
Each class is one section of ``spec/message_spec.rst``; a test keeps the two together.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, NewType, TypeAlias

import msgspec

SessionUID = NewType("SessionUID", str)
"""Names a session: 22 URL-safe characters, 128 random bits. Whoever knows it may observe."""

MessageId = NewType("MessageId", str)
"""Names a message. The sender of a request chooses it; a repeated one is answered, not run again."""

CONTENT_VERSION = "5.4"
"""The version of Jupyter's messaging protocol that contents follow (``header.version``)."""

MimeBundle: TypeAlias = dict[str, Any]
"""One value in several representations, by MIME type."""

Metadata: TypeAlias = dict[str, Any]

Natural: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
"""A count or a place: 0, 1, 2, …"""

FEED_LIMIT = 10_000
"""The most publications that one ``feed_request`` may ask for."""

VARIABLES_LIMIT = 2000
"""The most variables that one ``variables_request`` may ask for."""

VARIABLE_ROWS_LIMIT = 200
"""The most rows that one ``variable_request`` may ask for."""


FILES_LIMIT = 1000
"""The most files that one ``files_request`` may ask for."""

FILE_CHUNK_BYTES = 512 * 1024
"""The most of a file in one message: larger ones go in parts, and no other message waits long behind one."""

FilePath: TypeAlias = Annotated[str, msgspec.Meta(max_length=4096)]
"""Names with ``/`` between them, below the directory in which the session began; empty is that directory."""

FileKind: TypeAlias = Literal["file", "directory", "link", "other"]


class Struct(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of all that crosses the wire: immutable, fields by name, unknown fields ignored.

    Such values are trees, so Python need not look for circles among the hundred thousand that a feed holds.
    """


ASIDE = "aside"
"""A subshell that every session has, and nobody makes or sees: for requests that run no code, and shall
not wait for any."""


class Header(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who says what, where. Source: spec, section *Header*.

    ``session`` is the UID of the session concerned, empty when the kernel as a whole is meant.
    ``number`` is a publication's place in its session's feed, from 1; 0 on requests and replies.
    ``date`` is ISO 8601 with an offset. ``username`` is a label for people, not a credential.
    ``subshell_id`` is the subshell that a request is for, or ``ASIDE``; empty for the main line.
    """

    msg_id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
    msg_type: str
    session: str = ""
    username: str = ""
    date: str = ""
    version: str = CONTENT_VERSION
    number: Natural = 0
    subshell_id: Annotated[str, msgspec.Meta(max_length=128)] = ""


class Content(Struct, frozen=True, kw_only=True):
    """Base of every message's content. ``msg_type`` is its name on the wire."""

    msg_type: ClassVar[str]


class Message(Struct, frozen=True, kw_only=True):
    """A message: header, the header it answers, metadata, content, raw buffers."""

    header: Header
    parent_header: Header | None = None
    metadata: Metadata = {}
    content: Content
    buffers: tuple[bytes, ...] = ()


# --- Requests about the kernel as a whole -----------------------------------------------------


class KernelInfoRequest(Content, frozen=True, kw_only=True):
    msg_type = "kernel_info_request"


class KernelInfoReply(Content, frozen=True, kw_only=True):
    """``limits`` are the bounds a client should know, by name, in the unit the name ends with."""

    msg_type = "kernel_info_reply"
    status: Literal["ok"] = "ok"
    protocol_version: str = CONTENT_VERSION
    wire_version: int
    implementation: str = "antiphon"
    implementation_version: str
    language_info: dict[str, Any]
    banner: str = ""
    feed: str = ""
    preloaded: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    limits: dict[str, int | float] = {}
    supported_features: tuple[str, ...] = ()


class Setting(Struct, frozen=True, kw_only=True):
    """In what a session's code runs; each new worker begins in it.

    ``kernel`` is the name of an installed kernelspec of Jupyter's, empty for ours. ``directory`` is an
    absolute path, empty for the kernel's own. ``environment`` are variables that are set beside those that
    workers have anyway.
    """

    kernel: str = ""
    directory: str = ""
    environment: dict[str, str] = {}


PLAIN_SETTING = Setting()
"""The kernel's own."""


class SessionLimits(Struct, frozen=True, kw_only=True):
    """What one session may use; 0 is no limit.

    ``memory_bytes``, ``cpu_seconds`` and ``processes`` are of its worker and all that this started;
    ``run_seconds`` and ``output_bytes`` of one run; ``idle_seconds`` is how long it may have nothing to do.
    """

    memory_bytes: Natural = 0
    cpu_seconds: Natural = 0
    run_seconds: Natural = 0
    processes: Natural = 0
    output_bytes: Natural = 0
    idle_seconds: Natural = 0


NO_LIMITS = SessionLimits()


class CreateSessionRequest(Content, frozen=True, kw_only=True):
    """Make a session. The kernel chooses the UID. ``name`` is a label for people.

    ``limits`` may lower those of the kernel, and never raise them; 0 leaves one as it is.
    """

    msg_type = "create_session_request"
    name: str = ""
    setting: Setting = PLAIN_SETTING
    limits: SessionLimits = NO_LIMITS


class CreateSessionReply(Content, frozen=True, kw_only=True):
    msg_type = "create_session_reply"
    status: Literal["ok"] = "ok"
    uid: str


class Preloaded(Struct, frozen=True, kw_only=True):
    """A module that the session had imported before it began. ``file`` is where it was read from.

    ``changed``: a file of it was written since, so that the session's code is not what is on disk.
    """

    name: str
    version: str = ""
    file: str = ""
    changed: bool = False


class QueuedRun(Struct, frozen=True, kw_only=True):
    """A run that waits: who asked for it, when (ISO 8601), and the beginning of its code."""

    msg_id: str
    username: str = ""
    date: str = ""
    code: str = ""


class SubshellInfo(Struct, frozen=True, kw_only=True):
    """What runs in a subshell, and the runs that wait for it; as in ``SessionInfo``."""

    running: str = ""
    running_since: str = ""
    interrupted_since: str = ""
    queue: tuple[QueuedRun, ...] = ()


class SessionInfo(Struct, frozen=True, kw_only=True):
    """What can be told of a session without asking its code.

    ``queue``: the runs that wait, the next one first. ``running_since``: when the request that runs was
    handed to the worker. ``interrupted_since``: when it was first interrupted, if it has not stopped yet.
    ``running`` and ``queue`` are those of the main line, ``subshells`` those beside it, by id.
    ``idle_seconds``: how long it has had nothing to do, as the limit of that name counts.
    """

    uid: str
    name: str
    execution_state: str
    reason: str = ""
    latest: int
    queue: tuple[QueuedRun, ...] = ()
    running: str = ""
    running_since: str = ""
    interrupted_since: str = ""
    subshells: dict[str, SubshellInfo] = {}
    pid: int = 0
    created: str = ""
    last_activity: str = ""
    memory_bytes: int = 0
    cpu_seconds: float = 0.0
    processes: int = 0
    idle_seconds: float = 0.0
    limits: SessionLimits = NO_LIMITS
    preloaded: tuple[Preloaded, ...] = ()
    kernel: str = ""
    exported: bool = False

    @property
    def at_work(self) -> frozenset[str]:
        """The msg_ids of the requests that run and the runs that wait, in whatever line."""
        lines: tuple[SessionInfo | SubshellInfo, ...] = (self, *self.subshells.values())
        waiting = (run.msg_id for line in lines for run in line.queue)
        return frozenset((*(line.running for line in lines if line.running), *waiting))


class ListSessionsRequest(Content, frozen=True, kw_only=True):
    msg_type = "list_sessions_request"


class ListSessionsReply(Content, frozen=True, kw_only=True):
    msg_type = "list_sessions_reply"
    status: Literal["ok"] = "ok"
    sessions: tuple[SessionInfo, ...]


# --- Requests about one session (``header.session``) ------------------------------------------


class SessionInfoRequest(Content, frozen=True, kw_only=True):
    msg_type = "session_info_request"


class SessionInfoReply(Content, frozen=True, kw_only=True):
    msg_type = "session_info_reply"
    status: Literal["ok"] = "ok"
    session: SessionInfo


class CloseSessionRequest(Content, frozen=True, kw_only=True):
    msg_type = "close_session_request"


class CloseSessionReply(Content, frozen=True, kw_only=True):
    msg_type = "close_session_reply"
    status: Literal["ok"] = "ok"


class RestartSessionRequest(Content, frozen=True, kw_only=True):
    """Replace the worker, living or dead, by a fresh one. The feed and its numbers go on."""

    msg_type = "restart_session_request"


class RestartSessionReply(Content, frozen=True, kw_only=True):
    msg_type = "restart_session_reply"
    status: Literal["ok"] = "ok"


class ConnectionFile(Struct, frozen=True, kw_only=True):
    """Jupyter's connection file. By ipc, ``ip`` is the beginning of the sockets' paths."""

    transport: Literal["tcp", "ipc"] = "tcp"
    ip: str = "127.0.0.1"
    shell_port: int = 0
    control_port: int = 0
    iopub_port: int = 0
    stdin_port: int = 0
    hb_port: int = 0
    key: str = ""
    signature_scheme: str = "hmac-sha256"
    kernel_name: str = ""

    def endpoint(self, port: int) -> str:
        """The ZeroMQ address of a port; 0 is any free one, by tcp."""
        if self.transport == "ipc":
            return f"ipc://{self.ip}-{port}"
        return f"tcp://{self.ip}:{port or '*'}"


class ExportRequest(Content, frozen=True, kw_only=True):
    """Open the session to Jupyter's clients, on the sockets of ``connection``.

    It is a kernel to them until one of them shuts it down or restarts it, or its worker dies
    (``SessionInfo.exported``). Asked for again with the same key, it is one again, on the same sockets.
    """

    msg_type = "export_request"
    connection: ConnectionFile


class ExportReply(Content, frozen=True, kw_only=True):
    """``connection`` as it was asked for, with the ports that were chosen."""

    msg_type = "export_reply"
    status: Literal["ok"] = "ok"
    connection: ConnectionFile


class ExecuteRequest(Content, frozen=True, kw_only=True):
    msg_type = "execute_request"
    code: str
    silent: bool = False
    store_history: bool = True
    user_expressions: dict[str, str] = {}
    allow_stdin: bool = True
    stop_on_error: bool = True


class ExecuteReply(Content, frozen=True, kw_only=True):
    """How a run ended. Also published, so that the feed alone tells every outcome.

    ``ename``, ``evalue``, ``traceback`` are set when ``status`` is "error". A run that was dropped
    before it started has ``ename`` "RequestCancelled", one whose worker died "SessionDead", an
    interrupted one "KeyboardInterrupt".
    """

    msg_type = "execute_reply"
    status: Literal["ok", "error"]
    execution_count: int = 0
    user_expressions: dict[str, Any] = {}
    payload: tuple[dict[str, Any], ...] = ()
    ename: str = ""
    evalue: str = ""
    traceback: tuple[str, ...] = ()


class CompleteRequest(Content, frozen=True, kw_only=True):
    """``cursor_pos`` counts Unicode code points."""

    msg_type = "complete_request"
    code: str
    cursor_pos: Natural


class CompleteReply(Content, frozen=True, kw_only=True):
    msg_type = "complete_reply"
    status: Literal["ok"] = "ok"
    matches: tuple[str, ...]
    cursor_start: int
    cursor_end: int
    metadata: Metadata = {}


class InspectRequest(Content, frozen=True, kw_only=True):
    msg_type = "inspect_request"
    code: str
    cursor_pos: Natural
    detail_level: Literal[0, 1] = 0


class InspectReply(Content, frozen=True, kw_only=True):
    msg_type = "inspect_reply"
    status: Literal["ok"] = "ok"
    found: bool
    data: MimeBundle = {}
    metadata: Metadata = {}


class IsCompleteRequest(Content, frozen=True, kw_only=True):
    """Whether code could be run as it stands: what a console asks at each newline."""

    msg_type = "is_complete_request"
    code: str


class IsCompleteReply(Content, frozen=True, kw_only=True):
    """``indent``: what the next line should begin with, where the code is incomplete."""

    msg_type = "is_complete_reply"
    status: Literal["complete", "incomplete", "invalid", "unknown"]
    indent: str = ""


class HistoryRequest(Content, frozen=True, kw_only=True):
    """Earlier inputs of the session, in memory: those of the worker that is there now.

    ``tail`` gives the last ``n``, ``range`` the lines from ``start`` to before ``stop`` (None: to the
    end), ``search`` the last ``n`` that fit the glob ``pattern``, each text once if ``unique``.
    """

    msg_type = "history_request"
    hist_access_type: Literal["tail", "range", "search"]
    output: bool = False
    raw: bool = True
    session: int = 0
    start: int = 0
    stop: int | None = None
    n: int | None = None
    pattern: str | None = None
    unique: bool = False


class HistoryReply(Content, frozen=True, kw_only=True):
    """Of each line the session number, the execution count and the input, or input and output."""

    msg_type = "history_reply"
    status: Literal["ok"] = "ok"
    history: tuple[tuple[int, int, str | tuple[str, str | None]], ...]


class Variable(Struct, frozen=True, kw_only=True):
    """A name of the session's namespace, and what can be told of its value without running any code of it.

    ``type`` and ``module`` are those of its class. ``shape``: the length of what has one, rows and columns of
    a table, the shape of an array. ``size_bytes``: of the value itself, not of what it refers to. Both are
    None where they are not known. ``id`` is another one after the name was bound to another object.
    """

    name: str
    type: str
    module: str = ""
    shape: tuple[int, ...] | None = None
    size_bytes: int | None = None
    preview: str = ""
    id: int = 0


class VariablesRequest(Content, frozen=True, kw_only=True):
    """The session's variables, by name; those whose name contains ``search``, in whatever case.

    ``hidden``: also modules, functions, classes, and names that begin with an underscore.
    """

    msg_type = "variables_request"
    start: Natural = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=VARIABLES_LIMIT)] = 500
    search: Annotated[str, msgspec.Meta(max_length=200)] = ""
    hidden: bool = False


class VariablesReply(Content, frozen=True, kw_only=True):
    """``total`` are all that were asked for; ``next`` is where those begin that are not told here, if any.

    ``known`` is false where the session is one of another kernel, which cannot be asked.
    """

    msg_type = "variables_reply"
    status: Literal["ok"] = "ok"
    known: bool = True
    variables: tuple[Variable, ...] = ()
    total: Natural = 0
    next: int | None = None


class VariableRequest(Content, frozen=True, kw_only=True):
    """One variable, with ``limit`` of its rows, items or attributes from ``start`` on."""

    msg_type = "variable_request"
    name: Annotated[str, msgspec.Meta(max_length=1000)]
    start: Natural = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=VARIABLE_ROWS_LIMIT)] = 50


class VariableColumn(Struct, frozen=True, kw_only=True):
    """What stands above a column; ``type`` is that of its values, where they have one."""

    name: str
    type: str = ""


class VariableReply(Content, frozen=True, kw_only=True):
    """``variable`` is None where there is none of this name (any more).

    ``rows`` have a text for each of ``columns``; ``total`` and ``width`` are how many rows and columns there
    are. A value without rows has only ``text``.
    """

    msg_type = "variable_reply"
    status: Literal["ok"] = "ok"
    variable: Variable | None = None
    text: str = ""
    columns: tuple[VariableColumn, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    total: Natural = 0
    width: Natural = 0


class FileEntry(Struct, frozen=True, kw_only=True):
    """What a directory holds: ``size`` in bytes of a file, 0 of others; ``changed`` in ISO 8601, UTC.

    A link is not followed. What is neither, or has a name that is not Unicode, is ``other``."""

    name: str
    kind: FileKind
    size: Natural = 0
    changed: str = ""


class FilesRequest(Content, frozen=True, kw_only=True):
    """What a directory holds: ``limit`` of it from ``start`` on, directories first, each by name."""

    msg_type = "files_request"
    path: FilePath = ""
    start: Natural = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=FILES_LIMIT)] = 500


class FilesReply(Content, frozen=True, kw_only=True):
    """``total`` is how many there are; ``next`` where those begin that are not told here, if any."""

    msg_type = "files_reply"
    status: Literal["ok"] = "ok"
    entries: tuple[FileEntry, ...] = ()
    total: Natural = 0
    next: int | None = None


class FileReadRequest(Content, frozen=True, kw_only=True):
    """``limit`` bytes of a file from ``offset`` on."""

    msg_type = "file_read_request"
    path: FilePath
    offset: Annotated[int, msgspec.Meta(ge=0, le=2**62)] = 0
    limit: Annotated[int, msgspec.Meta(ge=0, le=FILE_CHUNK_BYTES)] = FILE_CHUNK_BYTES


class FileReadReply(Content, frozen=True, kw_only=True):
    """``data`` is shorter than was asked for at the file's end only. ``version`` is another one once the file
    was changed: parts of two versions are no file."""

    msg_type = "file_read_reply"
    status: Literal["ok"] = "ok"
    size: Natural
    version: str
    data: bytes = b""


class FileWriteRequest(Content, frozen=True, kw_only=True):
    """A part of a file. Parts come in order under one ``upload``, an id that the sender makes; with the one
    that is the ``end`` the file is there, whole. ``replace``: also in the place of another one.

    ``most`` is how many bytes the file may have."""

    msg_type = "file_write_request"
    path: FilePath
    upload: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{16,64}$")]
    offset: Annotated[int, msgspec.Meta(ge=0, le=2**62)] = 0
    data: Annotated[bytes, msgspec.Meta(max_length=FILE_CHUNK_BYTES)] = b""
    end: bool = True
    replace: bool = False
    most: Annotated[int, msgspec.Meta(ge=0, le=2**62)] = 2**62


class FileWriteReply(Content, frozen=True, kw_only=True):
    """``size`` is how many bytes of the file are there."""

    msg_type = "file_write_reply"
    status: Literal["ok"] = "ok"
    size: Natural


class FileChangeRequest(Content, frozen=True, kw_only=True):
    """Rename a file or directory to the path ``to``, where nothing may be; delete a file or an empty
    directory; make a directory."""

    msg_type = "file_change_request"
    act: Literal["rename", "delete", "make"]
    path: FilePath
    to: FilePath = ""


class FileChangeReply(Content, frozen=True, kw_only=True):
    msg_type = "file_change_reply"
    status: Literal["ok"] = "ok"


class CommInfoRequest(Content, frozen=True, kw_only=True):
    """Which comms are open; ``target_name`` None asks for all of them."""

    msg_type = "comm_info_request"
    target_name: str | None = None


class CommInfo(Struct, frozen=True, kw_only=True):
    """What can be told of a comm."""

    target_name: str


class CommInfoReply(Content, frozen=True, kw_only=True):
    """Open comms by ``comm_id``."""

    msg_type = "comm_info_reply"
    status: Literal["ok"] = "ok"
    comms: dict[str, CommInfo]


class CommOpen(Content, frozen=True, kw_only=True):
    """One side opens a comm: an object here and one there that send each other messages.

    The three comm messages are requests from clients and publications from the session, as in
    Jupyter. Their buffers are those of the message.
    """

    msg_type = "comm_open"
    comm_id: str
    target_name: str
    data: dict[str, Any] = {}
    target_module: str | None = None


class CommMsg(Content, frozen=True, kw_only=True):
    """Something for the other side of a comm."""

    msg_type = "comm_msg"
    comm_id: str
    data: dict[str, Any] = {}


class CommClose(Content, frozen=True, kw_only=True):
    """The comm is no more. Also what answers a ``comm_open`` that nobody understands."""

    msg_type = "comm_close"
    comm_id: str
    data: dict[str, Any] = {}


class CommReply(Content, frozen=True, kw_only=True):
    """A comm message was handled. Ours alone: in Jupyter nothing answers one."""

    msg_type = "comm_reply"
    status: Literal["ok"] = "ok"


class CreateSubshellRequest(Content, frozen=True, kw_only=True):
    """Make a subshell: a line of requests beside the main one, in the same namespace. Source: JEP 91."""

    msg_type = "create_subshell_request"


class CreateSubshellReply(Content, frozen=True, kw_only=True):
    """``subshell_id`` stands in the header of the requests that are for it."""

    msg_type = "create_subshell_reply"
    status: Literal["ok"] = "ok"
    subshell_id: str


class DeleteSubshellRequest(Content, frozen=True, kw_only=True):
    """Let go of a subshell. What waits for it is cancelled; what runs there goes on to its end."""

    msg_type = "delete_subshell_request"
    subshell_id: str


class DeleteSubshellReply(Content, frozen=True, kw_only=True):
    msg_type = "delete_subshell_reply"
    status: Literal["ok"] = "ok"


class ListSubshellRequest(Content, frozen=True, kw_only=True):
    msg_type = "list_subshell_request"


class ListSubshellReply(Content, frozen=True, kw_only=True):
    """The ids of all subshells; the field is named as in JEP 91."""

    msg_type = "list_subshell_reply"
    status: Literal["ok"] = "ok"
    subshell_id: tuple[str, ...]


class DebugRequest(Content, frozen=True, kw_only=True):
    """A request of the Debug Adapter Protocol (DAP), or one of those that Jupyter adds to it.

    It passes the queue: a debugger is asked while code runs. The fields are those of DAP.
    """

    msg_type = "debug_request"
    type: Literal["request"] = "request"
    seq: int
    command: str
    arguments: dict[str, Any] = {}


class DebugReply(Content, frozen=True, kw_only=True):
    """DAP's response, with the fields of DAP. ``message`` says why where ``success`` is false."""

    msg_type = "debug_reply"
    type: Literal["response"] = "response"
    seq: int
    request_seq: int
    success: bool
    command: str
    message: str = ""
    body: dict[str, Any] = {}


class InterruptRequest(Content, frozen=True, kw_only=True):
    """Stop what runs in the subshell that the header names, or in the main line."""

    msg_type = "interrupt_request"


class InterruptReply(Content, frozen=True, kw_only=True):
    msg_type = "interrupt_reply"
    status: Literal["ok"] = "ok"


class CancelRequest(Content, frozen=True, kw_only=True):
    """Drop a run that waits. One that runs already is refused: it takes an interrupt."""

    msg_type = "cancel_request"
    msg_id: str


class CancelReply(Content, frozen=True, kw_only=True):
    msg_type = "cancel_reply"
    status: Literal["ok"] = "ok"


class MoveRequest(Content, frozen=True, kw_only=True):
    """Let a run that waits stand before another one that waits; with ``before`` empty, at the end."""

    msg_type = "move_request"
    msg_id: str
    before: str = ""


class MoveReply(Content, frozen=True, kw_only=True):
    msg_type = "move_reply"
    status: Literal["ok"] = "ok"


class OutcomeRequest(Content, frozen=True, kw_only=True):
    """How runs ended, for who could not hear it. Runs nothing."""

    msg_type = "outcome_request"
    msg_ids: tuple[str, ...]


class OutcomeReply(Content, frozen=True, kw_only=True):
    """The replies by ``msg_id``, of those that have ended and are remembered."""

    msg_type = "outcome_reply"
    status: Literal["ok"] = "ok"
    outcomes: dict[str, ExecuteReply]


class AnswerRequest(Content, frozen=True, kw_only=True):
    """Answer a prompt: ``prompt`` is the ``msg_id`` of the ``input_request``. The first one counts."""

    msg_type = "answer_request"
    prompt: str
    value: str


class AnswerReply(Content, frozen=True, kw_only=True):
    msg_type = "answer_reply"
    status: Literal["ok"] = "ok"


class FeedRequest(Content, frozen=True, kw_only=True):
    """What was published after number ``since``, oldest first, at most ``limit`` of them."""

    msg_type = "feed_request"
    since: Natural = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=FEED_LIMIT)] = 1000


class FeedReply(Content, frozen=True, kw_only=True):
    """``gone`` is the first and last number that is no longer held, or nothing is missing.

    ``latest`` is the number of the newest publication of the session, held or not.
    """

    msg_type = "feed_reply"
    status: Literal["ok"] = "ok"
    publications: tuple[PublicationRecord, ...]
    latest: int
    gone: tuple[int, int] | None = None


class PublicationRecord(Struct, frozen=True, kw_only=True):
    """A publication inside a ``feed_reply``; ``content`` is that of ``header.msg_type``.

    Buffers are byte strings: base64 in JSON, binary in MessagePack.
    """

    header: Header
    parent_header: Header | None = None
    metadata: Metadata = {}
    content: dict[str, Any]
    buffers: tuple[bytes, ...] = ()


class ErrorReply(Content, frozen=True, kw_only=True):
    """The answer to a request that was refused, whatever its type. ``ename`` is one of ``errors``."""

    msg_type = "error_reply"
    status: Literal["error"] = "error"
    ename: str
    evalue: str
    traceback: tuple[str, ...] = ()
    field: str = ""


# --- Publications -----------------------------------------------------------------------------

ExecutionState: TypeAlias = Literal["starting", "busy", "interrupted", "idle", "restarting", "dead", "closed"]


class Status(Content, frozen=True, kw_only=True):
    """The session's state changed. ``reason`` is a sentence, set for dead, closed and restarting, and for
    interrupted when the code has not stopped within the deadline."""

    msg_type = "status"
    execution_state: ExecutionState
    reason: str = ""


class Queued(Content, frozen=True, kw_only=True):
    """The parent is a run that waits, and stands at ``place`` from now on: behind so many other runs.

    Published when a run has to wait, and when it is moved; what stood there and behind moves on by one.
    It has left the queue with *busy*, or with its ``execute_reply``.
    """

    msg_type = "queued"
    place: Natural


class ExecuteInput(Content, frozen=True, kw_only=True):
    msg_type = "execute_input"
    code: str
    execution_count: int


class Stream(Content, frozen=True, kw_only=True):
    msg_type = "stream"
    name: Literal["stdout", "stderr"]
    text: str


class DisplayData(Content, frozen=True, kw_only=True):
    msg_type = "display_data"
    data: MimeBundle
    metadata: Metadata = {}
    transient: dict[str, Any] = {}


class UpdateDisplayData(Content, frozen=True, kw_only=True):
    msg_type = "update_display_data"
    data: MimeBundle
    metadata: Metadata = {}
    transient: dict[str, Any] = {}


class ExecuteResult(Content, frozen=True, kw_only=True):
    msg_type = "execute_result"
    execution_count: int
    data: MimeBundle
    metadata: Metadata = {}
    transient: dict[str, Any] = {}


class Error(Content, frozen=True, kw_only=True):
    msg_type = "error"
    ename: str
    evalue: str
    traceback: tuple[str, ...]


class ClearOutput(Content, frozen=True, kw_only=True):
    msg_type = "clear_output"
    wait: bool = False


class InputRequest(Content, frozen=True, kw_only=True):
    """The code waits for a line. The publication's own ``msg_id`` names the prompt."""

    msg_type = "input_request"
    prompt: str
    password: bool = False


class InputAnswered(Content, frozen=True, kw_only=True):
    """A prompt is no longer open. ``username`` answered it; empty when it was given up."""

    msg_type = "input_answered"
    prompt: str
    username: str = ""


class DebugEvent(Content, frozen=True, kw_only=True):
    """An event of the Debug Adapter Protocol, with the fields of DAP: the code stopped, goes on, …"""

    msg_type = "debug_event"
    type: Literal["event"] = "event"
    seq: int
    event: str
    body: dict[str, Any] = {}


class Beacon(Content, frozen=True, kw_only=True):
    """Sent on the topic, outside the numbered feed, so that a subscriber notices a gap at the end.

    ``latest`` is the number of the newest publication. A beacon has no number of its own.
    """

    msg_type = "beacon"
    latest: int


# --- The tables -------------------------------------------------------------------------------

KERNEL_REQUESTS: tuple[type[Content], ...] = (
    KernelInfoRequest,
    CreateSessionRequest,
    ListSessionsRequest,
)
SESSION_REQUESTS: tuple[type[Content], ...] = (
    SessionInfoRequest,
    CloseSessionRequest,
    RestartSessionRequest,
    ExportRequest,
    ExecuteRequest,
    CompleteRequest,
    InspectRequest,
    IsCompleteRequest,
    HistoryRequest,
    VariablesRequest,
    VariableRequest,
    FilesRequest,
    FileReadRequest,
    FileWriteRequest,
    FileChangeRequest,
    CommInfoRequest,
    CommOpen,
    CommMsg,
    CommClose,
    CreateSubshellRequest,
    DeleteSubshellRequest,
    ListSubshellRequest,
    DebugRequest,
    InterruptRequest,
    CancelRequest,
    MoveRequest,
    OutcomeRequest,
    AnswerRequest,
    FeedRequest,
)
REPLIES: tuple[type[Content], ...] = (
    KernelInfoReply,
    CreateSessionReply,
    ListSessionsReply,
    SessionInfoReply,
    CloseSessionReply,
    RestartSessionReply,
    ExportReply,
    ExecuteReply,
    CompleteReply,
    InspectReply,
    IsCompleteReply,
    HistoryReply,
    VariablesReply,
    VariableReply,
    FilesReply,
    FileReadReply,
    FileWriteReply,
    FileChangeReply,
    CommInfoReply,
    CommReply,
    CreateSubshellReply,
    DeleteSubshellReply,
    ListSubshellReply,
    DebugReply,
    InterruptReply,
    CancelReply,
    MoveReply,
    OutcomeReply,
    AnswerReply,
    FeedReply,
    ErrorReply,
)
PUBLICATIONS: tuple[type[Content], ...] = (
    Status,
    Queued,
    ExecuteInput,
    Stream,
    DisplayData,
    UpdateDisplayData,
    ExecuteResult,
    Error,
    ClearOutput,
    InputRequest,
    InputAnswered,
    ExecuteReply,
    CommOpen,
    CommMsg,
    CommClose,
    DebugEvent,
)
"""What has a number. ``ExecuteReply`` is both a reply and a publication: everyone hears the answer.
The comm messages are both a request and a publication: either side sends them."""

CONTENTS: tuple[type[Content], ...] = KERNEL_REQUESTS + SESSION_REQUESTS + REPLIES + PUBLICATIONS + (Beacon,)

CONTENT_TYPES: dict[str, type[Content]] = {content.msg_type: content for content in CONTENTS}
"""Every content class by its ``msg_type``."""
