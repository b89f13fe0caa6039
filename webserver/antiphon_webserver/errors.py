"""What can go wrong in the web server, as one tree.

ServerError                    everything below
├── RpcError                   what a caller is told; ``data.name`` on the wire is the class name
│   ├── ParseError        -32700   not JSON
│   ├── InvalidRequest    -32600   JSON, but not a JSON-RPC 2.0 request
│   ├── MethodNotFound    -32601   no such method
│   ├── InvalidParams     -32602   a parameter is missing, unknown or of the wrong form; names the field
│   ├── InternalError     -32603   our fault; the log has the details under ``data.incident``
│   ├── NotSignedIn       -32001   the method needs an account
│   ├── NotFound          -32002   missing, or not yours: deliberately the same
│   ├── RoleTooLow        -32003   you can see it, but may not do this
│   ├── Conflict          -32004   somebody else was faster; ``data`` has what is current
│   ├── LimitExceeded     -32005   larger or more than allowed; names the limit and its value
│   ├── TooManyAttempts   -32006   wait ``data.retry_after`` seconds
│   ├── KernelUnavailable -32007   the kernel cannot be reached
│   ├── SessionDead       -32008   the session's worker died; ``session.restart`` replaces it
│   ├── DeadlinePassed    -32009   no answer in time
│   └── NotOnThisTransport -32010  subscriptions need a WebSocket
└── StorageError               for the operator and the log, never for a caller
    ├── DatabaseUnavailable    cannot be opened, or failed while it was used
    └── DatabaseTooNew         written by a newer Antiphon than this one
"""

from __future__ import annotations

from math import ceil
from typing import Any, ClassVar


class ServerError(Exception):
    """Base of all errors of this package. The message is one sentence for a person."""


class RpcError(ServerError):
    """An error that the caller gets as the answer.

    Args:
        sentence: what happened, for a person.
        data: further members of the error's ``data``, beside ``name``.
    """

    code: ClassVar[int]

    def __init__(self, sentence: str, **data: Any) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.data = data

    @property
    def name(self) -> str:
        """The stable word for this error on the wire."""
        return type(self).__name__


class ParseError(RpcError):
    """The request is not JSON in UTF-8."""

    code = -32700


class InvalidRequest(RpcError):
    """JSON, but not a JSON-RPC 2.0 request."""

    code = -32600


class MethodNotFound(RpcError):
    """No method has this name."""

    code = -32601


class InvalidParams(RpcError):
    """A parameter is missing, unknown or of the wrong form."""

    code = -32602

    def __init__(self, sentence: str, *, field: str, **data: Any) -> None:
        super().__init__(sentence, field=field, **data)


class InternalError(RpcError):
    """A defect or a failing database. The caller gets a number, the log has the rest."""

    code = -32603

    def __init__(self, incident: str) -> None:
        super().__init__(
            f"The server failed. Its log tells more under incident {incident}.", incident=incident
        )


class NotSignedIn(RpcError):
    """The method needs an account, or the sign-in has ended."""

    code = -32001


class NotFound(RpcError):
    """There is no such thing, or it is not yours: the answer does not tell which."""

    code = -32002


class RoleTooLow(RpcError):
    """The caller can see the thing but may not do this with it."""

    code = -32003

    def __init__(self, *, needs: str, has: str, sentence: str = "") -> None:
        super().__init__(
            sentence or f"This needs the role {needs!r}; you have {has!r}.", needs=needs, has=has
        )


class Conflict(RpcError):
    """The thing is no longer, or not any more free to be, what the caller thought."""

    code = -32004


class LimitExceeded(RpcError):
    """Larger or more than allowed.

    Args:
        sentence: what was too large.
        limit: the name of the limit, such as "title_chars".
        value: the largest value that is allowed.
    """

    code = -32005

    def __init__(self, sentence: str, *, limit: str, value: int) -> None:
        super().__init__(sentence, limit=limit, value=value)


class TooManyAttempts(RpcError):
    """Too many attempts to sign in. ``retry_after``: seconds until the next one is looked at."""

    code = -32006

    def __init__(self, retry_after: float) -> None:
        seconds = max(1, ceil(retry_after))
        super().__init__(f"Too many attempts. Try again in {seconds} seconds.", retry_after=seconds)


class KernelUnavailable(RpcError):
    """The kernel cannot be reached."""

    code = -32007


class SessionDead(RpcError):
    """The session's worker died. ``session.restart`` replaces it."""

    code = -32008

    def __init__(self, reason: str) -> None:
        super().__init__(f"The session is dead: {reason}", reason=reason)


class DeadlinePassed(RpcError):
    """No answer came in time."""

    code = -32009


class NotOnThisTransport(RpcError):
    """The method needs a connection on which the server can speak first."""

    code = -32010


class StorageError(ServerError):
    """The database failed. For the operator and the log."""


class DatabaseUnavailable(StorageError):
    """It cannot be opened, or it failed while it was used."""


class DatabaseTooNew(StorageError):
    """It was written by a newer Antiphon; this one must not touch it."""


RPC_ERRORS: dict[int, type[RpcError]] = {
    error.code: error
    for error in (
        ParseError,
        InvalidRequest,
        MethodNotFound,
        InvalidParams,
        InternalError,
        NotSignedIn,
        NotFound,
        RoleTooLow,
        Conflict,
        LimitExceeded,
        TooManyAttempts,
        KernelUnavailable,
        SessionDead,
        DeadlinePassed,
        NotOnThisTransport,
    )
}
"""Every error that a caller can get, by its code."""
