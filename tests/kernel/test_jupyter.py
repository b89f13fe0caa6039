"""Jupyter's own clients, and the tests that Jupyter has for kernels, against the installed kernelspec."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jupyter_kernel_test
import msgspec
import nbclient
import nbformat
import pytest
import pytest_asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import AsyncKernelManager

from antiphon_kernel.client import KernelClient
from antiphon_kernel.connection import Connection, new_key, private_directory, write_connection
from antiphon_kernel.executors import Description, Executor
from antiphon_kernel.executors.scripted import ScriptedExecutor
from antiphon_kernel.jupyter import front as front_module
from antiphon_kernel.jupyter import kernelspec
from antiphon_kernel.jupyter.__main__ import main
from antiphon_kernel.jupyter.front import JupyterFront
from antiphon_kernel.message import ConnectionFile, SessionUID, Setting, Status
from antiphon_kernel.service import Service
from antiphon_kernel.transports.inprocess import InProcessTransport
from antiphon_kernel.transports.zeromq import ZeroMQServer, ZeroMQTransport
from tests.deadline import DEADLINE
from tests.kernel.jupyter_values import Values


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The kernelspec in an empty home of Jupyter's."""
    home = tmp_path_factory.mktemp("jupyter")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
            patch.setenv(name, str(home / name.lower()))
        yield kernelspec.install()


# --- The kernelspec ---------------------------------------------------------------------------


def test_install_writes_what_jupyter_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["install", "--prefix", str(tmp_path), "--name", "mine", "--display-name", "Mine"]) == 0
    directory = tmp_path / "share" / "jupyter" / "kernels" / "mine"
    assert str(directory) in capsys.readouterr().out
    spec = json.loads((directory / "kernel.json").read_text())
    assert (spec["display_name"], spec["language"], spec["interrupt_mode"]) == ("Mine", "python", "message")
    assert spec["argv"][0] == sys.executable
    assert spec["argv"][-1] == "{connection_file}"
    assert spec["metadata"]["debugger"]


def test_a_kernelspec_announces_a_debugger_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """JupyterLab asks the kernelspec, and no kernel."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert kernelspec.kernelspec("Antiphon")["metadata"] == {"debugger": False}


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b"])
def test_a_name_that_jupyter_would_not_find_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["install", "--name", name]) == 1
    assert "no name for a kernel" in capsys.readouterr().err


@pytest.mark.slow
class TestKernel(Values, jupyter_kernel_test.KernelTests):
    kernel_name = "antiphon"


@pytest.mark.slow
class TestWelcome(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = "antiphon"
    support_iopub_welcome = True

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        # The test may be over, and its context closed, before the heartbeat's thread has made its socket.
        cls.kc.start_channels = partial(cls.kc.start_channels, hb=False)


# --- Clients ----------------------------------------------------------------------------------


NOTEBOOK = (
    "import numpy as np\nx = np.linspace(0, 1, 5)\nx.sum()",
    "import matplotlib.pyplot as plt\nplt.plot(x, x ** 2);",
    "print('before'); 1 / 0",
    "from IPython.display import display, HTML\nh = display(HTML('<b>one</b>'), display_id=True)",
    "h.update(HTML('<b>two</b>'))\n!echo from the shell",
    "import asyncio\nawait asyncio.sleep(0)\n'awaited'",
)


@pytest.mark.slow
def test_nbclient_runs_a_notebook() -> None:
    cells = [nbformat.v4.new_code_cell(source) for source in NOTEBOOK]
    cells[2].metadata["tags"] = ["raises-exception"]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, kernel_name="antiphon", timeout=60).execute()
    result, plot, failed, shown, shell, awaited = ([dict(o) for o in cell.outputs] for cell in notebook.cells)
    assert result[0]["data"]["text/plain"] in ("2.5", "np.float64(2.5)")
    assert plot[0]["data"]["image/png"].startswith("iVBOR")
    assert [output["output_type"] for output in failed] == ["stream", "error"]
    assert failed[1]["ename"] == "ZeroDivisionError"
    assert shown[0]["data"]["text/html"] == "<b>two</b>"
    assert shell[0]["text"].split() == ["from", "the", "shell"]
    assert awaited[0]["data"]["text/plain"] == "'awaited'"
    assert [cell.execution_count for cell in notebook.cells] == [1, 2, 3, 4, 5, 6]


class Kernel:
    """A Jupyter client and what it heard."""

    def __init__(self, client: AsyncKernelClient) -> None:
        self.client = client
        self.heard: list[dict[str, Any]] = []

    async def reply(self, msg_id: str, channel: str = "shell") -> dict[str, Any]:
        async with asyncio.timeout(DEADLINE):
            while True:
                message = await getattr(self.client, f"get_{channel}_msg")()
                if message["parent_header"].get("msg_id") == msg_id:
                    return message

    async def until(self, msg_type: str, msg_id: str = "", **content: Any) -> dict[str, Any]:
        """Hear iopub up to a message."""
        async with asyncio.timeout(DEADLINE):
            while True:
                message = await self.client.get_iopub_msg()
                self.heard.append(message)
                fits = message["msg_type"] == msg_type and content.items() <= message["content"].items()
                if fits and (not msg_id or message["parent_header"].get("msg_id") == msg_id):
                    return message

    async def run(self, code: str, **options: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The reply, and what was published of the run."""
        msg_id = self.client.execute(code, **options)
        reply = await self.reply(msg_id)
        await self.until("status", msg_id, execution_state="idle")
        return reply["content"], self.of(msg_id)

    def of(self, msg_id: str) -> list[dict[str, Any]]:
        return [message for message in self.heard if message["parent_header"].get("msg_id") == msg_id]

    def send(
        self,
        msg_type: str,
        content: dict[str, Any],
        buffers: list[bytes] | None = None,
        subshell: str | None = None,
    ) -> str:
        message = self.client.session.msg(msg_type, content)
        if subshell is not None:
            message["header"]["subshell_id"] = subshell
        sent = self.client.session.send(self.client.shell_channel.socket, message, buffers=buffers)
        return str(sent["header"]["msg_id"])


