"""What the worker says: publications and replies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec

from ..codec import from_error_reply
from ..errors import (
    WorkerFailed,
)
from ..link import TOO_DEEP, Died, Published, Replied, Started, WorkerEvent
from ..message import (
    ClearOutput,
    CommClose,
    CommInfoReply,
    CommInfoRequest,
    CommMsg,
    CommOpen,
    CommReply,
    CompleteReply,
    CompleteRequest,
    Content,
    DebugEvent,
    DebugReply,
    DebugRequest,
    DisplayData,
    Error,
    ErrorReply,
    ExecuteInput,
    ExecuteReply,
    ExecuteRequest,
    ExecuteResult,
    FileChangeReply,
    FileChangeRequest,
    FileReadReply,
    FileReadRequest,
    FilesReply,
    FilesRequest,
    FileWriteReply,
    FileWriteRequest,
    HistoryReply,
    HistoryRequest,
    InputRequest,
    InspectReply,
    InspectRequest,
    IsCompleteReply,
    IsCompleteRequest,
    Message,
    Stream,
    UpdateDisplayData,
    VariableReply,
    VariableRequest,
    VariablesReply,
    VariablesRequest,
)
from . import bounds
from .life import worker_died, worker_started
from .lines import drop_behind, forget_deleted, run_next, tell_of_other_lines
from .state import MAIN, RUNS_CODE, Prompt
from .turn import Turn, characters_in


def worker_events(turn: Turn, events: Iterable[WorkerEvent]) -> None:
    for event in _merged(events):
        if turn.session.state == "closed":
            return
        match event:
            case Published():
                _published(turn, event)
            case Replied():
                _replied(turn, event)
            case Started(pid=pid):
                worker_started(turn, pid)
            case Died(reason=reason):
                worker_died(turn, reason)


def _merged(events: Iterable[WorkerEvent]) -> Iterator[WorkerEvent]:
    """The events, with neighbouring pieces of one stream joined, and cut at ``STREAM_CHARACTERS``."""
    first: Published | None = None
    name = ""
    texts: list[str] = []
    for event in events:
        match event:
            case Published(content=Stream(name=stream, text=text)) if (
                not event.metadata and not event.buffers
            ):
                if first is not None and (stream != name or event.parent != first.parent):
                    yield from _pieces(first, name, texts)
                    first = None
                if first is None:
                    first, name, texts = event, stream, []
                texts.append(text)
            case _:
                if first is not None:
                    yield from _pieces(first, name, texts)
                    first = None
                yield event
    if first is not None:
        yield from _pieces(first, name, texts)


def _pieces(first: Published, name: str, texts: list[str]) -> Iterator[Published]:
    if len(texts) == 1 and len(texts[0]) <= bounds.STREAM_CHARACTERS:
        yield first
        return
    text = "".join(texts)
    for start in range(0, len(text), bounds.STREAM_CHARACTERS):
        piece = Stream(
            name="stdout" if name == "stdout" else "stderr",
            text=text[start : start + bounds.STREAM_CHARACTERS],
        )
        yield Published(parent=first.parent, content=piece)


_FROM_WORKERS = (
    ExecuteInput,
    Stream,
    DisplayData,
    UpdateDisplayData,
    ExecuteResult,
    Error,
    ClearOutput,
    InputRequest,
    CommOpen,
    CommMsg,
    CommClose,
    DebugEvent,
)
"""What a worker may publish. It runs hostile code: states and outcomes are told by the session alone."""


def _published(turn: Turn, event: Published) -> None:
    if not isinstance(event.content, _FROM_WORKERS):
        return
    parent = turn.session.header_of(event.parent)
    if (
        turn.session.limits.output_bytes
        and isinstance(event.content, _OUTPUT)
        and not _within_limit(turn, event)
    ):
        return
    if not isinstance(event.content, InputRequest):
        turn.publish(_naming_the_limit(turn, event.content), parent, event.metadata, event.buffers)
        return
    # One prompt at a time in a line: who asks again has given up the first question.
    name = turn.session.line_running(event.parent) or MAIN
    turn.give_up_prompt(name)
    msg_id = turn.publish(event.content, parent, event.metadata, event.buffers)
    turn.become_line(name, prompt=Prompt(msg_id=msg_id, parent=parent, content=event.content))


_Told = TypeVar("_Told", bound=Content)


def _naming_the_limit(turn: Turn, content: _Told) -> _Told:
    """An error for want of memory says how much there may be; the system that refused it does not."""
    limit = turn.session.limits.memory_bytes
    if not limit or not isinstance(content, Error | ExecuteReply) or content.ename != "MemoryError":
        return content
    if content.evalue == TOO_DEEP:
        return content
    notice = f"this session's limit of memory is {bounds.bytes_text(limit)}"
    evalue = f"{content.evalue}; {notice}" if content.evalue else notice
    return msgspec.structs.replace(content, evalue=evalue, traceback=(*content.traceback, f"({notice})"))


_OUTPUT = (Stream, DisplayData, UpdateDisplayData, ExecuteResult)
"""What counts for the limit of output. An error is told in any case: it says how the run ended."""


def _within_limit(turn: Turn, event: Published) -> bool:
    """Whether an output may be published. Of the text that is too much a part may; then a notice says so."""
    limit = turn.session.limits.output_bytes
    before = turn.session.printed.get(event.parent, 0)
    content = event.content
    if isinstance(content, Stream):
        size = len(text := content.text.encode())
    else:
        size, text = characters_in(content) + sum(map(len, event.buffers)), b""
    fits = before + size <= limit
    if not fits and before <= limit:
        parent = turn.session.header_of(event.parent)
        if isinstance(content, Stream) and (kept := text[: limit - before].decode(errors="ignore")):
            turn.publish(msgspec.structs.replace(content, text=kept), parent)
            size -= len(kept.encode())
        before = limit
        notice = f"[This run reached the limit of output, {limit} bytes. What follows is left out.]\n"
        turn.publish(Stream(name="stderr", text=f"\n{notice}"), parent)
    turn.become(printed=turn.session.printed.adding(event.parent, before + size, bounds.PARENTS_REMEMBERED))
    return fits


def _tell_what_was_left_out(turn: Turn, request: Message) -> None:
    limit = turn.session.limits.output_bytes
    if limit and (printed := turn.session.printed.get(request.header.msg_id, 0)) > limit:
        notice = f"[{printed - limit} bytes of output were left out.]\n"
        turn.publish(Stream(name="stderr", text=notice), request.header)


_REPLY_TYPES: dict[type[Content], type[Content]] = {
    ExecuteRequest: ExecuteReply,
    CompleteRequest: CompleteReply,
    InspectRequest: InspectReply,
    IsCompleteRequest: IsCompleteReply,
    HistoryRequest: HistoryReply,
    VariablesRequest: VariablesReply,
    VariableRequest: VariableReply,
    FilesRequest: FilesReply,
    FileReadRequest: FileReadReply,
    FileWriteRequest: FileWriteReply,
    FileChangeRequest: FileChangeReply,
    CommInfoRequest: CommInfoReply,
    CommOpen: CommReply,
    CommMsg: CommReply,
    CommClose: CommReply,
    DebugRequest: DebugReply,
}


def _replied(turn: Turn, event: Replied) -> None:
    name = turn.session.line_running(event.parent)
    if name is None:
        return
    line = turn.session.lines[name]
    request = line.running
    assert request is not None
    if line.prompt is not None and line.prompt.parent == request.header:
        turn.give_up_prompt(name)
    turn.become_line(name, running=None, interrupted="", reason="")
    _tell_what_was_left_out(turn, request)
    parents = turn.session.parents.adding(request.header.msg_id, request.header, bounds.PARENTS_REMEMBERED)
    turn.become(parents=parents)
    reply = event.content
    if isinstance(reply, ErrorReply):
        turn.fail(request, from_error_reply(reply))
    elif not isinstance(reply, _REPLY_TYPES[type(request.content)]):
        turn.fail(request, WorkerFailed(f"the worker answered with {reply.msg_type}"))
    elif isinstance(reply, ExecuteReply):
        reply = _naming_the_limit(turn, reply)
        turn.publish(reply, request.header)
        turn.answer(request.header.msg_id, reply)
    else:
        turn.answer(request.header.msg_id, reply)
    if isinstance(request.content, RUNS_CODE):
        turn.status("idle", request.header)
    failed = not isinstance(reply, ExecuteReply) or reply.status == "error"
    if failed and isinstance(request.content, ExecuteRequest):
        drop_behind(turn, name, request, request.content)
    run_next(turn, name)
    forget_deleted(turn, name)
    tell_of_other_lines(turn)
