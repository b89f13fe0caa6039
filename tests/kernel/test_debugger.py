"""The debugger with a real debugpy, asked as JupyterLab asks it: over the sockets of a Jupyter kernel."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient

from antiphon_kernel.client import KernelClient
from antiphon_kernel.executors import Executor
from antiphon_kernel.executors.forked import ForkedExecutor
from antiphon_kernel.jupyter.front import JupyterFront
from antiphon_kernel.message import ConnectionFile, ExecuteRequest, SessionUID
from antiphon_kernel.service import Service
from antiphon_kernel.transports.inprocess import InProcessTransport
from tests.deadline import DEADLINE

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


CODE = """def add(a, b):
    total = a + b
    return total

result = add(2, 3)
print(result)"""


class Lab:
    """JupyterLab's side: a client of a Jupyter kernel, and its debugger's."""

    def __init__(self, client: AsyncKernelClient, kernel: KernelClient, uid: SessionUID) -> None:
        self.client, self.kernel, self.uid = client, kernel, uid
        self.heard: list[dict[str, Any]] = []
        self._numbers = itertools.count(1)
        self._replies: dict[str, dict[str, Any]] = {}

    async def _reply(self, channel: str, msg_id: str) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE):
            while msg_id not in self._replies:
                message = await getattr(self.client, f"get_{channel}_msg")()
                self._replies[message["parent_header"]["msg_id"]] = message["content"]
        return self._replies.pop(msg_id)

    def send(self, command: str, **arguments: Any) -> str:
        content = {
            "type": "request",
            "seq": next(self._numbers),
            "command": command,
            "arguments": arguments,
        }
        message = self.client.session.msg("debug_request", content)
        self.client.control_channel.send(message)
        return str(message["header"]["msg_id"])

    async def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """The whole reply to a debug_request."""
        return await self._reply("control", self.send(command, **arguments))

    async def do(self, command: str, **arguments: Any) -> dict[str, Any]:
        """The body of the reply to one that succeeds."""
        reply = await self.ask(command, **arguments)
        assert reply.get("success"), str(reply)
        return dict(reply["body"])

    async def event(self, name: str) -> dict[str, Any]:
        """The body of the next event of this name."""
        while True:
            message = await self.hear()
            if message["msg_type"] == "debug_event" and message["content"]["event"] == name:
                return dict(message["content"]["body"])

    async def hear(self) -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE):
            message = await self.client.get_iopub_msg()
        self.heard.append(message)
        return dict(message)

    async def start(self) -> None:
        await self.do("initialize", clientID="test", linesStartAt1=True, columnsStartAt1=True)
        await self.do("attach")

    async def break_at(self, code: str, *lines: int) -> str:
        """Dump a cell and set breakpoints in it; the name of its file."""
        path = str((await self.do("dumpCell", code=code))["sourcePath"])
        wanted = [{"line": line} for line in lines]
        body = await self.do(
            "setBreakpoints", source={"path": path}, breakpoints=wanted, sourceModified=False
        )
        assert [(point["line"], point["verified"]) for point in body["breakpoints"]] == [
            (line, True) for line in lines
        ]
        await self.do("configurationDone")
        return path

    async def stopped(self, code: str = CODE, line: int = 2) -> tuple[str, int, int]:
        """Run code up to a breakpoint; the run, the thread and the frame on top."""
        await self.break_at(code, line)
        msg_id = self.client.execute(code)
        thread = (await self.event("stopped"))["threadId"]
        frames = (await self.do("stackTrace", threadId=thread))["stackFrames"]
        return msg_id, thread, frames[0]["id"]

    async def finished(self, msg_id: str) -> dict[str, Any]:
        return await self._reply("shell", msg_id)

    async def run(self, code: str) -> dict[str, Any]:
        return await self.finished(self.client.execute(code))

    async def scope(self, frame: int, name: str) -> dict[str, str]:
        """Names and values as they are shown."""
        scopes = (await self.do("scopes", frameId=frame))["scopes"]
        (reference,) = (scope["variablesReference"] for scope in scopes if scope["name"] == name)
        return _values(await self.do("variables", variablesReference=reference))


def _values(body: dict[str, Any]) -> dict[str, str]:
    return {item["name"]: item["value"] for item in body["variables"]}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def executor() -> AsyncIterator[Executor]:
    executor = ForkedExecutor(preload=())
    await executor.open()
    yield executor
    await executor.close()


@contextlib.asynccontextmanager
async def lab_of(kernel: KernelClient, uid: SessionUID) -> AsyncIterator[Lab]:
    file = ConnectionFile(key="a secret of the test")
    async with JupyterFront(kernel, uid, file, owner=False) as front:
        client = AsyncKernelClient()
        connection = front.connection
        info = {name: getattr(connection, name) for name in connection.__struct_fields__}
        client.load_connection_info(info | {"key": connection.key.encode()})
        client.start_channels(hb=False)
        try:
            lab = Lab(client, kernel, uid)
            while (await lab.hear())["msg_type"] != "iopub_welcome":
                pass
            yield lab
        finally:
            client.stop_channels()


@pytest_asyncio.fixture(loop_scope="module")
async def lab(executor: Executor) -> AsyncIterator[Lab]:
    async with KernelClient(InProcessTransport(Service(executor))) as kernel:
        uid = await kernel.create_session()
        async with lab_of(kernel, uid) as lab:
            yield lab
        with contextlib.suppress(Exception):
            await kernel.close_session(uid)


async def test_a_cell_stops_at_its_breakpoint_and_goes_on(lab):
    await lab.start()
    path = await lab.break_at(CODE, 2)
    msg_id = lab.client.execute(CODE)
    stopped = await lab.event("stopped")
    assert (stopped["reason"], stopped["threadId"]) == ("breakpoint", 1)
    frames = (await lab.do("stackTrace", threadId=1))["stackFrames"]
    assert [(frame["name"], frame["line"]) for frame in frames[:2]] == [("add", 2), ("<module>", 5)]
    assert frames[0]["source"]["path"] == path
    assert len(frames) == 2, "what runs the cell is shown"
    assert await lab.scope(frames[0]["id"], "Locals") == {"a": "2", "b": "3"}
    await lab.do("next", threadId=1)
    await lab.event("stopped")
    frame = (await lab.do("stackTrace", threadId=1))["stackFrames"][0]
    assert frame["line"] == 3
    assert (await lab.do("evaluate", expression="total * 2", frameId=frame["id"]))["result"] == "10"
    await lab.do("continue", threadId=1)
    assert (await lab.finished(msg_id))["status"] == "ok"
    assert (await lab.run("assert result == 5"))["status"] == "ok"


async def test_source_and_breakpoints_are_told_to_who_asks(lab):
    await lab.start()
    path = await lab.break_at(CODE, 2, 5)
    info = await lab.do("debugInfo")
    assert info["isStarted"]
    assert info["breakpoints"] == [{"source": path, "breakpoints": [{"line": 2}, {"line": 5}]}]
    assert (info["hashMethod"], info["stoppedThreads"]) == ("Murmur2", [])
    assert path.startswith(info["tmpFilePrefix"])
    assert path.endswith(info["tmpFileSuffix"])
    assert await lab.do("source", source={"path": path}) == {"content": CODE}
    assert not (await lab.ask("source", source={"path": "/no/such/file.py"}))["success"]


async def test_empty_lines_before_the_code_count(lab):
    await lab.start()
    msg_id, thread, _ = await lab.stopped("\n\n" + CODE, 4)
    await lab.do("continue", threadId=thread)
    assert (await lab.finished(msg_id))["status"] == "ok"


async def test_variables_are_inspected_without_being_stopped(lab):
    """Before the debugger is started, and after."""
    await lab.run("answer = 42; table = {'key': [1, 2]}; text = 'Hello'")
    for _ in range(2):
        shown = await lab.do("inspectVariables")
        names = _values(shown)
        assert (names["answer"], names["text"]) == ("42", "'Hello'")
        assert not {"In", "Out", "_i1", "get_ipython", "exit", "__name__"} & set(names)
        (table,) = (item for item in shown["variables"] if item["name"] == "table")
        inside = await lab.ask("variables", variablesReference=table["variablesReference"])
        if inside["success"]:
            assert _values(inside["body"])["'key'"] == "[1, 2]"
        assert await lab.do("richInspectVariables", variableName="text") == {
            "data": {"text/plain": "'Hello'"},
            "metadata": {},
        }
        assert not (await lab.ask("richInspectVariables", variableName="absent"))["success"]
        await lab.start()


async def test_variables_are_inspected_where_the_code_stands(lab):
    await lab.start()
    msg_id, thread, frame = await lab.stopped()
    assert await lab.do("richInspectVariables", variableName="a", frameId=frame) == {
        "data": {"text/plain": "2"},
        "metadata": {},
    }
    await lab.do("copyToGlobals", srcVariableName="b", dstVariableName="kept", srcFrameId=frame)
    assert (await lab.scope(frame, "Globals"))["kept"] == "3"
    await lab.do("continue", threadId=thread)
    await lab.finished(msg_id)
    assert (await lab.run("assert kept == 3"))["status"] == "ok"


async def test_requests_are_answered_one_after_the_other(lab):
    await lab.start()
    msg_id, thread, frame = await lab.stopped()
    scopes = {scope["name"]: scope for scope in (await lab.do("scopes", frameId=frame))["scopes"]}
    sent = [
        lab.send("variables", variablesReference=scopes[name]["variablesReference"])
        for name in ("Locals", "Globals")
    ]
    local, shared = [await lab._reply("control", msg_id) for msg_id in sent]
    assert _values(local["body"]) == {"a": "2", "b": "3"}
    assert "add" not in _values(local["body"])
    assert "special variables" in _values(shared["body"])
    await lab.do("continue", threadId=thread)
    await lab.finished(msg_id)


async def test_an_exception_stops_where_it_is_raised(lab):
    await lab.start()
    await lab.do("setExceptionBreakpoints", filters=["raised"])
    await lab.do("dumpCell", code="def fail():\n    return 1 / 0\nfail()")
    msg_id = lab.client.execute("def fail():\n    return 1 / 0\nfail()")
    stopped = await lab.event("stopped")
    assert stopped["reason"] == "exception"
    found = await lab.do("exceptionInfo", threadId=stopped["threadId"])
    assert found["exceptionId"] == "ZeroDivisionError", (stopped, found)
    await lab.do("setExceptionBreakpoints", filters=[])
    await lab.do("continue", threadId=stopped["threadId"])
    assert (await lab.finished(msg_id))["ename"] == "ZeroDivisionError"


async def test_an_interrupt_ends_a_cell_that_stands_at_a_breakpoint(lab):
    await lab.start()
    for _ in range(2):  # the second time too
        msg_id, _, _ = await lab.stopped()
        lab.client.control_channel.send(lab.client.session.msg("interrupt_request", {}))
        assert (await lab.event("continued"))["allThreadsContinued"]
        reply = await lab.finished(msg_id)
        assert reply["ename"] == "KeyboardInterrupt"
        assert not [line for line in reply["traceback"] if "pydevd" in line]
        assert (await lab.do("debugInfo"))["stoppedThreads"] == []
    assert (await lab.run("1"))["status"] == "ok"


async def test_after_a_disconnect_code_runs_through_and_can_be_debugged_again(lab):
    await lab.start()
    msg_id, _, _ = await lab.stopped()
    await lab.do("disconnect", restart=False, terminateDebuggee=True)
    assert (await lab.finished(msg_id))["status"] == "ok"
    assert (await lab.run(CODE))["status"] == "ok"
    assert not (await lab.do("debugInfo"))["isStarted"]
    assert "not started" in (await lab.ask("stackTrace", threadId=1))["message"]
    await lab.start()
    msg_id, thread, _ = await lab.stopped()
    await lab.do("continue", threadId=thread)
    assert (await lab.finished(msg_id))["status"] == "ok"


async def test_clients_share_the_debugger(lab):
    """The first one vanishes while the code stands; the second one lets it go on."""
    await lab.start()
    msg_id, _, _ = await lab.stopped()
    async with lab_of(lab.kernel, lab.uid) as other:
        info = await other.do("debugInfo")
        assert (info["isStarted"], info["stoppedThreads"]) == (True, [1])
        await other.start()
        await other.do("continue", threadId=1)
        await other.event("continued")
    assert (await lab.finished(msg_id))["status"] == "ok"


@pytest.mark.parametrize("end", ["restart_session", "close_session"])
async def test_a_session_that_stands_at_a_breakpoint_can_be_ended(lab, end):
    await lab.start()
    msg_id, _, _ = await lab.stopped()
    await getattr(lab.kernel, end)(lab.uid)
    assert (await lab.finished(msg_id))["status"] == "error"
    if end == "restart_session":
        assert (await lab.run("1"))["status"] == "ok"
        assert not (await lab.do("debugInfo"))["isStarted"]
        await lab.start()


async def test_other_sessions_run_while_one_stands(lab):
    await lab.start()
    msg_id, thread, _ = await lab.stopped()
    uid = await lab.kernel.create_session()
    async with lab_of(lab.kernel, uid) as other:
        assert (await other.run(CODE))["status"] == "ok"
        assert not (await other.do("debugInfo"))["isStarted"]
    await lab.kernel.close_session(uid)
    await lab.do("continue", threadId=thread)
    await lab.finished(msg_id)


async def test_input_and_what_waits_behind_it_work_while_debugged(lab):
    await lab.start()
    msg_id = lab.client.execute("print(input('name? '))", allow_stdin=True)
    async with asyncio.timeout(DEADLINE):
        await lab.client.get_stdin_msg()
    assert (await lab.do("debugInfo"))["isStarted"]
    lab.client.input("Ada")
    assert (await lab.finished(msg_id))["status"] == "ok"


async def test_a_process_that_the_code_forks_does_not_stop(lab):
    await lab.start()
    code = "import os\npid = os.fork()\nif pid == 0:\n    os._exit(7)\nstatus = os.waitpid(pid, 0)[1] >> 8"
    await lab.break_at(code, 4)
    reply = await lab.finished(lab.client.execute(code, user_expressions={"code": "status"}))
    assert reply["user_expressions"]["code"]["data"]["text/plain"] == "7"


@pytest.mark.parametrize(
    ("command", "arguments", "reason"),
    [
        ("launch", {}, "attach"),
        ("fly", {}, "does not know fly"),
        ("setBreakpoints", {}, "'source'"),
        ("richInspectVariables", {"variableName": "1 + 1"}, "not the name"),
        ("stackTrace", {"threadId": "x"}, ""),
    ],
)
async def test_what_cannot_be_done_is_refused_and_said(lab, command, arguments, reason):
    await lab.start()
    reply = await lab.ask(command, **arguments)
    assert not reply["success"]
    assert reason in reply["message"]


async def test_modules_are_listed_in_portions(lab):
    body = await lab.do("modules", startModule=0, moduleCount=50)
    assert 0 < len(body["modules"]) <= 50 < body["totalModules"]
    assert body["modules"][0]["path"].endswith(".py")


async def test_a_busy_session_tells_of_its_debugger_and_its_variables(lab):
    await lab.run("answer = 42")
    msg_id = lab.client.execute("while True: pass")
    assert not (await lab.do("debugInfo"))["isStarted"]
    assert _values(await lab.do("inspectVariables"))["answer"] == "42"
    lab.client.control_channel.send(lab.client.session.msg("interrupt_request", {}))
    assert (await lab.finished(msg_id))["ename"] == "KeyboardInterrupt"


async def test_a_debugger_that_is_started_while_code_runs_is_ready_when_that_has_ended(lab):
    msg_id = lab.client.execute("while True: pass")
    while (await lab.hear())["msg_type"] != "execute_input":
        pass
    asked = lab.send("initialize", clientID="test", linesStartAt1=True, columnsStartAt1=True)
    lab.client.control_channel.send(lab.client.session.msg("interrupt_request", {}))
    assert (await lab.finished(msg_id))["ename"] == "KeyboardInterrupt"
    assert (await lab._reply("control", asked))["success"]
    await lab.start()
    msg_id, thread, _ = await lab.stopped()
    assert thread == 1
    await lab.do("continue", threadId=thread)
    assert (await lab.finished(msg_id))["status"] == "ok"


async def test_a_debugger_that_cannot_be_started_in_time_says_so_and_can_be_later(lab):
    await lab.run("import antiphon_kernel.worker.debugger as ours; ours.ANSWER_SECONDS = 0.05")
    msg_id = lab.client.execute(
        "import time\ntry:\n    time.sleep(600)\nfinally:\n    ours.ANSWER_SECONDS = 60"
    )
    reply = await lab.ask("initialize")
    assert not reply["success"]
    assert "try again" in reply["message"]
    lab.client.control_channel.send(lab.client.session.msg("interrupt_request", {}))
    assert (await lab.finished(msg_id))["ename"] == "KeyboardInterrupt"
    await lab.start()


@pytest.mark.parametrize("first", ["debugger", "subshell"])
async def test_a_subshell_runs_while_the_main_line_stands(lab, first):
    """Through the breakpoint, as in ipykernel. Neither waits for the other, whichever was there first."""
    sub = await lab.kernel.create_subshell(lab.uid)
    if first == "debugger":
        await lab.start()
        assert (await lab.kernel.submit(lab.uid, ExecuteRequest(code="1"), subshell_id=sub)).status == "ok"
    else:
        assert (await lab.kernel.submit(lab.uid, ExecuteRequest(code="1"), subshell_id=sub)).status == "ok"
        await lab.start()
    for _ in range(2):
        msg_id, thread, frame = await lab.stopped()
        assert thread == 1
        reply = await lab.kernel.submit(lab.uid, ExecuteRequest(code=CODE), subshell_id=sub)
        assert reply.status == "ok"
        assert (await lab.do("debugInfo"))["stoppedThreads"] == [1]
        assert await lab.scope(frame, "Locals") == {"a": "2", "b": "3"}
        threads = [item["id"] for item in (await lab.do("threads"))["threads"]]
        assert threads == [1]
        await lab.do("continue", threadId=1)
        assert (await lab.finished(msg_id))["status"] == "ok"


async def test_an_interrupt_of_a_subshell_leaves_the_code_that_stands(lab):
    await lab.start()
    sub = await lab.kernel.create_subshell(lab.uid)
    msg_id, _, _ = await lab.stopped()
    code = "print('on')\nwhile True: pass"
    run = lab.kernel.submit(lab.uid, ExecuteRequest(code=code), subshell_id=sub)
    while (message := await lab.hear())["msg_type"] != "stream":
        pass
    assert message["content"]["text"] == "on\n"
    await lab.kernel.interrupt(lab.uid, subshell_id=sub)
    assert (await run).ename == "KeyboardInterrupt"
    assert (await lab.do("debugInfo"))["stoppedThreads"] == [1]
    await lab.do("continue", threadId=1)
    assert (await lab.finished(msg_id))["status"] == "ok"


async def test_requests_may_be_sent_without_waiting_for_replies(lab):
    """The thread that reads the link is there before debugpy is, and does not stop with the code."""
    path = str((await lab.do("debugInfo"))["tmpFilePrefix"])
    sent = [
        lab.send("initialize", clientID="test", linesStartAt1=True, columnsStartAt1=True),
        lab.send("attach"),
        lab.send("dumpCell", code=CODE),
    ]
    replies = [await lab._reply("control", msg_id) for msg_id in sent]
    assert all(reply["success"] for reply in replies)
    assert replies[-1]["body"]["sourcePath"].startswith(path)
    msg_id, thread, _ = await lab.stopped()
    await lab.do("continue", threadId=thread)
    assert (await lab.finished(msg_id))["status"] == "ok"


async def test_an_expression_that_takes_too_long_is_refused_and_the_code_goes_on(lab):
    await lab.run("import threading; go = threading.Event(); import antiphon_kernel.worker.debugger as ours")
    await lab.start()
    msg_id, thread, frame = await lab.stopped()
    await lab.do("evaluate", expression="setattr(ours, 'ANSWER_SECONDS', 0.2)", frameId=frame)
    reply = await lab.ask("evaluate", expression="go.wait(600)", frameId=frame)
    assert not reply["success"]
    assert "did not answer within 0.2 seconds" in reply["message"]
    sub = await lab.kernel.create_subshell(lab.uid)
    code = "ours.ANSWER_SECONDS = 60; go.set()"
    assert (await lab.kernel.submit(lab.uid, ExecuteRequest(code=code), subshell_id=sub)).status == "ok"
    await lab.do("continue", threadId=thread)
    assert (await lab.finished(msg_id))["status"] == "ok"


async def test_a_traceback_has_the_same_frames_and_lines_while_attached(lab):
    code = "def fail(n):\n    return 1 / n\nfail(0)"
    before = await lab.run(code)
    await lab.start()
    after = await lab.run(code)
    assert (before["ename"], before["evalue"]) == (after["ename"], after["evalue"])
    assert [_traceback_lines(text) for text in before["traceback"]] == [
        _traceback_lines(text) for text in after["traceback"]
    ]


def _traceback_lines(text: str) -> list[str]:
    """Without colours and the head of a frame, which names the cell: by its number, or its file."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", text)
    return [line for line in plain.splitlines() if not line.startswith(("Cell In", "File "))]