def told(messages: list[dict[str, Any]]) -> list[str]:
    return [message["content"].get("execution_state") or message["msg_type"] for message in messages]


@contextlib.asynccontextmanager
async def connected(connection: ConnectionFile) -> AsyncIterator[Kernel]:
    client = AsyncKernelClient()
    info = {name: getattr(connection, name) for name in connection.__struct_fields__}
    client.load_connection_info(info | {"key": connection.key.encode()})
    client.start_channels(hb=False)
    try:
        kernel = Kernel(client)
        await kernel.until("iopub_welcome")
        yield kernel
    finally:
        client.stop_channels()


class Served:
    """A session of a service in this process, with a front for Jupyter."""

    def __init__(self, client: KernelClient, uid: SessionUID, front: JupyterFront) -> None:
        self.client, self.uid, self.front = client, uid, front


@pytest_asyncio.fixture(loop_scope="module")
async def served(forked_executor: Executor) -> AsyncIterator[Served]:
    async with _served(forked_executor, owner=False) as served:
        yield served


@contextlib.asynccontextmanager
async def _served(executor: Executor, *, owner: bool) -> AsyncIterator[Served]:
    service = Service(executor)  # opened by its fixture, and not closed with us
    async with KernelClient(InProcessTransport(service)) as client:
        uid = await client.create_session()
        file = ConnectionFile(key="a secret of the test")
        async with JupyterFront(client, uid, file, owner=owner) as front:
            yield Served(client, uid, front)
        with contextlib.suppress(Exception):
            await client.close_session(uid)


@pytest_asyncio.fixture(loop_scope="module")
async def kernel(served: Served) -> AsyncIterator[Kernel]:
    async with connected(served.front.connection) as kernel:
        yield kernel


class OtherKernels(ScriptedExecutor):
    """Makes sessions of another kernel."""

    kernels = ("other",)
    description = Description(implementation="other", language_info={"name": "R"}, banner="hello")


@pytest.mark.asyncio(loop_scope="module")
async def test_a_session_of_another_kernel_names_its_language_and_announces_no_subshells():
    async with (
        Service(ScriptedExecutor(), foreign=OtherKernels()) as service,
        KernelClient(InProcessTransport(service)) as client,
    ):
        uid = await client.create_session("", Setting(kernel="other"))
        async with (
            JupyterFront(client, uid, ConnectionFile(key="a secret of the test"), owner=False) as front,
            connected(front.connection) as kernel,
        ):
            reply = await kernel.reply(kernel.client.kernel_info())
            assert reply["content"]["supported_features"] == ["iopub_welcome"]
            assert not reply["content"]["debugger"]
            assert reply["content"]["language_info"] == {"name": "R"}
            assert (reply["content"]["implementation"], reply["content"]["banner"]) == ("other", "hello")


