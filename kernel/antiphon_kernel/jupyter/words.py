"""Contents, from Jupyter's words to ours and back. Most are the same; what differs stands here.

Source: the document "Messaging in Jupyter"; spec, section *What is Jupyter's and what is ours*.
"""

from __future__ import annotations

from typing import Any

import msgspec

from ..errors import KernelError, MalformedMessage
from ..message import (
    ClearOutput,
    CommClose,
    CommInfoRequest,
    CommMsg,
    CommOpen,
    CompleteRequest,
    Content,
    CreateSubshellRequest,
    DebugEvent,
    DebugRequest,
    DeleteSubshellRequest,
    DisplayData,
    Error,
    ErrorReply,
    ExecuteInput,
    ExecuteReply,
    ExecuteRequest,
    ExecuteResult,
    HistoryRequest,
    InspectRequest,
    InterruptRequest,
    IsCompleteRequest,
    KernelInfoReply,
    ListSubshellRequest,
    Status,
    Stream,
    Struct,
    UpdateDisplayData,
)
from .wire import VERSION


class ShutdownRequest(Struct, frozen=True, kw_only=True):
    """End the kernel. After ``restart`` the client means to start another one."""

    restart: bool = False


class InputReply(Struct, frozen=True, kw_only=True):
    """What a person typed."""

    value: str = ""


FEATURES = ("iopub_welcome",)
"""What of the optional parts of Jupyter's protocol its sockets have; the rest the kernel tells."""

COMMS = (CommOpen, CommMsg, CommClose)
"""Requests that Jupyter does not answer."""

STATED = (ExecuteRequest, *COMMS)
"""Requests of which the session itself tells busy and idle."""

_REQUESTS: dict[str, type[Content]] = {
    content.msg_type: content
    for content in (
        ExecuteRequest,
        CompleteRequest,
        InspectRequest,
        IsCompleteRequest,
        HistoryRequest,
        CommInfoRequest,
        DebugRequest,
        InterruptRequest,
        CreateSubshellRequest,
        DeleteSubshellRequest,
        ListSubshellRequest,
        *COMMS,
    )
}

_PUBLISHED = (
    Status,
    ExecuteInput,
    Stream,
    DisplayData,
    UpdateDisplayData,
    ExecuteResult,
    Error,
    ClearOutput,
    DebugEvent,
    *COMMS,
)
"""What of a feed goes out on iopub. Replies and prompts have channels of their own."""


def is_known(msg_type: str) -> bool:
    """Whether it is a request that a session answers."""
    return msg_type in _REQUESTS


def read(kind: type[Struct], frame: bytes) -> Any:
    """A content from its frame.

    Raises:
        MalformedMessage: it is not one.
    """
    try:
        return msgspec.json.decode(frame, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedMessage(str(error), field="content") from error


def request(msg_type: str, frame: bytes) -> Content:
    """A request's content in our words.

    Raises:
        MalformedMessage: a field is missing or wrong.
    """
    content: Content = read(_REQUESTS[msg_type], frame)
    if isinstance(content, CompleteRequest | InspectRequest) and content.cursor_pos > len(content.code):
        # Clients that count in UTF-16 are beyond the end after an emoji; Jupyter's kernels forgive that.
        return msgspec.structs.replace(content, cursor_pos=len(content.code))
    return content


def reply_type(msg_type: str) -> str:
    """The type of what answers a request."""
    return msg_type.removesuffix("_request") + "_reply"


def reply(content: Content | dict[str, Any]) -> Any:
    """A reply's content in Jupyter's words."""
    match content:
        case KernelInfoReply():
            return {
                "status": "ok",
                "protocol_version": VERSION,
                "implementation": content.implementation,
                "implementation_version": content.implementation_version,
                "language_info": content.language_info,
                "banner": content.banner,
                "help_links": [],
                "debugger": "debugger" in content.supported_features,
                "supported_features": [*FEATURES, *content.supported_features],
            }
        case ExecuteReply(status="ok"):
            return {
                "status": "ok",
                "execution_count": content.execution_count,
                "user_expressions": content.user_expressions,
                "payload": content.payload,
            }
        case ExecuteReply():
            # Jupyter's clients know "aborted" for a run that was dropped behind a failed one.
            return {
                "status": "aborted" if content.ename == "RequestCancelled" else "error",
                "execution_count": content.execution_count,
                "user_expressions": {},
                "payload": content.payload,
                "ename": content.ename,
                "evalue": content.evalue,
                "traceback": content.traceback,
            }
        case ErrorReply():
            return refusal(content.ename, content.evalue)
    return content


def refusal(ename: str, evalue: str) -> dict[str, Any]:
    """The content of a reply to a request that was not carried out."""
    return {"status": "error", "ename": ename, "evalue": evalue, "traceback": []}


def error_of(error: KernelError) -> dict[str, Any]:
    """An exception of ours as the content of a reply."""
    return refusal(error.ename, f"{error.reason} ({error.field})" if error.field else error.reason)


def published(content: Content) -> Any:
    """A publication's content in Jupyter's words; None if iopub has no word for it."""
    if not isinstance(content, _PUBLISHED):
        return None
    if isinstance(content, Status):
        if content.execution_state == "interrupted":
            return None  # it is busy, and that was told
        return status(content.execution_state)
    return content


def status(state: str) -> dict[str, str]:
    """The content of a status. A closed session is a dead kernel."""
    return {"execution_state": "dead" if state == "closed" else state}
