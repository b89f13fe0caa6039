"""What a method knows beside its parameters: who calls, and what stands below the methods.

Types only. What belongs here: the caller, and the small interfaces through which methods reach the
kernel and the readers. What must never come here: behaviour. ``sessions``, ``relay`` and ``http``
implement the interfaces; tests have their own.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

import msgspec

from antiphon_kernel.message import (
    CommMsg,
    CompleteReply,
    FileChangeReply,
    FileChangeRequest,
    FileReadReply,
    FileReadRequest,
    FilesReply,
    FilesRequest,
    FileWriteReply,
    FileWriteRequest,
    InspectReply,
    SessionInfo,
    VariableReply,
    VariableRequest,
    VariablesReply,
    VariablesRequest,
)

from . import __version__
from .attempts import VISIT_SECONDS_EACH, VISITS, Attempts
from .audit import Audit
from .clock import iso
from .gate import Gate
from .model import (
    ROLES,
    Account,
    AnyEntry,
    Caret,
    Entries,
    Publications,
    Role,
    SignUp,
    Way,
    Worksheet,
    WorksheetId,
)
from .oidc import Provider
from .passwords import Passwords
from .series import Series
from .storage.database import Database

AnyWorksheet = TypeVar("AnyWorksheet", bound=Worksheet)

KernelState: TypeAlias = Literal["ready", "starting", "gone"]


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls, as the transport found out. ``signin.identify`` makes one.

    ``credential`` is the row of the sign-in or token; the dispatcher looks at it again before each
    method, so that what was revoked is over at once on open connections too.
    ``address`` is where the caller comes from, as far as known; only the limit on attempts uses it.
    ``scope`` and ``worksheet`` bound what a token may do: up to this role, and in this worksheet alone.
    """

    account: Account | None = None
    way: Way | None = None
    credential: str = ""
    address: str = ""
    scope: Role = "own"
    worksheet: WorksheetId | None = None

    @property
    def signin(self) -> str:
        """The digest of the caller's cookie; empty for who came otherwise."""
        kind, _, key = self.credential.partition(":")
        return key if kind == "signin" else ""

    def sees(self, worksheet: WorksheetId | None) -> bool:
        """Whether the caller's token is good for the worksheet; None is what belongs to no worksheet."""
        return self.worksheet in (None, worksheet)

    def bounded(self, worksheet: AnyWorksheet) -> AnyWorksheet:
        """The worksheet with the role that the caller has in it: not more than the token allows."""
        role = min(worksheet.role, self.scope, key=ROLES.index)
        return msgspec.structs.replace(worksheet, role=role)


NOBODY = Caller()
"""A caller of whom nothing is known."""


class Sessions(Protocol):
    """The kernel's sessions. Every call has a deadline of its own.

    All raise:
        KernelUnavailable: the kernel does not answer.
        NotFound: the kernel has no such session (``info`` says None instead).
        SessionDead: the session's worker is dead, where the call needs one.
        DeadlinePassed: no answer in time.
    """

    @property
    def kernel(self) -> KernelState:
        """Whether the kernel can be reached now."""

    async def create(self, title: str, kernel: str = "", msg_id: str | None = None) -> str:
        """Make a session; returns its UID. Call ``record`` once its row is written. Asked for again under one
        ``msg_id``, it is the same.

        Raises:
            InvalidParams: no ``kernel`` of this name is installed; empty is ours.
        """

    async def record(self, uid: str) -> None:
        """Store from now on what the session publishes, from its first publication on."""

    async def info(self, uid: str) -> SessionInfo | None:
        """What the kernel tells of the session; None when it has no such session."""

    def heard(self, uid: str) -> str:
        """The state in which the session's feed last said it is; empty while that is not known. Costs
        nothing, and may be a moment old: a request can still be refused."""

    async def execute(self, uid: str, code: str, msg_id: str, username: str, *, history: bool = True) -> None:
        """Hand over code. Returns when the kernel has the request; the feed tells the rest.

        Args:
            history: it counts, and stands in the session's history.
        """

    async def complete(self, uid: str, code: str, cursor_pos: int) -> CompleteReply: ...

    async def inspect(
        self, uid: str, code: str, cursor_pos: int, detail_level: Literal[0, 1]
    ) -> InspectReply: ...

    async def variables(self, uid: str, request: VariablesRequest) -> VariablesReply: ...

    async def variable(self, uid: str, request: VariableRequest) -> VariableReply: ...

    async def files(self, uid: str, request: FilesRequest) -> FilesReply: ...

    async def read_file(self, uid: str, request: FileReadRequest) -> FileReadReply: ...

    async def write_file(self, uid: str, request: FileWriteRequest) -> FileWriteReply: ...

    async def change_file(self, uid: str, request: FileChangeRequest) -> FileChangeReply: ...

    async def interrupt(self, uid: str) -> None: ...

    async def cancel(self, uid: str, msg_id: str, username: str) -> None:
        """Drop a run that waits; NotFound when it does not."""

    async def move(self, uid: str, msg_id: str, before: str, username: str) -> None:
        """Let a run that waits stand before another one, or at the end; NotFound when one does not wait."""

    async def restart(self, uid: str) -> None: ...

    async def close(self, uid: str) -> None:
        """End the session and stop recording it. Nothing happens when the kernel has no such session."""

    async def answer(self, uid: str, prompt: str, value: str, username: str) -> None:
        """Answer the ``input_request`` whose msg_id is ``prompt``."""

    async def tell_comm(
        self, uid: str, content: CommMsg, buffers: Sequence[bytes], msg_id: str, username: str
    ) -> None:
        """Hand a message to a comm; its reply may come later."""


