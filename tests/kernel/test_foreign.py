"""Sessions that are other kernels: IPython's own, and bash. The same requests, the same feed."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from antiphon_kernel.client import KernelClient
from antiphon_kernel.errors import SessionDead, UnknownKernel
from antiphon_kernel.executors.foreign import ForeignExecutor, reply_of
from antiphon_kernel.executors.scripted import ScriptedExecutor
from antiphon_kernel.jupyter import kernelspec
from antiphon_kernel.message import (
    CommInfoRequest,
    CommMsg,
    CommOpen,
    Content,
    Error,
    ErrorReply,
    ExecuteReply,
    HistoryRequest,
    InputRequest,
    Message,
    SessionUID,
    Setting,
    Status,
    Stream,
)
from antiphon_kernel.service import Service
from antiphon_kernel.transports.inprocess import InProcessTransport
from tests.deadline import DEADLINE

KERNELS = {"ipython-test": ("ipykernel_launcher", "python"), "bash-test": ("bash_kernel", "bash")}


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    home = tmp_path_factory.mktemp("jupyter")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR"):
            patch.setenv(name, str(home / name.lower()))
        for name, (module, language) in KERNELS.items():
            directory = kernelspec.user_data_directory() / "kernels" / name
            directory.mkdir(parents=True)
            argv = [sys.executable, "-m", module, "-f", "{connection_file}"]
            spec = {"argv": argv, "display_name": name, "language": language}
            (directory / "kernel.json").write_text(json.dumps(spec))
        kernelspec.install()
        yield


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def kernel() -> AsyncIterator[KernelClient]:
    async with (
        Service(ScriptedExecutor(), foreign=ForeignExecutor()) as service,
        KernelClient(InProcessTransport(service), username="ada") as client,
    ):
        yield client


class Session:
    """A session and what was published in it."""

    def __init__(self, client: KernelClient, uid: SessionUID) -> None:
        self.client, self.uid = client, uid

    async def run(self, code: str, **options) -> ExecuteReply:
        return await self.client.execute(self.uid, code, timeout=DEADLINE, **options)

    async def feed(self) -> list[Message]:
        return (await self.client.feed_since(self.uid, 0)).publications

    async def contents(self, kind: type[Content]) -> list[Content]:
        return [message.content for message in await self.feed() if isinstance(message.content, kind)]

    async def until(self, fits: Callable[[Content], bool]) -> Message:
        async with asyncio.timeout(DEADLINE):
            async for batch in self.client.follow(self.uid, 0):
                for message in batch.publications:
                    if fits(message.content):
                        return message
        raise AssertionError("the feed ended")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def python(kernel: KernelClient) -> Session:
    """One session for the tests that leave it in order."""
    return Session(kernel, await kernel.create_session("other", Setting(kernel="ipython-test")))


async def new(kernel: KernelClient, name: str, **setting) -> Session:
    return Session(kernel, await kernel.create_session("new", Setting(kernel=name, **setting)))


module_loop = pytest.mark.asyncio(loop_scope="module")


@module_loop
async def test_the_kernel_tells_which_others_there_are(kernel: KernelClient) -> None:
    kernels = (await kernel.kernel_info()).kernels
    assert set(KERNELS) <= set(kernels)
    assert "antiphon" not in kernels
    with pytest.raises(UnknownKernel, match=r"bash-test, .*ipython-test"):
        await kernel.create_session("", Setting(kernel="fortran"))


async def test_without_jupyters_library_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jupyter_client", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    executor = ForeignExecutor()
    await executor.open()
    assert executor.kernels == ()


def test_a_reply_of_another_kernel_in_our_words() -> None:
    assert reply_of("execute_reply", {"status": "aborted"}).ename == "RequestCancelled"
    assert reply_of("execute_reply", {"status": "ok", "execution_count": None}) == ExecuteReply(status="ok")
    failed = reply_of("inspect_reply", {"status": "error", "ename": "E", "evalue": "v"})
    assert failed == ErrorReply(ename="E", evalue="v")


@pytest.mark.slow
@module_loop
class TestPython:
    async def test_outputs_come_in_order_before_the_reply(self, python: Session) -> None:
        await python.run("pass")  # what is asked of a session that starts waits in its queue
        reply = await python.run("print('a'); 6 * 7", user_expressions={"x": "1 + 1"})
        assert (reply.status, reply.user_expressions["x"]["data"]["text/plain"]) == ("ok", "2")
        feed = await python.feed()
        mine = [m for m in feed if m.parent_header is not None and m.parent_header.username == "ada"]
        assert [m.header.msg_type for m in mine[-6:]] == [
            "status",
            "execute_input",
            "stream",
            "execute_result",
            "execute_reply",
            "status",
        ]
        assert [m.header.number for m in feed] == list(range(1, len(feed) + 1))

    async def test_an_error_is_an_error_and_drops_what_waits(self, python: Session) -> None:
        first, second = await asyncio.gather(python.run("1 / 0"), python.run("2"))
        assert (first.ename, second.ename) == ("ZeroDivisionError", "RequestCancelled")
        assert [error.ename for error in await python.contents(Error)] == ["ZeroDivisionError"]

    async def test_completion_inspection_and_history(self, python: Session) -> None:
        await python.run("some_name = 1")
        assert "some_name" in (await python.client.complete(python.uid, "some_n", 6)).matches
        assert (await python.client.inspect(python.uid, "len", 3)).found
        assert (await python.client.is_complete(python.uid, "for x in y:")).status == "incomplete"
        request = HistoryRequest(hist_access_type="tail", n=1)
        assert (await python.client.history(python.uid, request)).history[0][2] == "some_name = 1"

    async def test_a_prompt_is_answered_through_the_feed(self, python: Session) -> None:
        running = asyncio.create_task(python.run("print('hello', input('name? '))"))
        prompt = await python.until(lambda content: isinstance(content, InputRequest))
        await python.client.answer(python.uid, prompt.header.msg_id, "ada")
        assert (await running).status == "ok"
        assert "hello ada\n" in [stream.text for stream in await python.contents(Stream)]

    async def test_an_interrupt_stops_the_run(self, python: Session) -> None:
        running = asyncio.create_task(python.run("print('on'); import time; time.sleep(600)"))
        await python.until(lambda content: isinstance(content, Stream) and content.text.startswith("on"))
        await python.client.interrupt(python.uid)
        assert (await running).ename == "KeyboardInterrupt"

    async def test_comms_are_open_and_shut(self, python: Session) -> None:
        await python.run(
            "def opened(comm, message):\n"
            "    comm.on_msg(lambda m: comm.send({'got': m['content']['data']}, buffers=m['buffers']))\n"
            "get_ipython().kernel.comm_manager.register_target('t', opened)"
        )
        await python.client.submit(python.uid, CommOpen(comm_id="c", target_name="t"))
        await python.client.submit(python.uid, CommMsg(comm_id="c", data={"x": 1}), buffers=(b"\xff",))
        (echo,) = [m for m in await python.feed() if isinstance(m.content, CommMsg)]
        assert (echo.content.data, echo.buffers) == ({"got": {"x": 1}}, (b"\xff",))
        info = await python.client.submit(python.uid, CommInfoRequest(target_name="t"))
        assert list(info.comms) == ["c"]

    async def test_its_process_is_measured(self, python: Session) -> None:
        info = await python.client.session_info(python.uid)
        assert info.kernel == "ipython-test"
        assert info.pid > 0
        assert info.memory_bytes > 1_000_000


@pytest.mark.slow
@module_loop
async def test_another_language_in_its_directory(kernel: KernelClient, tmp_path: Path) -> None:
    bash = await new(kernel, "bash-test", directory=str(tmp_path), environment={"FRUIT": "pear"})
    assert (await bash.run("pwd; echo $FRUIT")).status == "ok"
    text = "".join(stream.text for stream in await bash.contents(Stream))
    assert text.split() == [str(tmp_path), "pear"]
    told = await kernel.kernel_info(bash.uid)
    assert (told.language_info["name"], told.implementation) == ("bash", "bash_kernel")
    await bash.client.close_session(bash.uid)


@pytest.mark.slow
@module_loop
async def test_death_is_told_and_a_restart_gives_a_fresh_one(kernel: KernelClient) -> None:
    session = await new(kernel, "ipython-test")
    reply = await session.run("x = 1; import os; os.kill(os.getpid(), 9)")
    assert reply.ename == "SessionDead"
    dead = await session.until(lambda c: isinstance(c, Status) and c.execution_state == "dead")
    assert "SIGKILL" in dead.content.reason
    with pytest.raises(SessionDead):
        await session.run("1")
    await kernel.restart_session(session.uid, timeout=DEADLINE)
    assert (await session.run("x")).ename == "NameError"
    await kernel.close_session(session.uid)


@pytest.mark.slow
@module_loop
async def test_one_that_cannot_start_says_why(kernel: KernelClient) -> None:
    directory = kernelspec.user_data_directory() / "kernels" / "ipython-test"
    broken = directory.with_name("broken")
    broken.mkdir()
    (broken / "kernel.json").write_text(
        json.dumps({"argv": ["/nowhere/kernel"], "display_name": "broken", "language": "x"})
    )
    executor = ForeignExecutor()
    async with (
        Service(ScriptedExecutor(), foreign=executor) as service,
        KernelClient(InProcessTransport(service)) as client,
    ):
        session = await new(client, "broken")
        dead = await session.until(lambda c: isinstance(c, Status) and c.execution_state == "dead")
        assert "/nowhere/kernel" in dead.content.reason
