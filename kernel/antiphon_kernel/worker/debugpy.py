"""The border to debugpy: the one file that knows its insides, and the one that imports it.

debugpy itself is a server for the Debug Adapter Protocol (DAP) in two processes, reached through a TCP
port that every user of the machine can connect to. Only its inner part is used here (pydevd), which
speaks DAP too, through a pair of sockets that nobody else can reach.

Source: the Debug Adapter Protocol, section *Base protocol*.
"""

from __future__ import annotations

import importlib
import itertools
import os
import queue
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import msgspec

Arguments = dict[str, Any]
"""Of a request, a response's body or an event's: what JSON holds."""


class Refused(Exception):
    """debugpy could not do what it was asked for. The text says why."""


def hide(thread: threading.Thread) -> None:
    """This thread is neither stopped with the session's nor listed among them.

    To be called before debugpy has met it, which is how debugpy's own threads and ipykernel's do it.
    """
    vars(thread).update(pydev_do_not_trace=True, is_pydev_daemon_thread=True)


def start_thread(target: Callable[[], None], name: str) -> None:
    """Start a thread of ours, which is hidden.

    Raises:
        RuntimeError: the system has none to give.
    """
    thread = threading.Thread(target=target, name=name, daemon=True)
    hide(thread)
    thread.start()


@contextmanager
def _file_validation_disabled() -> Iterator[None]:
    # It would print a warning about frozen modules, in which nobody sets a breakpoint.
    name = "PYDEVD_DISABLE_FILE_VALIDATION"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def load() -> None:
    """Import debugpy, which installs nothing yet.

    Raises:
        Refused: it cannot be imported.
    """
    hook = sys.breakpointhook
    try:
        with _file_validation_disabled():
            importlib.import_module("debugpy.server")
    except Exception as error:  # whatever its import may raise
        raise Refused(f"debugpy cannot be imported: {error}") from error
    finally:
        sys.breakpointhook = hook


class Debugpy:
    """debugpy in this process, once and for all: it cannot be taken out again.

    Args:
        on_event: called with each event, on a thread of its own.
        own: directories whose code is never traced.

    Raises:
        Refused: it could not be started.
    """

    def __init__(self, on_event: Callable[[str, Arguments], None], own: tuple[str, ...]) -> None:
        load()
        self._on_event = on_event
        self._sending = threading.Lock()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, queue.SimpleQueue[Any]] = {}
        pydevd: Any = importlib.import_module("pydevd")
        processor = importlib.import_module("_pydevd_bundle.pydevd_process_net_command_json")
        self._commands = processor.PyDevJsonCommandProcessor
        self._link, theirs = socket.socketpair()
        connect, pydevd.start_client = pydevd.start_client, lambda host, port: theirs
        try:
            pydevd.settrace(
                host="127.0.0.1",
                suspend=False,
                wait_for_ready_to_run=False,
                block_until_connected=True,
                patch_multiprocessing=False,
                notify_stdin=False,
                dont_trace_start_patterns=own,
                dont_trace_end_patterns=(),
            )
        except Exception as error:
            raise Refused(f"debugpy cannot be started: {error}") from error
        finally:
            pydevd.start_client = connect
        self._pydevd = pydevd.get_global_debugger()
        start_thread(self._read, "antiphon-debugpy")

    def trace(self, wanted: bool) -> None:
        """Let the calling thread stop at breakpoints, or not any more."""
        if wanted:
            self._pydevd.enable_tracing()
        else:
            self._pydevd.disable_tracing()

    def request(self, command: str, arguments: Arguments, seconds: float) -> Arguments:
        """The body of debugpy's response.

        Raises:
            Refused: it does not know the command, could not do it or did not answer in time.
        """
        # It answers nothing at all to what it does not know.
        if not hasattr(self._commands, f"on_{command.lower()}_request"):
            raise Refused(f"debugpy does not know {command}")
        answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
        number = self.tell(command, arguments, answer)
        try:
            response = answer.get(timeout=seconds)
        except queue.Empty:
            raise Refused(f"debugpy did not answer within {seconds:g} seconds") from None
        finally:
            del self._waiting[number]
        if not response.get("success"):
            raise Refused(str(response.get("message") or f"{command} failed"))
        body: Arguments = response.get("body") or {}
        return body

    def tell(self, command: str, arguments: Arguments, answer: queue.SimpleQueue[Any] | None = None) -> int:
        """Send a request; its number. Never waits: the main thread does so in a signal's handler."""
        number = next(self._numbers)
        if answer is not None:
            self._waiting[number] = answer
        message = {"seq": number, "type": "request", "command": command, "arguments": arguments}
        data = msgspec.json.encode(message)
        with self._sending:
            self._link.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(data), data))
        return number

    def _read(self) -> None:
        with self._link.makefile("rb") as stream:
            while header := stream.readline():
                name, _, value = header.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
                elif not header.strip():
                    self._take(msgspec.json.decode(stream.read(length)))

    def _take(self, message: Arguments) -> None:
        if message.get("type") == "event":
            self._on_event(str(message["event"]), message.get("body") or {})
        elif (answer := self._waiting.get(message.get("request_seq", 0))) is not None:
            answer.put(message)


class Variables:
    """The names of a namespace, told in DAP's words without stopping anything.

    Args:
        namespace: names and values, as they are now.
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        load()
        frames = importlib.import_module("_pydevd_bundle.pydevd_suspended_frames")
        api = importlib.import_module("_pydevd_bundle.pydevd_api").PyDevdAPI
        self._known: dict[int, Any] = {}
        settings = SimpleNamespace(variable_presentation=api.VariablePresentation())
        code = SimpleNamespace(co_name="<module>", co_filename="")
        frame = SimpleNamespace(f_code=code, f_locals=namespace, f_globals=namespace)
        self._root = frames._FrameVariable(settings, frame, self._register)

    def _register(self, variable: Any) -> None:
        self._known[variable.get_variable_reference()] = variable

    def children(self, reference: int = 0) -> list[Arguments]:
        """What a variable holds; with no reference, the names of the namespace.

        Raises:
            Refused: there is no such variable.
        """
        variable = self._known.get(reference) if reference else self._root
        if variable is None:
            raise Refused(f"there is no variable {reference}: ask inspectVariables again")
        return [child.get_var_data() for child in variable.get_children_variables()]
