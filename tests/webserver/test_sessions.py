"""Requests to the kernel: what is handed over, what is refused, and in which words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from antiphon_kernel import errors as kernel_errors
from antiphon_kernel.client import KernelClient
from antiphon_kernel.executors.forked import ForkedExecutor
from antiphon_kernel.message import SessionLimits
from antiphon_webserver import sessions as sessions_module
from antiphon_webserver.errors import (
    DeadlinePassed,
    InvalidParams,
    KernelUnavailable,
    LimitExceeded,
    NotFound,
    RpcError,
    SessionDead,
)
from antiphon_webserver.kernels import Daemon, Inside, connector
from antiphon_webserver.sessions import rpc_error
from antiphon_webserver.storage.database import Database
from tests.webserver.live import ADA, SECONDS, Kernel, Live, live


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first completion imports what completes."""
    monkeypatch.setattr(sessions_module, "CODE_SECONDS", SECONDS)


@pytest.fixture
async def server(memory: Database) -> AsyncIterator[Live]:
    async with Kernel().open() as kernel, live(memory, kernel) as server:
        yield server


async def test_complete_inspect_and_info(server: Live) -> None:
    uid = await server.open_session()
    await server.run(uid, "value = 41")
    assert "value" in (await server.sessions.complete(uid, "val", 3)).matches
    found = await server.sessions.inspect(uid, "value", 5, 0)
    assert found.found
    assert "41" in found.data["text/plain"]
    info = await server.sessions.info(uid)
    assert info is not None
    assert info.execution_state == "idle"
    assert server.sessions.kernel == "ready"


@pytest.mark.slow
async def test_completion_and_inspection_never_wait_behind_a_cell(memory: Database) -> None:
    async with (
        Kernel(lambda: ForkedExecutor(preload=(), spares=0)).open() as kernel,
        live(memory, kernel) as server,
    ):
        uid = await server.open_session()
        await server.run(uid, "import threading; spam_and_eggs = threading.Event()")
        run = await server.write_run(uid, "_ = spam_and_eggs.wait(60)")
        await server.sessions.execute(uid, run.code, run.msg_id, ADA)
        for _ in range(2):
            assert (await server.sessions.complete(uid, "spam_", 5)).matches == ("spam_and_eggs",)
            assert "Event" in (await server.sessions.inspect(uid, "spam_and_eggs", 5, 0)).data["text/plain"]
        info = await server.sessions.info(uid)
        assert info is not None
        assert (info.running, info.subshells) == (run.msg_id, {})
        await server.sessions.restart(uid)
        assert (await server.ended(run)).state == "died"
        await server.run(uid, "spam_again = 1")
        assert (await server.sessions.complete(uid, "spam_", 5)).matches == ("spam_again",)


@pytest.mark.slow
async def test_an_object_that_does_not_tell_its_names_holds_up_one_completion(
    memory: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions_module, "CODE_SECONDS", 0.5)
    async with (
        Kernel(lambda: ForkedExecutor(preload=(), spares=0)).open() as kernel,
        live(memory, kernel) as server,
    ):
        uid = await server.open_session()
        stuck = (
            "class Stuck:\n    def __dir__(self):\n        while stays: pass\nstuck, stays = Stuck(), True"
        )
        await server.run(uid, stuck)
        with pytest.raises(DeadlinePassed):
            await server.sessions.complete(uid, "stuck.", 6)
        monkeypatch.setattr(sessions_module, "CODE_SECONDS", SECONDS)
        assert "stays" in (await server.sessions.complete(uid, "sta", 3)).matches


async def test_completions_that_are_overtaken_find_nothing(server: Live) -> None:
    uid = await server.open_session()
    await server.run(uid, "value = 41")
    asked = [asyncio.ensure_future(server.sessions.complete(uid, "val", 3)) for _ in range(40)]
    found = [("value" in reply.matches) for reply in await asyncio.gather(*asked)]
    assert (found[0], found[-1], all(found)) == (True, True, False)


async def test_restart_goes_on_with_the_numbers(server: Live) -> None:
    uid = await server.open_session()
    await server.run(uid, "value = 41")
    before = (await server.stored(uid))[-1].number
    await server.sessions.restart(uid)
    assert (await server.run(uid, "value")).state == "error"
    numbers = [item.number for item in await server.stored(uid)]
    assert numbers == list(range(1, numbers[-1] + 1))
    assert numbers[-1] > before


async def test_repeated_msg_id_is_run_once(server: Live) -> None:
    uid = await server.open_session()
    run = await server.write_run(uid, "print('once')")
    for _ in range(2):
        await server.sessions.execute(uid, run.code, run.msg_id, ADA)
    await server.ended(run)
    await server.run(uid, "1")
    inputs = [item for item in await server.stored(uid) if item.msg_type == "execute_input"]
    assert [item.content["code"] for item in inputs] == ["print('once')", "1"]


async def test_the_feed_tells_that_the_kernel_has_a_run(
    server: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions_module, "TOLD_SECONDS", 2 * SECONDS)
    uid = await server.open_session()
    runs = [await server.write_run(uid, "import asyncio; await asyncio.Event().wait()") for _ in range(2)]
    async with asyncio.timeout(SECONDS):
        for run in runs:  # one is busy, one waits
            await server.sessions.execute(uid, run.code, run.msg_id, ADA)
    assert server.recorder.told == {}
    await server.sessions.cancel(uid, runs[1].msg_id, ADA)
    await server.sessions.interrupt(uid)
    assert (await server.ended(runs[0])).state == "interrupted"


