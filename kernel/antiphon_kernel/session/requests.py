"""What clients ask of a session."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from ..errors import (
    NoPrompt,
    SessionClosed,
)
from ..message import (
    AnswerReply,
    AnswerRequest,
    CancelRequest,
    CloseSessionRequest,
    CommClose,
    CommInfoRequest,
    CommMsg,
    CommOpen,
    CompleteRequest,
    Content,
    CreateSubshellRequest,
    DebugRequest,
    DeleteSubshellRequest,
    ExecuteRequest,
    FileChangeRequest,
    FileReadRequest,
    FilesRequest,
    FileWriteRequest,
    HistoryRequest,
    InputAnswered,
    InspectRequest,
    InterruptRequest,
    IsCompleteRequest,
    ListSubshellRequest,
    Message,
    MoveRequest,
    RestartSessionRequest,
    VariableRequest,
    VariablesRequest,
)
from .events import Reply, SendToWorker
from .interrupts import interrupt_line
from .life import close_on_request, restart_worker
from .lines import (
    cancel_run,
    create_subshell,
    delete_subshell,
    enqueue,
    enqueue_file,
    enqueue_look,
    list_subshell,
    move_run,
)
from .state import MAIN, Session
from .turn import Turn


def take_request(turn: Turn, request: Message) -> None:
    session = turn.session
    msg_id = request.header.msg_id
    if (remembered := session.answered.get(msg_id)) is not None:
        turn.replies.append(Reply(msg_id, remembered))
    elif any(pending.header.msg_id == msg_id for pending in _pending(session)):
        pass  # The answer to come is the answer to this one too.
    elif session.state == "closed":
        turn.refuse(request, SessionClosed(session.reason))
    else:
        _REQUESTS[type(request.content)](turn, request)


def _pending(session: Session) -> Iterator[Message]:
    for line in session.lines.values():
        yield from line.pending
    yield from session.restarts


def _answer(turn: Turn, request: Message) -> None:
    content = request.content
    assert isinstance(content, AnswerRequest)
    open_prompts = ((name, line.prompt) for name, line in turn.session.lines.items() if line.prompt)
    name, prompt = next((item for item in open_prompts if item[1].msg_id == content.prompt), (MAIN, None))
    if prompt is None:
        turn.refuse(request, NoPrompt("this prompt is not open: it was answered or given up", field="prompt"))
        return
    turn.become_line(name, prompt=None)
    # The worker knows its threads by the subshell; who answers need not.
    header = msgspec.structs.replace(request.header, subshell_id=name)
    turn.effects.append(SendToWorker(msgspec.structs.replace(request, header=header)))
    # Empty means given up, so somebody without a name needs a word too.
    username = request.header.username or "anonymous"
    turn.publish(InputAnswered(prompt=prompt.msg_id, username=username), prompt.parent)
    turn.answer(request.header.msg_id, AnswerReply())


_REQUESTS: dict[type[Content], Callable[[Turn, Message], None]] = {
    ExecuteRequest: enqueue,
    CompleteRequest: enqueue,
    InspectRequest: enqueue,
    IsCompleteRequest: enqueue,
    HistoryRequest: enqueue,
    VariablesRequest: enqueue_look,
    VariableRequest: enqueue_look,
    FilesRequest: enqueue_file,
    FileReadRequest: enqueue_file,
    FileWriteRequest: enqueue_file,
    FileChangeRequest: enqueue_file,
    CommInfoRequest: enqueue,
    CommOpen: enqueue,
    CommMsg: enqueue,
    CommClose: enqueue,
    CreateSubshellRequest: create_subshell,
    DeleteSubshellRequest: delete_subshell,
    ListSubshellRequest: list_subshell,
    DebugRequest: enqueue,
    InterruptRequest: interrupt_line,
    CancelRequest: cancel_run,
    MoveRequest: move_run,
    AnswerRequest: _answer,
    RestartSessionRequest: restart_worker,
    CloseSessionRequest: close_on_request,
}


REQUESTS: frozenset[type[Content]] = frozenset(_REQUESTS)
"""What ``apply`` takes. The other requests about a session only read, and change no state."""
