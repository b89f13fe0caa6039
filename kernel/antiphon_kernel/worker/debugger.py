"""A session's debugger: DAP and what Jupyter adds to it, on threads of its own.

Until somebody asks it something there is none of it, and until somebody says ``initialize`` no debugpy.
Requests reach it past the main thread, which may run code or stand at a breakpoint. All clients of a
session share one debugger, as they share the session: its events go to all, and any of them may let the
code go on.

Source: the Debug Adapter Protocol; "Messaging in Jupyter", section *Additions to the DAP*.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import itertools
import logging
import os
import queue
import re
import sys
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import IPython
import traitlets
from IPython.core.inputtransformer2 import leading_empty_lines

from ..message import DebugEvent, DebugReply, DebugRequest, ErrorReply, Message
from . import process
from .bundles import plain_bundle
from .cells import HASH_METHOD, HASH_SEED, SUFFIX, CellFiles
from .connection import Connection
from .debugpy import Arguments, Debugpy, Refused, Variables, start_thread
from .shell import Compiler, Shell

log = logging.getLogger(__name__)

ANSWER_SECONDS = 60.0
"""For debugpy to answer. It evaluates the session's expressions, which take what they take."""

EVENT_CHARACTERS = 64 * 1024
"""Of a text in an event: the message of an exception that the code stopped at may be of any length."""

MAIN_THREAD = 1
"""What debugpy calls the main thread, which it meets first."""

_OWN = tuple(str(Path(str(package.__file__)).parent) for package in (process, IPython, asyncio, traitlets))
"""Nobody who debugs a cell wants to step through what runs it."""

_INTERNAL = re.compile(
    r"__(name|doc|package|loader|spec|annotations|builtins|builtin|display)__|get_ipython|debugpy|exit|quit"
    r"|In|Out|_oh|_dh|_{1,3}|_\d.*|_i.*"
)
"""Names that are in a session's namespace before anybody has written any."""