@pytest.mark.asyncio(loop_scope="module")
class TestFront:
    async def test_a_run_is_wrapped_in_busy_and_idle(self, kernel):
        reply, published = await kernel.run("print('hello'); 6 * 7", user_expressions={"two": "1 + 1"})
        assert told(published) == ["busy", "execute_input", "stream", "execute_result", "idle"]
        assert (reply["status"], reply["execution_count"]) == ("ok", 1)
        assert reply["user_expressions"]["two"]["data"] == {"text/plain": "2"}

    @pytest.mark.parametrize(
        ("method", "arguments"),
        [
            ("kernel_info", ()),
            ("complete", ("prin", 4)),
            ("inspect", ("print", 5)),
            ("is_complete", ("1",)),
            ("comm_info", ()),
            ("history", ()),
        ],
    )
    async def test_every_other_request_is_wrapped_too(self, kernel, method, arguments):
        msg_id = getattr(kernel.client, method)(*arguments)
        reply = await kernel.reply(msg_id)
        assert reply["msg_type"] == f"{method}_reply"
        if method != "is_complete":
            assert reply["content"]["status"] == "ok"
        await kernel.until("status", msg_id, execution_state="idle")
        assert told(kernel.of(msg_id)) == ["busy", "idle"]

    async def test_a_busy_kernel_tells_what_it_is_on_control_and_stays_busy(self, kernel):
        running = kernel.client.execute("input('go on? ')")
        await kernel.until("execute_input", running)
        asked = kernel.client.session.msg("kernel_info_request", {})
        kernel.client.control_channel.send(asked)
        reply = await kernel.reply(asked["header"]["msg_id"], "control")
        assert reply["content"]["supported_features"] == ["iopub_welcome", "kernel subshells", "debugger"]
        assert reply["content"]["debugger"]
        await kernel.until("status", asked["header"]["msg_id"], execution_state="idle")
        assert (await kernel.until("status"))["content"] == {"execution_state": "busy"}
        await kernel.client.get_stdin_msg(timeout=DEADLINE)
        kernel.client.input("yes")
        assert (await kernel.reply(running))["content"]["status"] == "ok"

    async def test_completion_and_inspection_do_not_wait_for_a_cell(self, kernel, monkeypatch):
        monkeypatch.setattr(front_module, "ASIDE_SECONDS", 0.0)
        running = kernel.client.execute("apples = 3; input('go on? ')")
        await kernel.client.get_stdin_msg(timeout=DEADLINE)
        await kernel.until("execute_input", running)
        completed = await kernel.reply(kernel.client.complete("appl", 4))
        assert completed["content"]["matches"] == ["apples"]
        inspected = await kernel.reply(kernel.client.inspect("apples", 6))
        assert "int" in inspected["content"]["data"]["text/plain"]
        assert await self.ordered(kernel, "list_subshell_request") == {"status": "ok", "subshell_id": []}
        kernel.client.input("yes")
        assert (await kernel.reply(running))["content"]["status"] == "ok"

    async def test_what_is_asked_at_once_after_a_run_is_answered_after_it(self, kernel):
        kernel.client.execute("import time; time.sleep(0.05); pears = 3")
        completed = await kernel.reply(kernel.client.complete("pear", 4))
        assert completed["content"]["matches"] == ["pears"]

    async def test_usage_is_told_on_control_while_code_runs(self, kernel, served):
        running = kernel.client.execute("input('go on? ')")
        await kernel.client.get_stdin_msg(timeout=DEADLINE)
        asked = kernel.client.session.msg("usage_request", {})
        kernel.client.control_channel.send(asked)
        reply = await kernel.reply(asked["header"]["msg_id"], "control")
        assert reply["msg_type"] == "usage_reply"
        content = reply["content"]
        assert content["pid"] == (await served.client.session_info(served.uid)).pid
        assert content["kernel_memory"] > 1_000_000
        assert content["cpu_count"] == os.cpu_count()
        assert content["host_virtual_memory"]["total"] > content["kernel_memory"]
        assert {"hostname", "kernel_cpu"} <= content.keys()
        kernel.client.input("yes")
        assert (await kernel.reply(running))["content"]["status"] == "ok"

    async def test_payloads_ask_the_client_for_a_page_and_a_next_input(self, kernel, tmp_path):
        (tmp_path / "loaded.py").write_text("y = 2\n")
        await kernel.run("x = 1")
        pages = (await kernel.run("len?"))[0]["payload"]
        assert [page["source"] for page in pages] == ["page"]
        assert "Return the number of items" in pages[0]["data"]["text/plain"]
        (loaded,) = (await kernel.run(f"%load {tmp_path / 'loaded.py'}"))[0]["payload"]
        assert (loaded["source"], loaded["replace"]) == ("set_next_input", True)
        assert loaded["text"].endswith("y = 2\n")
        (recalled,) = (await kernel.run("%recall 1"))[0]["payload"]
        assert (recalled["source"], recalled["text"].strip()) == ("set_next_input", "x = 1")

    async def test_completions_come_with_their_types(self, kernel):
        await kernel.run("def some_function(): pass\nsome_number = 1")
        await kernel.run("get_ipython().Completer.jedi_compute_type_timeout = 20_000")  # on a busy machine
        reply = await kernel.reply(kernel.client.complete("some_", 5))
        types = {t["text"]: t["type"] for t in reply["content"]["metadata"]["_jupyter_types_experimental"]}
        assert types == {"some_function": "function", "some_number": "instance"}
        assert set(reply["content"]["matches"]) == types.keys()

    async def test_a_display_is_updated_and_cleared_with_its_words(self, kernel):
        _, published = await kernel.run(
            "from IPython.display import clear_output\n"
            "handle = display('one', display_id='d')\nhandle.update('two')\nclear_output(wait=True)"
        )
        heard = [(m["msg_type"], m["content"]) for m in published[2:-1]]
        assert [kind for kind, _ in heard] == ["display_data", "update_display_data", "clear_output"]
        assert all(content["transient"] == {"display_id": "d"} for _, content in heard[:2])
        assert heard[1][1]["data"] == {"text/plain": "'two'"}
        assert heard[2][1] == {"wait": True}

    async def test_a_silent_run_shows_no_input_or_result_and_takes_no_number(self, kernel):
        reply, published = await kernel.run("41 + 1", silent=True, user_expressions={"v": "6 * 7"})
        assert told(published) == ["busy", "idle"]
        assert reply["user_expressions"]["v"]["data"]["text/plain"] == "42"
        reply, published = await kernel.run("print(1)", store_history=False)
        assert told(published) == ["busy", "execute_input", "stream", "idle"]
        assert (await kernel.run("1"))[0]["execution_count"] == 1
        history = await kernel.reply(kernel.client.history(hist_access_type="tail", n=9))
        assert [line[2] for line in history["content"]["history"]] == ["1"]

    async def test_history_is_told_by_tail_range_and_search(self, kernel):
        for code in ("a = 1", "b = a + 1", "b"):
            await kernel.run(code)

        async def lines(**asked):
            return (await kernel.reply(kernel.client.history(**asked)))["content"]["history"]

        tail = await lines(hist_access_type="tail", n=2)
        assert [line[1:] for line in tail] == [[2, "b = a + 1"], [3, "b"]]
        ranged = await lines(hist_access_type="range", session=0, start=1, stop=3)
        assert [line[1:] for line in ranged] == [[1, "a = 1"], [2, "b = a + 1"]]
        found = await lines(hist_access_type="search", pattern="?*= *1", n=9)
        assert [line[2] for line in found] == ["a = 1", "b = a + 1"]
        shown = await lines(hist_access_type="tail", n=1, output=True)
        assert shown[0][1:] == [3, ["b", "2"]]

    async def test_a_failing_user_expression_is_an_error_of_its_own(self, kernel):
        reply, published = await kernel.run("c = 1", user_expressions={"good": "c", "bad": "c / 0"})
        assert reply["status"] == "ok"
        assert reply["user_expressions"]["good"]["data"] == {"text/plain": "1"}
        bad = reply["user_expressions"]["bad"]
        assert (bad["status"], bad["ename"]) == ("error", "ZeroDivisionError")
        assert "error" not in told(published)

    async def test_comm_info_tells_open_comms_by_target(self, kernel):
        opened = "import comm; one = comm.create_comm(target_name='{0}', comm_id='{0}-id')"
        for target in ("t1", "t2"):
            await kernel.run(opened.format(target))
        everything = (await kernel.reply(kernel.client.comm_info()))["content"]["comms"]
        assert everything == {"t1-id": {"target_name": "t1"}, "t2-id": {"target_name": "t2"}}
        some = (await kernel.reply(kernel.client.comm_info("t2")))["content"]["comms"]
        assert list(some) == ["t2-id"]

    async def test_a_debug_request_is_answered_on_control_in_the_words_of_dap(self, kernel):
        asked = {"type": "request", "seq": 7, "command": "debugInfo", "arguments": {}}
        reply = await self.ordered(kernel, "debug_request", **asked)
        assert (reply["type"], reply["command"], reply["request_seq"]) == ("response", "debugInfo", 7)
        assert reply["success"]
        assert {"isStarted", "hashMethod", "hashSeed", "tmpFilePrefix", "breakpoints"} <= reply["body"].keys()

    async def test_a_prompt_goes_to_who_asked_and_the_answer_to_the_code(self, kernel, served):
        async with connected(served.front.connection) as other:
            msg_id = kernel.client.execute("print(input('name? '))")
            prompt = await kernel.client.get_stdin_msg(timeout=DEADLINE)
            assert prompt["content"] == {"prompt": "name? ", "password": False}
            assert prompt["parent_header"]["msg_id"] == msg_id
            assert not await other.client.stdin_channel.msg_ready()
            kernel.client.input("ada")
            assert (await other.until("stream", msg_id))["content"]["text"] == "ada\n"

    async def test_a_run_without_stdin_gets_an_error(self, kernel):
        reply, _ = await kernel.run("input()", allow_stdin=False)
        assert reply["ename"] == "StdinNotImplementedError"

    async def test_runs_behind_a_failed_one_are_aborted_and_wrapped(self, kernel):
        first, second = (kernel.client.execute(code) for code in ("input(); 1 / 0", "2"))
        await kernel.client.get_stdin_msg(timeout=DEADLINE)
        kernel.client.input("")
        assert (await kernel.reply(first))["content"]["ename"] == "ZeroDivisionError"
        assert (await kernel.reply(second))["content"]["status"] == "aborted"
        await kernel.until("status", second, execution_state="idle")
        assert told(kernel.of(second)) == ["busy", "idle"]

    async def ordered(self, kernel, msg_type, subshell=None, **content):
        """The reply to a request on control."""
        asked = kernel.client.session.msg(msg_type, content)
        if subshell is not None:
            asked["header"]["subshell_id"] = subshell
        kernel.client.control_channel.send(asked)
        return (await kernel.reply(asked["header"]["msg_id"], "control"))["content"]

    async def test_a_subshell_runs_beside_the_main_line(self, kernel):
        created = await self.ordered(kernel, "create_subshell_request")
        sub = created["subshell_id"]
        assert created == {"status": "ok", "subshell_id": sub}
        listed = await self.ordered(kernel, "list_subshell_request")
        assert listed == {"status": "ok", "subshell_id": [sub]}

        main = kernel.client.execute(
            "import threading; go = threading.Event()\nprint('a'); go.wait(); print('b')"
        )
        await kernel.until("stream", main)
        beside = kernel.send("execute_request", {"code": "print('beside'); n = 6 * 7\nn"}, subshell=sub)
        assert (await kernel.reply(beside))["content"]["execution_count"] == 2
        await kernel.until("status", beside, execution_state="idle")
        assert (await kernel.until("status"))["parent_header"]["msg_id"] == main  # busy still
        asked = kernel.send("complete_request", {"code": "threa", "cursor_pos": 5}, subshell=sub)
        assert "threading" in (await kernel.reply(asked))["content"]["matches"]

        kernel.send("execute_request", {"code": "go.set()"}, subshell=sub)
        assert (await kernel.reply(main))["content"]["status"] == "ok"
        await kernel.until("status", main, execution_state="idle")
        texts = {
            of: [m["content"]["text"] for m in kernel.of(of) if m["msg_type"] == "stream"]
            for of in (main, beside)
        }
        assert texts == {main: ["a\n", "b\n"], beside: ["beside\n"]}
        assert [m["content"]["data"] for m in kernel.of(beside) if m["msg_type"] == "execute_result"] == [
            {"text/plain": "42"}
        ]
        assert await self.ordered(kernel, "delete_subshell_request", subshell_id=sub) == {"status": "ok"}
        assert (await self.ordered(kernel, "list_subshell_request"))["subshell_id"] == []

    async def test_an_unknown_subshell_is_an_error_wrapped_in_busy_and_idle(self, kernel):
        for msg_type, content in (
            ("execute_request", {"code": "1"}),
            ("complete_request", {"code": "", "cursor_pos": 0}),
        ):
            msg_id = kernel.send(msg_type, content, subshell="none")
            assert (await kernel.reply(msg_id))["content"]["ename"] == "UnknownSubshell"
            await kernel.until("status", msg_id, execution_state="idle")
            assert told(kernel.of(msg_id)) == ["busy", "idle"]
        deleted = await self.ordered(kernel, "delete_subshell_request", subshell_id="none")
        assert (deleted["status"], deleted["ename"]) == ("error", "UnknownSubshell")

    async def test_prompts_of_both_lines_are_answered_by_their_parent(self, kernel):
        sub = (await self.ordered(kernel, "create_subshell_request"))["subshell_id"]
        code = {"code": "print(input('? '))", "allow_stdin": True}
        prompts = {}
        for name, where in (("main", None), ("beside", sub)):
            msg_id = kernel.send("execute_request", code, subshell=where)
            prompts[name] = msg_id, await kernel.client.get_stdin_msg(timeout=DEADLINE)
        for name, (msg_id, prompt) in prompts.items():
            assert prompt["parent_header"]["msg_id"] == msg_id
            answer = kernel.client.session.msg("input_reply", {"value": name}, parent=prompt)
            kernel.client.stdin_channel.send(answer)
            assert (await kernel.until("stream", msg_id))["content"]["text"] == f"{name}\n"

    async def test_an_interrupt_with_a_subshell_stops_that_one(self, kernel):
        sub = (await self.ordered(kernel, "create_subshell_request"))["subshell_id"]
        main = kernel.client.execute("input('go on? ')")
        await kernel.client.get_stdin_msg(timeout=DEADLINE)
        beside = kernel.send("execute_request", {"code": "print('on')\nwhile True: pass"}, subshell=sub)
        await kernel.until("stream", beside)
        assert (await self.ordered(kernel, "interrupt_request", subshell=sub))["status"] == "ok"
        assert (await kernel.reply(beside))["content"]["ename"] == "KeyboardInterrupt"
        kernel.client.input("yes")
        assert (await kernel.reply(main))["content"]["status"] == "ok"

    async def test_an_interrupt_stops_the_run(self, kernel):
        msg_id = kernel.client.execute("print('on'); import time; time.sleep(60)")
        await kernel.until("stream", msg_id)
        asked = kernel.client.session.msg("interrupt_request", {})
        kernel.client.control_channel.send(asked)
        assert (await kernel.reply(asked["header"]["msg_id"], "control"))["content"] == {"status": "ok"}
        assert (await kernel.reply(msg_id))["content"]["ename"] == "KeyboardInterrupt"

    async def test_a_malformed_request_is_answered_by_an_error_that_names_the_field(self, kernel):
        msg_id = kernel.send("execute_request", {"code": 1})
        content = (await kernel.reply(msg_id))["content"]
        assert (content["status"], content["ename"]) == ("error", "MalformedMessage")
        assert "code" in content["evalue"]
        await kernel.until("status", msg_id, execution_state="idle")

    async def test_unknown_messages_and_wrong_signatures_are_ignored(self, kernel):
        kernel.send("debug_request", {})
        forged = kernel.client.session.clone()
        forged.key = b"another"
        forged.send(kernel.client.shell_channel.socket, forged.msg("execute_request", {"code": "1"}))
        reply, _ = await kernel.run("2")
        assert reply["execution_count"] == 1

    async def test_comms_carry_buffers_both_ways(self, kernel):
        await kernel.run(
            "import comm\n"
            "def opened(new, message):\n"
            "    new.on_msg(lambda m: new.send({'got': m['content']['data']}, buffers=m['buffers'][::-1]))\n"
            "    new.send({'hello': 1})\n"
            "comm.get_comm_manager().register_target('t', opened)"
        )
        opening = kernel.send("comm_open", {"comm_id": "c1", "target_name": "t", "data": {}})
        assert (await kernel.until("comm_msg", opening))["content"]["data"] == {"hello": 1}
        sending = kernel.send("comm_msg", {"comm_id": "c1", "data": {"x": 1}}, [b"\x00", b"\xff" * 1000])
        await kernel.until("status", sending, execution_state="idle")
        assert told(kernel.of(sending)) == ["busy", "comm_msg", "idle"]
        answer = kernel.of(sending)[1]
        assert answer["content"] == {"comm_id": "c1", "data": {"got": {"x": 1}}}
        assert [bytes(buffer) for buffer in answer["buffers"]] == [b"\xff" * 1000, b"\x00"]
        info = await kernel.reply(kernel.client.comm_info("t"))
        assert info["content"]["comms"] == {"c1": {"target_name": "t"}}

    async def test_a_widget_is_moved_from_the_page(self, kernel):
        _, published = await kernel.run(
            "import ipywidgets\n"
            "slider = ipywidgets.IntSlider(value=3)\n"
            "out = ipywidgets.Output()\n"
            "def moved(change):\n"
            "    with out: print('moved to', change['new'])\n"
            "slider.observe(moved, 'value')\n"
            "display(slider)"
        )
        models = [m for m in published if m["msg_type"] == "comm_open"]
        (model,) = [m for m in models if m["content"]["data"]["state"].get("_model_name") == "IntSliderModel"]
        (view,) = [m for m in published if m["msg_type"] == "display_data"]
        shown = view["content"]["data"]["application/vnd.jupyter.widget-view+json"]
        assert shown["model_id"] == model["content"]["comm_id"]
        data = {"method": "update", "state": {"value": 7}, "buffer_paths": []}
        moving = kernel.send("comm_msg", {"comm_id": model["content"]["comm_id"], "data": data})
        await kernel.until("status", moving, execution_state="idle")
        heard = [(message["msg_type"], message["content"]) for message in kernel.of(moving)]
        assert [content["text"] for kind, content in heard if kind == "stream"] == ["moved to 7\n"]
        # The Output widget takes what is printed under the request that it was told of.
        states = [content["data"].get("state") for kind, content in heard if kind == "comm_msg"]
        assert {"msg_id": moving} in states
        reply, _ = await kernel.run("", user_expressions={"v": "slider.value"})
        assert reply["user_expressions"]["v"]["data"]["text/plain"] == "7"

    async def test_what_other_clients_run_is_heard_and_keeps_the_kernel_busy(self, kernel, served):
        running = asyncio.create_task(served.client.execute(served.uid, "input('x')", username="ada"))
        theirs = await kernel.until("execute_input")
        assert theirs["parent_header"]["username"] == "ada"
        asked = kernel.client.kernel_info()
        await kernel.until("status", asked, execution_state="idle")
        again = await kernel.until("status")
        assert again["content"] == {"execution_state": "busy"}
        assert again["parent_header"]["msg_id"] == theirs["parent_header"]["msg_id"]
        await served.client.interrupt(served.uid)
        assert (await running).ename == "KeyboardInterrupt"

    async def test_a_restart_of_a_shared_session_is_done_in_place(self, kernel, served):
        await kernel.run("x = 1")
        asked = kernel.client.session.msg("shutdown_request", {"restart": True})
        kernel.client.control_channel.send(asked)
        reply = await kernel.reply(asked["header"]["msg_id"], "control")
        assert reply["content"] == {"status": "ok", "restart": True}
        assert (await kernel.run("x"))[0]["ename"] == "NameError"

    async def test_a_shutdown_closes_the_session_and_ends_the_front(self, kernel, served):
        asked = kernel.client.session.msg("shutdown_request", {"restart": False})
        kernel.client.control_channel.send(asked)
        await kernel.until("shutdown_reply")
        async with asyncio.timeout(DEADLINE):
            assert await served.front.ended() in ("shutdown", "closed")
        publications = (await served.client.feed_since(served.uid, 0)).publications
        assert publications[-1].content == Status(
            execution_state="closed", reason="closed by " + kernel.client.session.username
        )

    async def test_the_death_of_the_worker_is_told_with_its_reason_and_ends_a_kernel(self, forked_executor):
        async with (
            _served(forked_executor, owner=True) as served,
            connected(served.front.connection) as kernel,
        ):
            reply, published = await kernel.run("import os; os._exit(3)")
            assert reply["ename"] == "SessionDead"
            assert told(published) == ["busy", "execute_input", "error", "idle"]
            assert "3" in published[2]["content"]["evalue"]
            async with asyncio.timeout(DEADLINE):
                assert await served.front.ended() == "dead"


