"""What one event does, gathered."""

from __future__ import annotations

import msgspec

from ..errors import (
    KernelError,
)
from ..message import (
    CompleteReply,
    Content,
    DebugReply,
    ErrorReply,
    ExecuteReply,
    ExecuteRequest,
    ExecutionState,
    FileReadReply,
    FilesReply,
    Header,
    HistoryReply,
    InputAnswered,
    InspectReply,
    Message,
    Metadata,
    Status,
    VariableReply,
    VariablesReply,
)
from . import bounds
from .events import Effect, Outcome, Reply
from .state import Session


class Turn:
    """What one event does, gathered: the state so far, and the three lists of the outcome."""

    def __init__(self, session: Session, now: str) -> None:
        self.session = session
        self.now = now
        self.latest = session.latest
        self.replies: list[Reply] = []
        self.publications: list[Message] = []
        self.effects: list[Effect] = []

    def outcome(self) -> Outcome:
        if self.publications or self.replies or self.effects:
            self.become(latest=self.latest, last_activity=self.now)
        return Outcome(self.session, self.replies, self.publications, self.effects)

    def become(self, **changes: object) -> None:
        self.session = msgspec.structs.replace(self.session, **changes)

    def become_line(self, name: str, **changes: object) -> None:
        line = msgspec.structs.replace(self.session.lines[name], **changes)
        self.become(lines={**self.session.lines, name: line})

    def publish(
        self,
        content: Content,
        parent: Header | None,
        metadata: Metadata | None = None,
        buffers: tuple[bytes, ...] = (),
    ) -> str:
        """Number and add a publication; its msg_id."""
        self.latest += 1
        msg_id = f"{self.session.nonce}-{self.latest}"
        header = Header(
            msg_id=msg_id,
            msg_type=content.msg_type,
            session=self.session.uid,
            username=parent.username if parent else "",
            date=self.now,
            number=self.latest,
        )
        self.publications.append(
            Message(
                header=header,
                parent_header=parent,
                metadata=metadata or {},
                content=content,
                buffers=buffers,
            )
        )
        return msg_id

    def status(self, state: ExecutionState, parent: Header | None, reason: str = "") -> None:
        self.become(state=state, reason=reason)
        self.publish(Status(execution_state=state, reason=reason), parent)

    def answer(self, msg_id: str, content: Content) -> None:
        """Reply, and remember the reply for a repeated request."""
        self.replies.append(Reply(msg_id, content))
        answered = self.session.answered.adding(msg_id, outcome_of(content), bounds.REPLIES_REMEMBERED)
        self.become(answered=answered)

    def refuse(self, request: Message, error: KernelError) -> None:
        """Reply with an error and forget: the same request may be good later."""
        content = ErrorReply(ename=error.ename, evalue=error.reason, field=error.field)
        self.replies.append(Reply(request.header.msg_id, content))

    def fail(self, request: Message, error: KernelError) -> None:
        """Answer a request that was accepted and will not be carried out; if it is a run, tell all."""
        if isinstance(request.content, ExecuteRequest):
            reply = ExecuteReply(status="error", ename=error.ename, evalue=error.reason)
            self.publish(reply, request.header)
            self.answer(request.header.msg_id, reply)
        else:
            self.answer(
                request.header.msg_id,
                ErrorReply(ename=error.ename, evalue=error.reason, field=error.field),
            )

    def give_up_prompt(self, name: str) -> None:
        prompt = self.session.lines[name].prompt
        if prompt is not None:
            self.become_line(name, prompt=None)
            self.publish(InputAnswered(prompt=prompt.msg_id), prompt.parent)


def outcome_of(reply: Content) -> Content:
    """What is remembered of a reply: all of it, or of a large one that it was and how it ended."""
    match reply:
        case ExecuteReply(user_expressions=values, payload=payload) if values or payload:
            if characters_in(values) + characters_in(payload) > bounds.REPLY_REMEMBERED_CHARACTERS:
                return msgspec.structs.replace(reply, user_expressions={}, payload=())
        case CompleteReply(matches=matches):
            if sum(map(len, matches)) > bounds.REPLY_REMEMBERED_CHARACTERS:
                return msgspec.structs.replace(reply, matches=(), metadata={})
        case InspectReply(data=data) if characters_in(data) > bounds.REPLY_REMEMBERED_CHARACTERS:
            return InspectReply(found=False)
        case DebugReply(body=body) if body and characters_in(body) > bounds.REPLY_REMEMBERED_CHARACTERS:
            return msgspec.structs.replace(reply, body={})
        case VariablesReply(variables=variables) if variables:
            return VariablesReply(total=reply.total, next=0)
        case VariableReply(rows=rows, text=text) if rows or text:
            return VariableReply()
        case FilesReply(entries=entries) if entries:
            return FilesReply(total=reply.total, next=0)
        case FileReadReply(data=data) if data:
            return msgspec.structs.replace(reply, data=b"")
        case HistoryReply(history=history) if characters_in(history) > bounds.REPLY_REMEMBERED_CHARACTERS:
            return HistoryReply(history=())
    return reply


def characters_in(value: object) -> int:
    return len(repr(value))
