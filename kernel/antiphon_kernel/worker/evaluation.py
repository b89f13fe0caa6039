"""A request becomes events: what the code published, then the reply."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import Any, Literal

from IPython.core.completer import provisionalcompleter, rectify_completions
from IPython.core.interactiveshell import ExecutionResult
from IPython.utils.tokenutil import token_at_cursor

from ..errors import FileRefused
from ..message import (
    CommClose,
    CommInfoReply,
    CommInfoRequest,
    CommMsg,
    CommOpen,
    CommReply,
    CompleteReply,
    CompleteRequest,
    Content,
    Error,
    ErrorReply,
    ExecuteInput,
    ExecuteReply,
    ExecuteRequest,
    FileChangeRequest,
    FileReadRequest,
    FilesRequest,
    FileWriteRequest,
    HistoryRequest,
    InspectReply,
    InspectRequest,
    IsCompleteReply,
    IsCompleteRequest,
    Message,
    VariableReply,
    VariableRequest,
    VariablesReply,
    VariablesRequest,
)
from .bundles import plain_bundle
from .files import change_file, list_files, read_file, write_file
from .history import recall
from .shell import Shell, name_of, text_of
from .stage import Outlet, Run
from .streams import well_formed
from .variables import list_variables, show_variable

log = logging.getLogger(__name__)

MAX_COMPLETIONS = 1000
"""More than anyone reads; ``from x import `` on a large package has thousands."""


_COMPLETENESS: dict[str, Literal["complete", "incomplete", "invalid"]] = {
    "complete": "complete",
    "incomplete": "incomplete",
    "invalid": "invalid",
}


class Evaluation:
    """One session's evaluator.

    Args:
        shell: the namespace.
        outlet: where events go.
        finish: called between the code's end and its reply. What was written on other ways (file
            descriptors, C buffers) is passed on here; from here on an interrupt is too late.
    """

    def __init__(self, shell: Shell, outlet: Outlet, finish: Callable[[], None] = lambda: None) -> None:
        self.shell = shell
        self._outlet = outlet
        self._finish = finish
        self._answered: tuple[str, Any] = "", None

    def run_of(self, request: Message) -> Run:
        """The run that ``handle`` of this request belongs to; make it current in the task's context."""
        allow_stdin = isinstance(request.content, ExecuteRequest) and request.content.allow_stdin
        return Run(self.shell, self._outlet, request.header.msg_id, allow_stdin=allow_stdin)

    async def handle(self, request: Message, run: Run) -> None:
        """Evaluate a request and send its reply, whatever happens in between.

        The last one may come once more, from a kernel that goes on for one that was killed: it is answered
        as before.
        """
        msg_id, answer = self._answered
        if msg_id == run.parent:
            self._outlet.reply(msg_id, answer)
            return
        try:
            match request.content:
                case ExecuteRequest() as content:
                    reply: Any = await self._execute(content, run)
                case CompleteRequest() as content:
                    reply = self.complete(content)
                case InspectRequest() as content:
                    reply = self.inspect(content)
                case IsCompleteRequest(code=code):
                    reply = self.is_complete(code)
                case HistoryRequest() as content:
                    assert self.shell.history_manager is not None
                    reply = recall(self.shell.history_manager, content)
                case VariablesRequest() as content:
                    reply = self.variables(content)
                case VariableRequest() as content:
                    reply = self.variable(content)
                case FilesRequest() | FileReadRequest() | FileWriteRequest() | FileChangeRequest() as content:
                    reply = self.files(content)
                case CommInfoRequest(target_name=target):
                    reply = CommInfoReply(comms=self.shell.comms.describe(target))
                case CommOpen() | CommMsg() | CommClose():
                    self.take_comm(request)
                    reply = CommReply()
                case other:
                    reply = ErrorReply(
                        ename="UnknownMessageType", evalue=f"a worker does not know {other.msg_type}"
                    )
        except KeyboardInterrupt:
            # Just before or just after the code; within it, it is in the result.
            reply = (
                ExecuteReply(status="error", ename="KeyboardInterrupt", evalue="interrupted")
                if isinstance(request.content, ExecuteRequest)
                else ErrorReply(ename="RequestCancelled", evalue="interrupted")
            )
        except BaseException as error:
            # Errors of the user's code are in the result; this one is IPython's or ours, or of code that
            # broke either. It may be a SystemExit, and whoever waits must hear of that too.
            reply = ErrorReply(ename="WorkerFailed", evalue=f"{name_of(type(error))}: {text_of(error)}")
            with contextlib.suppress(BaseException):
                log.error("request %s failed", request.header.msg_id, exc_info=error)
        self._finish()
        self._answered = run.parent, reply
        try:
            self._outlet.reply(run.parent, reply)
        except Exception as error:
            # User expressions and pages hold what they hold; the reply must come all the same.
            reply = ErrorReply(ename="WorkerFailed", evalue=f"no reply: {error}")
            self._answered = run.parent, reply
            self._outlet.reply(run.parent, reply)

    async def _execute(self, content: ExecuteRequest, run: Run) -> ExecuteReply:
        shell = self.shell
        code = well_formed(content.code)
        store_history = content.store_history and not content.silent
        count = shell.count(run, store_history=store_history)
        if not content.silent:
            run.publish(ExecuteInput(code=code, execution_count=count))
        result = await shell.run(code, silent=content.silent, store_history=store_history)
        payload = shell.take_payload()
        if (failure := self._failure_of(result)) is None:
            return ExecuteReply(
                status="ok",
                execution_count=count,
                user_expressions=self.user_expressions(content.user_expressions),
                payload=payload,
            )
        if run.error is None and not isinstance(failure, shell.custom_exceptions):
            shell._showtraceback(type(failure), failure, [name_of(type(failure))])
        # What set_custom_exc() takes is for its handler to show, or not.
        error = run.error or Error(ename=name_of(type(failure)), evalue=text_of(failure), traceback=())
        return ExecuteReply(
            status="error",
            execution_count=count,
            payload=payload,
            ename=error.ename,
            evalue=error.evalue,
            traceback=error.traceback,
        )

    @staticmethod
    def _failure_of(result: ExecutionResult) -> BaseException | None:
        failure: BaseException | None = result.error_before_exec or result.error_in_exec
        return failure

    def user_expressions(self, expressions: dict[str, str]) -> dict[str, Any]:
        return plain_bundle(self.shell.user_expressions(expressions)) if expressions else {}

    def complete(self, content: CompleteRequest) -> CompleteReply:
        code = well_formed(content.code)
        position = min(max(content.cursor_pos, 0), len(code))
        # The completer, and jedi behind it, keep what they are at in themselves.
        with self.shell.completing, provisionalcompleter():
            try:
                found = self.shell.Completer.completions(code, position)
                completions = list(rectify_completions(code, found))[:MAX_COMPLETIONS]
            except Exception as error:
                # Of the session's objects, of the completer's own, or because a cell that runs beside
                # it changed what it was looking at. Whoever types wants no error for it.
                log.debug("completion failed", exc_info=error)
                completions = []
        if not completions:
            return CompleteReply(matches=(), cursor_start=position, cursor_end=position)
        types = [
            {"start": c.start, "end": c.end, "text": c.text, "type": c.type or "", "signature": c.signature}
            for c in completions
        ]
        return CompleteReply(
            matches=tuple(c.text for c in completions),
            cursor_start=completions[0].start,
            cursor_end=completions[0].end,
            metadata=plain_bundle({"_jupyter_types_experimental": types}),
        )

    def inspect(self, content: InspectRequest) -> InspectReply:
        code = well_formed(content.code)
        name = token_at_cursor(code, min(max(content.cursor_pos, 0), len(code)))
        try:
            data = self.shell.object_inspect_mime(name, detail_level=content.detail_level)
        except Exception as error:  # as in completion; KeyError is IPython's for "there is none"
            log.debug("inspection failed", exc_info=error)
            return InspectReply(found=False)
        return InspectReply(found=True, data=plain_bundle(data))

    def variables(self, content: VariablesRequest) -> VariablesReply:
        return list_variables(self.shell.user_ns, self.shell.user_ns_hidden, content)

    def files(
        self, content: FilesRequest | FileReadRequest | FileWriteRequest | FileChangeRequest
    ) -> Content:
        root = self.shell.directory
        try:
            match content:
                case FilesRequest():
                    return list_files(root, content)
                case FileReadRequest():
                    return read_file(root, content)
                case FileWriteRequest():
                    return write_file(root, content)
                case FileChangeRequest():
                    return change_file(root, content)
        except FileRefused as refused:
            return ErrorReply(ename=refused.ename, evalue=refused.reason)

    def variable(self, content: VariableRequest) -> VariableReply:
        return show_variable(self.shell.user_ns, content)

    def is_complete(self, code: str) -> IsCompleteReply:
        status, indent = self.shell.check_complete(well_formed(code))
        return IsCompleteReply(status=_COMPLETENESS.get(status, "unknown"), indent=indent or "")

    def take_comm(self, request: Message) -> None:
        try:
            self.shell.comms.handle(request)
        except Exception:  # of the session's callbacks
            self.shell.showtraceback()