class Debugger:
    """One session's debugger.

    Args:
        shell: the session's namespace.
        connection: for replies and events.
        call_start: makes the main thread call ``start`` when it has nothing else to do.
    """

    def __init__(self, shell: Shell, connection: Connection, call_start: Callable[[], None]) -> None:
        self._shell = shell
        assert isinstance(shell.compile, Compiler)
        self._compiler = shell.compile
        self._connection = connection
        self._call_start = call_start
        self._is_serving = False
        self._starting: Future[None] | None = None
        self._numbers = itertools.count(1)
        self._requests: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._debugpy: Debugpy | None = None
        self._capabilities: Arguments = {}
        self._is_started = False
        self._is_attached = False
        self._is_traced = False
        self._files: CellFiles | None = None
        self._breakpoints: dict[str, list[Arguments]] = {}
        self._stopped: set[int] = set()
        self._variables: Variables | None = None
        self._handlers: dict[str, Callable[[Arguments], Arguments]] = {
            "initialize": self._initialize,
            "attach": self._attach,
            "launch": self._launch,
            "configurationDone": self._configuration_done,
            "dumpCell": self._dump_cell,
            "source": self._source,
            "setBreakpoints": self._set_breakpoints,
            "stackTrace": self._stack_trace,
            "variables": self._variables_of,
            "copyToGlobals": self._copy_to_globals,
            "disconnect": self._disconnect,
            "terminate": self._disconnect,  # the process is not a client's to end
        }
        self._static_handlers: dict[str, Callable[[Arguments], Arguments]] = {
            "debugInfo": self._debug_info,
            "inspectVariables": self._inspect_variables,
            "richInspectVariables": self._rich_inspect_variables,
            "modules": self._modules,
        }

    def close(self) -> None:
        """Leave nothing behind on disk."""
        if self._files is not None:
            self._files.close()

    # --- the main thread

    def start(self) -> None:
        """Have debugpy: the main thread is the one to be traced, and the first that debugpy meets."""
        starting = self._starting
        if starting is None or self._debugpy is not None:
            return
        try:
            self._connection.read_in_thread()
            if not self._connection.wait_for_thread(ANSWER_SECONDS):
                raise Refused("the thread that reads requests did not start")
            self._debugpy = Debugpy(self._on_event, _OWN)
            self._debugpy.trace(False)
            os.register_at_fork(after_in_child=self._after_fork)
        except (Refused, RuntimeError) as error:
            self._starting = None
            starting.set_exception(Refused(str(error)))
        else:
            starting.set_result(None)

    def after_request(self) -> None:
        """After each request: what is ours must not stop, not even at an exception."""
        if self._debugpy is not None and self._is_traced:
            self._debugpy.trace(False)
            self._is_traced = False

    def before_code(self) -> None:
        """Before each part of a cell: let it be stopped, or run at full speed."""
        if self._debugpy is not None and (self._is_attached or self._is_traced):
            # Again each time: an exception that comes out of debugpy, such as an interrupt of code that
            # stands at a breakpoint, ends the tracing of the thread.
            self._debugpy.trace(self._is_attached)
            self._is_traced = self._is_attached

    def resume(self) -> None:
        """Let the code go on, for it is about to be interrupted."""
        if self._debugpy is not None:
            with contextlib.suppress(OSError):
                self._debugpy.tell("continue", {"threadId": min(self._stopped, default=MAIN_THREAD)})

    # --- requests

    def take(self, request: Message) -> None:
        """Carry out a request to the debugger, on its thread. For the thread that reads the link."""
        assert isinstance(request.content, DebugRequest)
        if not self._is_serving:
            try:
                start_thread(self._serve, "antiphon-debugger")
            except RuntimeError as error:
                self._reply(request, False, {}, str(error))
                return
            self._is_serving = True
        self._requests.put(request)

    def _serve(self) -> None:
        while True:
            self._carry_out(self._requests.get())

    def _start(self) -> None:
        if self._debugpy is None:
            starting = self._starting
            if starting is None:
                starting = self._starting = Future()
                self._call_start()
            try:
                starting.result(ANSWER_SECONDS)
            except TimeoutError:
                raise Refused("the debugger starts when the code that runs has ended: try again") from None

    def _carry_out(self, request: Message) -> None:
        content = request.content
        assert isinstance(content, DebugRequest)
        try:
            body = self._answer(content.command, dict(content.arguments))
        except Refused as error:
            self._reply(request, False, {}, str(error))
        except (KeyError, TypeError) as error:
            self._reply(request, False, {}, f"an argument of {content.command} is missing or wrong: {error}")
        except Exception as error:
            log.exception("%s failed", content.command)
            self._reply(request, False, {}, f"{type(error).__name__}: {error}")
        else:
            self._reply(request, True, body)

    def _answer(self, command: str, arguments: Arguments) -> Arguments:
        if (handler := self._static_handlers.get(command)) is not None:
            return handler(arguments)
        if command == "initialize":
            self._start()
        elif not self._is_started:
            raise Refused("the debugger is not started: initialize, then attach")
        if (handler := self._handlers.get(command)) is not None:
            return handler(arguments)
        return self._forward(command, arguments)

    def _forward(self, command: str, arguments: Arguments) -> Arguments:
        assert self._debugpy is not None
        return self._debugpy.request(command, arguments, ANSWER_SECONDS)

    def _reply(self, request: Message, success: bool, body: Arguments, message: str = "") -> None:
        content = request.content
        assert isinstance(content, DebugRequest)
        reply = DebugReply(
            seq=next(self._numbers),
            request_seq=content.seq,
            success=success,
            command=content.command,
            message=message,
            body=body,
        )
        try:
            self._connection.reply(request.header.msg_id, reply)
        except Exception as error:  # too large, or what JSON does not hold
            refusal = ErrorReply(ename="WorkerFailed", evalue=f"no reply: {error}")
            self._connection.reply(request.header.msg_id, refusal)

    # --- DAP

    def _initialize(self, arguments: Arguments) -> Arguments:
        if not self._is_started:
            self._capabilities = self._forward("initialize", {"adapterID": "", **arguments})
            self._is_started = True
        return self._capabilities

    def _attach(self, arguments: Arguments) -> Arguments:
        if self._is_attached:
            return {}
        rules = [{"path": path, "include": False} for path in _OWN]
        arguments |= {"debugOptions": ["DebugStdLib"], "rules": rules}
        body = self._forward("attach", arguments)
        self._forward("configurationDone", {})
        transforms = self._shell.input_transformer_manager.cleanup_transforms
        if leading_empty_lines in transforms:  # they count, when lines have breakpoints
            transforms.remove(leading_empty_lines)
        self._compiler.files = self._cell_files()
        self._is_attached = True
        return body

    def _launch(self, arguments: Arguments) -> Arguments:
        raise Refused("the session runs already: attach")

    def _configuration_done(self, arguments: Arguments) -> Arguments:
        return {}  # done when it was attached

    def _disconnect(self, arguments: Arguments) -> Arguments:
        self._forward("disconnect", {"restart": False, "terminateDebuggee": False})
        transforms = self._shell.input_transformer_manager.cleanup_transforms
        if self._is_attached and leading_empty_lines not in transforms:
            transforms.insert(0, leading_empty_lines)
        self._compiler.files = None
        self._is_started = self._is_attached = False
        self._breakpoints.clear()
        self._stopped.clear()
        return {}

    def _set_breakpoints(self, arguments: Arguments) -> Arguments:
        source = str(arguments["source"]["path"])
        body = self._forward("setBreakpoints", arguments)
        # debugpy may have moved them to other lines.
        asked = arguments.get("breakpoints", [])
        lines = [point.get("line") for point in body.get("breakpoints", [])]
        self._breakpoints[source] = [
            {**point, "line": line} for point, line in zip(asked, lines, strict=False)
        ]
        if not asked:
            del self._breakpoints[source]
        return body

    def _source(self, arguments: Arguments) -> Arguments:
        if number := arguments.get("sourceReference", 0):
            return self._forward("source", {"sourceReference": number, **arguments})
        path = Path(str(arguments["source"]["path"]))
        try:
            return {"content": path.read_text(encoding="utf-8")}
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(f"source unavailable: {error}") from error

    def _stack_trace(self, arguments: Arguments) -> Arguments:
        body = self._forward("stackTrace", arguments)
        frames = body["stackFrames"]
        if frames and frames[-1]["source"].get("path") == "<string>":  # that of ``python -c``: the zygote's
            body = {**body, "stackFrames": frames[:-1], "totalFrames": body["totalFrames"] - 1}
        return body

    def _variables_of(self, arguments: Arguments) -> Arguments:
        if self._stopped:
            return _shown(self._forward("variables", arguments)["variables"])
        if self._variables is None:
            raise Refused("nothing is stopped, and inspectVariables was not asked")
        return _shown(self._variables.children(int(arguments["variablesReference"])))

    # --- Jupyter's additions

    def _debug_info(self, arguments: Arguments) -> Arguments:
        return {
            "isStarted": self._is_started,
            "hashMethod": HASH_METHOD,
            "hashSeed": HASH_SEED,
            "tmpFilePrefix": self._cell_files().prefix,
            "tmpFileSuffix": SUFFIX,
            "breakpoints": [
                {"source": source, "breakpoints": points} for source, points in self._breakpoints.items()
            ],
            "stoppedThreads": sorted(self._stopped),
            "richRendering": True,
            "exceptionPaths": ["Python Exceptions"],
            "copyToGlobals": True,
        }

    def _dump_cell(self, arguments: Arguments) -> Arguments:
        return {"sourcePath": self._cell_files().write(str(arguments["code"]))}

    def _cell_files(self) -> CellFiles:
        if self._files is None:
            self._files = CellFiles()
        return self._files

    def _inspect_variables(self, arguments: Arguments) -> Arguments:
        self._variables = Variables(dict(self._shell.user_ns))
        return _shown(self._variables.children())

    def _rich_inspect_variables(self, arguments: Arguments) -> Arguments:
        name = str(arguments["variableName"])
        if not name.isidentifier():
            if name in ("special variables", "function variables"):
                return {"data": {}, "metadata": {}}
            raise Refused(f"{name!r} is not the name of a variable")
        if self._stopped and "frameId" in arguments:
            expression = f"get_ipython().display_formatter.format({name})"
            evaluate = {"expression": expression, "frameId": arguments["frameId"], "context": "clipboard"}
            data, metadata = ast.literal_eval(self._forward("evaluate", evaluate)["result"])
        else:
            found = self._shell.user_expressions({name: name})[name]
            if found.get("status") != "ok":
                raise Refused(f"{name}: {found.get('ename')}: {found.get('evalue')}")
            data, metadata = found["data"], found["metadata"]
        metadata = {kind: value for kind, value in metadata.items() if kind in data}
        return {"data": plain_bundle(data), "metadata": plain_bundle(metadata)}

    def _copy_to_globals(self, arguments: Arguments) -> Arguments:
        return self._forward(
            "setExpression",
            {
                "expression": f"globals()[{str(arguments['dstVariableName'])!r}]",
                "value": arguments["srcVariableName"],
                "frameId": arguments["srcFrameId"],
            },
        )

    def _modules(self, arguments: Arguments) -> Arguments:
        modules = list(sys.modules.copy().items())
        start = int(arguments.get("startModule", 0))
        count = int(arguments.get("moduleCount", 0)) or len(modules)
        described = []
        for number, (name, module) in enumerate(modules[start : start + count], start):
            path = getattr(getattr(module, "__spec__", None), "origin", None)
            if isinstance(path, str) and path.endswith(".py"):
                described.append({"id": number, "name": name, "path": path})
        return {"modules": described, "totalModules": len(modules)}

    # --- events

    def _on_event(self, event: str, body: Arguments) -> None:
        match event:
            case "stopped":
                self._stopped.add(int(body.get("threadId", 0)))
            case "continued" if body.get("allThreadsContinued", True):
                self._stopped.clear()
            case "continued":
                self._stopped.discard(int(body.get("threadId", 0)))
            case "terminated" | "exited":
                return  # the session goes on
        self._publish(event, body)

    def _publish(self, event: str, body: Arguments) -> None:
        self._connection.publish("", DebugEvent(seq=next(self._numbers), event=event, body=_bounded(body)))

    def _after_fork(self) -> None:
        # A process that the code forked has no debugger: stopped, it would wait forever.
        assert self._debugpy is not None
        self._debugpy.trace(False)
        self._is_attached = False


def _shown(variables: list[Arguments]) -> Arguments:
    """Those that somebody wrote."""
    return {"variables": [item for item in variables if not _INTERNAL.fullmatch(str(item["name"]))]}


def _bounded(body: Any) -> Any:
    if isinstance(body, str):
        return body[:EVENT_CHARACTERS]
    if isinstance(body, dict):
        return {name: _bounded(value) for name, value in body.items()}
    if isinstance(body, list):
        return [_bounded(value) for value in body]
    return body