# --- The process ------------------------------------------------------------------------------


@pytest_asyncio.fixture
async def manager() -> AsyncIterator[AsyncKernelManager]:
    manager = AsyncKernelManager(kernel_name="antiphon")
    await manager.start_kernel()
    yield manager
    await manager.shutdown_kernel(now=True)


@contextlib.asynccontextmanager
async def client_of(manager: AsyncKernelManager) -> AsyncIterator[Kernel]:
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=DEADLINE)
        yield Kernel(client)
    finally:
        client.stop_channels()


@pytest.mark.slow
async def test_a_restart_gives_a_fresh_kernel(manager: AsyncKernelManager) -> None:
    async with client_of(manager) as kernel:
        await kernel.run("x = 1")
        await manager.restart_kernel()
        await kernel.client.wait_for_ready(timeout=DEADLINE)
        assert (await kernel.run("x"))[0]["ename"] == "NameError"


@pytest.mark.slow
async def test_sigint_interrupts_the_code_and_not_the_kernel(manager: AsyncKernelManager) -> None:
    async with client_of(manager) as kernel:
        msg_id = kernel.client.execute("print('on'); import time; time.sleep(60)")
        await kernel.until("stream", msg_id)
        await manager.signal_kernel(signal.SIGINT)
        assert (await kernel.reply(msg_id))["content"]["ename"] == "KeyboardInterrupt"
        assert (await kernel.run("1"))[0]["status"] == "ok"


