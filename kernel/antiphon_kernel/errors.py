"""What can go wrong in the kernel, as one tree.

    KernelError                      everything below; ``ename`` on the wire is the class name
    ├── ProtocolError                the peer sent something that is not the protocol
    │   ├── MalformedMessage         frames or fields that do not decode; names the field
    │   ├── BadSignature             the signature is missing or wrong
    │   ├── UnknownMessageType       a ``msg_type`` that no section of the spec defines
    │   ├── UnknownVersion           an envelope of another wire version
    │   └── MessageTooLarge          more bytes than the limit; says both numbers
    ├── RequestError                 well-formed, but cannot be done now
    │   ├── UnknownSession           no such session (or never was)
    │   ├── SessionClosed            the session was closed
    │   ├── SessionDead              its worker died; ``restart_session_request`` replaces it
    │   ├── QueueFull                the session's queue is at its bound
    │   ├── NotWaiting               the run to cancel or move does not wait
    │   ├── AlreadyRun               the run is over, and its answer is no longer kept
    │   ├── TooManySessions          the kernel is at its bound of sessions
    │   ├── UnknownSubshell          the session has no such subshell, or it was deleted
    │   ├── TooManySubshells         the session is at its bound of subshells
    │   ├── NoPrompt                 nothing is waiting for the input that was sent
    │   ├── UnknownKernel            no kernelspec has this name, or Jupyter's library is not there
    │   ├── ExportFailed             the session cannot be opened to Jupyter's clients so
    │   ├── NoDebugger               sessions of this kernel cannot be debugged
    │   ├── FileRefused              what was asked of a session's file cannot be done; says why
    │   └── RequestCancelled         the request was dropped before it ran (error before it, close, restart)
    ├── WorkerFailed                 a worker could not be started
    └── ConnectionLost               the kernel did not answer: closed, gone, or past the deadline
        └── DeadlinePassed           no answer within the seconds that were given

Errors of the user's code are messages (``error``, ``execute_reply``), never exceptions of this tree.
"""

from __future__ import annotations


class KernelError(Exception):
    """Base of all errors of this package.

    Args:
        reason: one sentence for a person.
        field: the part of the message that was wrong, as a dotted path; empty where there is none.
    """

    def __init__(self, reason: str, *, field: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field

    @property
    def ename(self) -> str:
        """The stable name of this error on the wire."""
        return type(self).__name__


class ProtocolError(KernelError):
    """The peer sent something that is not the protocol."""


class MalformedMessage(ProtocolError):
    """Frames or fields that do not decode."""


class BadSignature(ProtocolError):
    """The signature is missing or wrong."""


class UnknownMessageType(ProtocolError):
    """A message type that the spec does not define."""


class UnknownVersion(ProtocolError):
    """An envelope of another wire version."""


class MessageTooLarge(ProtocolError):
    """More bytes than the limit allows."""


class RequestError(KernelError):
    """A well-formed request that cannot be carried out."""


class UnknownSession(RequestError):
    """No session has this UID."""


class SessionClosed(RequestError):
    """The session was closed."""


class SessionDead(RequestError):
    """The session's worker died and was not replaced."""


class QueueFull(RequestError):
    """The session's queue is at its bound."""


class NotWaiting(RequestError):
    """The run does not wait: it runs, has ended, or was never asked for."""


class AlreadyRun(RequestError):
    """The run was carried out before, so long ago that its answer is no longer kept."""


class TooManySessions(RequestError):
    """The kernel holds as many sessions as it may."""


class UnknownSubshell(RequestError):
    """The session has no such subshell, or has it no more."""


class TooManySubshells(RequestError):
    """The session has as many subshells as it may."""


class NoPrompt(RequestError):
    """Nothing waits for the input that was sent."""


class UnknownKernel(RequestError):
    """No kernelspec of this name is installed, or none can be used."""


class ExportFailed(RequestError):
    """The session cannot be opened to Jupyter's clients as was asked."""


class NoDebugger(RequestError):
    """Sessions of this kernel cannot be debugged."""


class FileRefused(RequestError):
    """What was asked of a file of the session cannot be done."""


class RequestCancelled(RequestError):
    """The request was dropped before it ran."""


class WorkerFailed(KernelError):
    """A worker could not be started."""


class ConnectionLost(KernelError):
    """The kernel did not answer."""


class DeadlinePassed(ConnectionLost):
    """No answer came within the deadline."""


ERRORS: dict[str, type[KernelError]] = {
    error.__name__: error
    for error in (
        MalformedMessage,
        BadSignature,
        UnknownMessageType,
        UnknownVersion,
        MessageTooLarge,
        UnknownSession,
        SessionClosed,
        SessionDead,
        QueueFull,
        NotWaiting,
        AlreadyRun,
        TooManySessions,
        UnknownSubshell,
        TooManySubshells,
        NoPrompt,
        UnknownKernel,
        ExportFailed,
        NoDebugger,
        FileRefused,
        RequestCancelled,
        WorkerFailed,
        ConnectionLost,
        DeadlinePassed,
    )
}
"""Every error that can cross the wire, by its ``ename``."""