class Relay(Protocol):
    """Tells readers what is new."""

    def announce(self, worksheet: WorksheetId, entries: Sequence[AnyEntry]) -> None:
        """These entries were committed."""

    def forget(self, worksheet: WorksheetId, reason: str) -> None:
        """The worksheet was deleted: its subscriptions are over."""

    async def settled(self) -> None:
        """Returns when what was relayed until now is in the database, or after a short while."""

    async def entries_since(self, worksheet: WorksheetId, cursor: int, *, limit: int, wait: float) -> Entries:
        """What the log has after ``cursor``; waits up to ``wait`` seconds while that is nothing."""

    async def publications_since(self, session: str, cursor: int, *, limit: int, wait: float) -> Publications:
        """What the feed has after ``cursor``; waits up to ``wait`` seconds while that is nothing."""


class Subscriber(Protocol):
    """A connection on which the server speaks first. Rights are checked before, and watched after."""

    def subscribe_worksheet(self, worksheet: WorksheetId, cursor: int) -> None: ...

    def unsubscribe_worksheet(self, worksheet: WorksheetId) -> None: ...

    def move_caret(self, worksheet: WorksheetId, caret: Caret | None) -> int:
        """Tell the others where this window's caret is; returns the window's number, which replaces that of
        ``caret``.

        Raises:
            Conflict: the connection does not follow the worksheet.
            LimitExceeded: it moves too often.
        """

    def subscribe_feed(self, session: str, cursor: int) -> None: ...

    def unsubscribe_feed(self, session: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Context:
    """Handed to every method. One is made at start; ``dataclasses.replace`` adds the caller.

    ``public_url`` has no slash at its end. ``server`` tells this web server from others of the database.
    ``lives``: no other server can have taken this one for dead. ``clock`` gives seconds since the epoch.
    ``allowed``: the limits that are settings, by name; 0 is no limit.
    ``served`` is called with the method, "ok" or the name of the error, and the seconds of every request.
    """

    database: Database
    sessions: Sessions
    relay: Relay
    public_url: str
    server: str = ""
    lives: Callable[[], bool] = lambda: True
    served: Callable[[str, str, float], None] = lambda method, outcome, seconds: None
    edition: str = "default"
    version: str = __version__
    attempts: Attempts = field(default_factory=Attempts)
    visits: Attempts = field(default_factory=lambda: Attempts(burst=VISITS, seconds_each=VISIT_SECONDS_EACH))
    passwords: Passwords = field(default_factory=Passwords)
    gate: Gate = field(default_factory=Gate)
    audit: Audit = field(default_factory=Audit)
    series: Series = field(default_factory=Series)
    allowed: Mapping[str, int] = field(default_factory=dict)
    signup: SignUp = "closed"
    oidc: Provider | None = None
    oidc_signup: bool = False
    clock: Callable[[], float] = time.time
    caller: Caller = NOBODY
    subscriber: Subscriber | None = None

    @property
    def account(self) -> Account:
        """The caller's account. Only for methods whose row in ``access`` needs one."""
        if self.caller.account is None:
            raise AssertionError("the method's access row lets callers without an account in")
        return self.caller.account

    def note(
        self, act: str, *, account: str = "", subject: dict[str, str] | None = None, outcome: str = "ok"
    ) -> None:
        """Write down what the caller did, or was refused; ``account`` where the caller has none yet."""
        caller = self.caller
        self.audit.note(
            act,
            date=self.now,
            account=caller.account.name if caller.account else account,
            address=caller.address,
            subject=subject,
            outcome=outcome,
        )

    @property
    def now(self) -> str:
        return iso(self.clock())


Handler: TypeAlias = Callable[..., Awaitable[Any]]
"""A method: ``async def name(context, *, …)``; its keyword parameters are those of JSON-RPC."""