@pytest.mark.slow
async def test_exit_ends_the_kernel_and_tells_a_console_to_end(manager: AsyncKernelManager) -> None:
    async with client_of(manager) as kernel:
        msg_id = kernel.client.execute("exit()")
        payload = (await kernel.reply(msg_id))["content"]["payload"]
        assert payload == [{"source": "ask_exit", "keepkernel": False}]
        async with asyncio.timeout(DEADLINE):
            assert await manager.provisioner.wait() == 0


@pytest.mark.slow
async def test_a_shutdown_ends_every_process(manager: AsyncKernelManager) -> None:
    async with client_of(manager) as kernel:
        _, published = await kernel.run("import os; print(os.getpid())")
        pid = int(next(m["content"]["text"] for m in published if m["msg_type"] == "stream"))
        await manager.shutdown_kernel()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


GATE = "import os, time\nwhile not os.path.exists({!r}): time.sleep(0.01)\n"
"""Waits until the others are in the kernel's queue."""

STOPS = {
    "the others are dropped": (
        [("{gate}1 / 0", {}), ("1", {}), ("2", {})],
        ["error", "aborted", "aborted"],
    ),
    "not if it was asked to go on": (
        [("{gate}1 / 0", {"stop_on_error": False}), ("1", {}), ("1 / 0", {}), ("2", {})],
        ["error", "ok", "error", "aborted"],
    ),
    "not by a silent one": (
        [("{gate}1 / 0", {"silent": True}), ("1", {})],
        ["error", "ok"],
    ),
    "a silent one is dropped too": (
        [("{gate}1 / 0", {}), ("1", {"silent": True}), ("2", {"stop_on_error": False})],
        ["error", "aborted", "aborted"],
    ),
    "a syntax error is one": (
        [("{gate}", {}), ("1 +", {}), ("2", {})],
        ["ok", "error", "aborted"],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["antiphon", "python3"])
async def test_stop_on_error_is_that_of_ipykernel(name: str, tmp_path: Path) -> None:
    """``python3`` is ipykernel itself."""
    manager = AsyncKernelManager(kernel_name=name)
    await manager.start_kernel()
    try:
        async with client_of(manager) as kernel:
            for number, (runs, statuses) in enumerate(STOPS.values()):
                gate = tmp_path / str(number)
                ids = [
                    kernel.client.execute(code.format(gate=GATE.format(str(gate))), **options)
                    for code, options in runs
                ]
                control = kernel.client.session.msg("kernel_info_request")
                kernel.client.control_channel.send(control)
                await kernel.reply(control["header"]["msg_id"], "control")
                gate.touch()
                replies = [await kernel.reply(msg_id) for msg_id in ids]
                assert [reply["content"]["status"] for reply in replies] == statuses, list(STOPS)[number]
                await kernel.reply(kernel.client.kernel_info())  # ipykernel drops what comes at once, too
    finally:
        await manager.shutdown_kernel(now=True)


# --- A session of a daemon --------------------------------------------------------------------


@pytest_asyncio.fixture(loop_scope="module")
async def daemon(forked_executor: Executor, tmp_path: Path) -> AsyncIterator[tuple[Path, KernelClient]]:
    """A kernel on ZeroMQ: its connection file, and a client of it."""
    service = Service(forked_executor)
    key = new_key()
    server = ZeroMQServer(service, key=key.encode(), requests="tcp://127.0.0.1:*", feed="tcp://127.0.0.1:*")
    server.open()
    private_directory(tmp_path)
    path = tmp_path / "kernel.json"
    connection = Connection(
        transport="tcp", key=key, requests=server.requests, feed=server.feed, pid=os.getpid()
    )
    write_connection(path, connection)
    async with KernelClient(ZeroMQTransport.to(connection)) as client:
        yield path, client
        for session in await client.list_sessions():
            await client.close_session(SessionUID(session.uid))
    server.close()


async def connect(kernel: Path, uid: str, file: Path) -> asyncio.subprocess.Process:
    words = [
        "-P",
        "-m",
        "antiphon_kernel.jupyter",
        "connect",
        "--kernel",
        str(kernel),
        "--file",
        str(file),
        uid,
    ]
    return await asyncio.create_subprocess_exec(
        sys.executable, *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
async def test_a_session_of_a_daemon_is_opened_to_jupyter(
    daemon: tuple[Path, KernelClient], tmp_path: Path
) -> None:
    path, client = daemon
    uid = await client.create_session("demo")
    await client.execute(uid, "x = 41")
    file = tmp_path / "jupyter.json"
    process = await connect(path, uid, file)
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE):
        line = (await process.stdout.readline()).decode()
    assert str(file) in line
    assert file.stat().st_mode & 0o777 == 0o600
    async with connected(msgspec.json.decode(file.read_bytes(), type=ConnectionFile)) as kernel:
        _, published = await kernel.run("x + 1")
        assert [m["content"]["data"] for m in published if m["msg_type"] == "execute_result"] == [
            {"text/plain": "42"}
        ]
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(DEADLINE):
        assert await process.wait() == 0
    assert not file.exists()
    assert (await client.session_info(uid)).execution_state == "idle"


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
async def test_a_session_that_is_not_there_is_refused_in_one_sentence(
    daemon: tuple[Path, KernelClient], tmp_path: Path
) -> None:
    process = await connect(daemon[0], "nothing", tmp_path / "jupyter.json")
    async with asyncio.timeout(DEADLINE):
        out, complaint = await process.communicate()
    assert (process.returncode, out) == (1, b"")
    assert complaint == b"antiphon: no session has this UID\n"