async def test_a_thread_of_the_code_does_not_hold_up_the_session(lab):
    await lab.start()
    await lab.run("import threading; t = threading.Thread(target=print, args=(1,)); t.start(); t.join()")
    msg_id, thread, _ = await lab.stopped()
    await lab.do("continue", threadId=thread)
    assert (await lab.finished(msg_id))["status"] == "ok"
    await lab.run("import asyncio; await asyncio.to_thread(print, 1)")
    msg_id, thread, _ = await lab.stopped()
    await lab.do("continue", threadId=thread)
    assert (await lab.finished(msg_id))["status"] == "ok"


async def test_a_text_in_an_event_has_a_bound(lab):
    await lab.run("import antiphon_kernel.worker.debugger as ours; ours.EVENT_CHARACTERS = 100")
    await lab.start()
    await lab.do("setExceptionBreakpoints", filters=["raised"])
    code = "raise ValueError('x' * 1000)"
    await lab.do("dumpCell", code=code)
    msg_id = lab.client.execute(code)
    stopped = await lab.event("stopped")
    assert max(len(text) for text in stopped.values() if isinstance(text, str)) == 100
    await lab.do("disconnect")
    assert (await lab.finished(msg_id))["ename"] == "ValueError"


@pytest.mark.parametrize("end", ["exit()", "import os; os._exit(1)", "close"])
async def test_the_files_of_cells_end_with_the_worker(lab, end):
    await lab.start()
    path = Path((await lab.do("dumpCell", code=CODE))["sourcePath"])
    assert _text_and_mode(path) == (CODE, 0o700)
    if end == "close":
        await lab.kernel.close_session(lab.uid)
    else:
        await lab.kernel.execute(lab.uid, end)
    await asyncio.to_thread(_wait_for_end_of, path.parent)


def _text_and_mode(path: Path) -> tuple[str, int]:
    return path.read_text(), path.parent.stat().st_mode & 0o777


def _wait_for_end_of(directory: Path) -> None:
    deadline = time.monotonic() + DEADLINE
    while directory.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


async def test_a_kernel_that_can_be_debugged_says_so(lab):
    assert "debugger" in (await lab.kernel.kernel_info()).supported_features