async def test_the_kernel_is_asked_where_the_feed_tells_nothing(server: Live) -> None:
    uid = await server.open_session()
    await server.run(uid, "pass")
    await server.recorder.pause()
    await server.sessions.execute(uid, "pass", "unheard", ADA)
    assert server.recorder.told == {}


async def test_unknown_session_is_not_found(server: Live) -> None:
    nobody = "x" * 22
    assert await server.sessions.info(nobody) is None
    await server.sessions.close(nobody)
    with pytest.raises(NotFound):
        await server.sessions.execute(nobody, "1", "m", ADA)
    with pytest.raises(NotFound):
        await server.sessions.interrupt(nobody)


async def test_dead_session_refuses_at_once(server: Live) -> None:
    uid = await server.open_session()
    assert (await server.run(uid, "exit()")).state in ("ok", "died")
    async with asyncio.timeout(SECONDS):
        with server.relay.feed(uid).reader(0) as reader:
            dead = False
            while not dead:
                items = (await reader.next()).items
                dead = any(item.content.get("execution_state") == "dead" for item in items)
    with pytest.raises(SessionDead):
        await server.sessions.execute(uid, "1", "m", ADA)
    assert server.sessions.heard(uid) == "dead"


async def test_an_idle_session_is_culled_and_the_database_says_why(memory: Database) -> None:
    limits = SessionLimits(idle_seconds=1)
    async with Kernel(session_limits=limits).open() as kernel:
        async with live(memory, kernel) as server:
            uid = await server.open_session()
            with server.relay.feed(uid).reader(0) as reader:  # one that looks on
                async with asyncio.timeout(SECONDS):
                    states: list[str] = []
                    while "closed" not in states:
                        items = (await reader.next()).items
                        states = [item.content.get("execution_state", "") for item in items]
            with pytest.raises(NotFound):
                await server.sessions.execute(uid, "1", "m", ADA)
        session = await server.session(uid)  # what was heard is stored by now
        assert (session.state, session.reason[:8]) == ("closed", "idle for")


async def test_what_was_heard_holds_only_while_the_session_is_followed(server: Live) -> None:
    uid = await server.sessions.create("T")
    assert server.sessions.heard(uid) == ""
    await server.sessions.record(uid)
    with server.relay.feed(uid).reader(0) as reader:
        async with asyncio.timeout(SECONDS):
            while server.sessions.heard(uid) != "idle":
                await reader.next()
    await server.recorder.pause()
    assert server.sessions.heard(uid) == ""


async def test_nobody_asked_so_there_is_nothing_to_answer(server: Live) -> None:
    uid = await server.open_session()
    with pytest.raises(NotFound):
        await server.sessions.answer(uid, "p", "v", ADA)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (kernel_errors.SessionDead("signal 11"), SessionDead),
        (kernel_errors.SessionClosed("closed"), NotFound),
        (kernel_errors.DeadlinePassed("late"), DeadlinePassed),
        (kernel_errors.QueueFull("full"), LimitExceeded),
        (kernel_errors.TooManySessions("many"), LimitExceeded),
        (kernel_errors.MalformedMessage("bad", field="content.cursor_pos"), InvalidParams),
        (kernel_errors.ConnectionLost("gone"), KernelUnavailable),
        (kernel_errors.WorkerFailed("no memory"), KernelUnavailable),
    ],
)
def test_errors_of_the_kernel_in_the_words_of_json_rpc(
    error: kernel_errors.KernelError, expected: type[RpcError]
) -> None:
    assert type(rpc_error(error)) is expected


async def test_kernel_that_does_not_come_is_unavailable(
    memory: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions_module, "STARTING_SECONDS", 0.01)
    async with live(memory, Nowhere()) as server:
        assert server.sessions.kernel == "starting"
        with pytest.raises(KernelUnavailable, match="still starting"):
            await server.sessions.create("T")


async def test_a_kernel_that_is_not_installed_is_a_wrong_parameter(server: Live) -> None:
    with pytest.raises(InvalidParams, match="no kernel 'fortran' is installed") as refused:
        await server.sessions.create("T", "fortran")
    assert refused.value.data["field"] == "kernel"


class Nowhere(Kernel):
    """There is no kernel."""

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[KernelClient]:
        raise kernel_errors.ConnectionLost("nobody is there")
        yield

    def changed(self) -> bool:
        return False


async def test_request_waits_for_a_kernel_that_is_starting(memory: Database) -> None:
    kernel = Late()
    async with kernel.open(), live(memory, kernel) as server:
        creating = asyncio.ensure_future(server.sessions.create("T"))
        await asyncio.sleep(0)
        assert server.sessions.kernel == "starting"
        kernel.there.set()
        assert await creating


class Late(Kernel):
    """A kernel that is there after a while."""

    def __init__(self) -> None:
        super().__init__()
        self.there = asyncio.Event()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[KernelClient]:
        await self.there.wait()
        async with super().connect() as client:
            yield client


async def test_daemon_without_a_connection_file_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "kernel.json"
    daemon = connector(path)
    assert isinstance(daemon, Daemon)
    for text in (None, "", "{", '{"requests": "ipc:///x"}'):
        if text is not None:
            path.write_text(text)
        with pytest.raises(kernel_errors.ConnectionLost):
            async with daemon.connect():
                pass


async def test_kernel_inside_needs_no_zeromq() -> None:
    inside = connector(None)
    assert isinstance(inside, Inside)
    async with inside.connect() as client:
        uid = await client.create_session()
        assert (await client.execute(uid, "6 * 7")).status == "ok"
