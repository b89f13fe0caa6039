"""The service's own part: deadlines, the memory watch, what is remembered of what has ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any

import msgspec
import pytest

from antiphon_kernel import limits
from antiphon_kernel import service as services
from antiphon_kernel.client import KernelClient
from antiphon_kernel.errors import (
    MalformedMessage,
    NoDebugger,
    NotWaiting,
    SessionClosed,
    SessionDead,
    UnknownSession,
)
from antiphon_kernel.executors import Description, Usage
from antiphon_kernel.executors.scripted import ScriptedExecutor, ScriptedWorker, echo
from antiphon_kernel.feed import Feed
from antiphon_kernel.limits import Guard
from antiphon_kernel.link import Died, Published, Replied, Started
from antiphon_kernel.message import (
    CreateSessionReply,
    CreateSessionRequest,
    DebugReply,
    DebugRequest,
    DisplayData,
    ExecuteReply,
    ExecuteRequest,
    Header,
    Message,
    SessionLimits,
    SessionUID,
    Setting,
    Status,
    Stream,
)
from antiphon_kernel.service import Service
from antiphon_kernel.session import Line, open_session
from antiphon_kernel.transports.inprocess import InProcessTransport
from tests.deadline import DEADLINE


@contextlib.asynccontextmanager
async def kernel(
    executor: ScriptedExecutor | None = None, **settings: Any
) -> AsyncIterator[tuple[KernelClient, ScriptedExecutor]]:
    executor = executor or ScriptedExecutor()
    async with (
        asyncio.timeout(DEADLINE),
        Service(executor, **settings) as service,
        KernelClient(InProcessTransport(service), "ada") as client,
    ):
        yield client, executor


async def session(client: KernelClient) -> SessionUID:
    uid = await client.create_session()
    await client.complete(uid, "", 0)
    return uid


async def ended(reply: Any) -> ExecuteReply:
    content = await reply
    assert isinstance(content, ExecuteReply)
    return content


async def test_a_session_over_its_memory_ends_with_that_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "LOOK_SECONDS", 0.001)
    async with kernel(session_limits=SessionLimits(memory_bytes=500 * 2**20)) as (client, executor):
        uid, other = await session(client), await session(client)
        executor.workers[0].used = Usage(memory_bytes=600 * 2**20)
        executor.workers[1].used = Usage(memory_bytes=400 * 2**20)
        bystander = client.submit(other, ExecuteRequest(code="hang"))
        reply = await ended(client.submit(uid, ExecuteRequest(code="hang")))
        assert (reply.ename, reply.evalue) == ("SessionDead", "out of memory: used 600 MiB, limit 500 MiB")
        info = await client.session_info(uid)
        assert (info.execution_state, info.reason) == ("dead", reply.evalue)
        assert not executor.workers[1].killed
        await client.interrupt(other)
        await client.close_session(other)
        assert (await ended(bystander)).ename == "SessionClosed"


def test_a_run_that_is_over_by_the_next_time_is_not_looked_at() -> None:
    limits = SessionLimits(memory_bytes=1)
    opened = open_session(SessionUID("u"), "", "n", "0", limits=limits).session
    live = services._Live(opened, Feed(), Guard(limits, 0.0))

    def run(msg_id: str) -> None:
        header = Header(msg_id=msg_id, msg_type=ExecuteRequest.msg_type)
        line = Line(running=Message(header=header, content=ExecuteRequest(code="")))
        live.session = msgspec.structs.replace(opened, lines={"": line})

    live.looked = 100.0
    run("a")
    assert not live.is_worth_a_look(100.1)
    run("b")
    assert not live.is_worth_a_look(100.2)
    assert live.is_worth_a_look(100.3)
    run("c")
    assert not live.is_worth_a_look(100.9)
    run("d")
    assert live.is_worth_a_look(101.0)


async def test_an_idle_session_over_its_memory_ends_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(services, "IDLE_LOOK_SECONDS", 0.0)
    async with kernel(session_limits=SessionLimits(memory_bytes=1)) as (client, executor):
        uid = await session(client)
        executor.workers[0].used = Usage(memory_bytes=2)
        dead = Status(execution_state="dead", reason="out of memory: used 0 MiB, limit 0 MiB")
        async with contextlib.aclosing(client.follow(uid)) as feed:
            async for batch in feed:
                if dead in [publication.content for publication in batch.publications]:
                    break


async def test_a_run_over_its_time_is_told_and_then_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(limits, "GRACE_SECONDS", 0.0)
    async with kernel(session_limits=SessionLimits(run_seconds=1)) as (client, executor):
        uid = await session(client)
        reply = await ended(client.submit(uid, ExecuteRequest(code="hang")))
        assert executor.workers[0].stops == [("", "out of time: this run took 1 s, limit 1 s")]
        assert (reply.ename, reply.evalue) == (
            "SessionDead",
            "out of time: this run took 1 s, limit 1 s; it did not stop",
        )


async def test_an_idle_session_is_culled_though_somebody_looks_on() -> None:
    async with kernel(session_limits=SessionLimits(idle_seconds=1)) as (client, executor):
        uid, busy = await session(client), await session(client)
        run = client.submit(busy, ExecuteRequest(code="hang"))
        while uid in [info.uid for info in await client.list_sessions()]:  # that is what looks on
            await client.feed_since(uid, 0)
            await asyncio.sleep(0.05)
        with pytest.raises(SessionClosed, match=r"^idle for \d"):
            await client.complete(uid, "", 0)
        feed = await client.feed_since(uid, 0)
        last = feed.publications[-1].content
        assert isinstance(last, Status)
        assert (last.execution_state, last.reason[:8]) == ("closed", "idle for")
        assert executor.workers[0].killed
        assert (await client.session_info(busy)).execution_state == "busy"
        await client.close_session(busy)
        assert (await ended(run)).ename == "SessionClosed"


async def test_limits_are_told_and_a_client_may_lower_them() -> None:
    own = SessionLimits(memory_bytes=100, processes=50)
    async with kernel(session_limits=own, interrupt_seconds=2.5) as (client, executor):
        told = (await client.kernel_info()).limits
        assert told["interrupt_seconds"] == 2.5
        assert (told["session_memory_bytes"], told["session_processes"], told["session_idle_seconds"]) == (
            100,
            50,
            0,
        )
        plain = await client.session_info(await client.create_session())
        assert plain.limits == own
        uid = await client.create_session(limits=SessionLimits(processes=20, run_seconds=9))
        executor.workers[1].used = Usage(memory_bytes=7, cpu_seconds=1.5, processes=3)
        info = await client.session_info(uid)
        assert info.limits == SessionLimits(memory_bytes=100, processes=20, run_seconds=9)
        assert (info.memory_bytes, info.cpu_seconds, info.processes) == (7, 1.5, 3)
        with pytest.raises(MalformedMessage, match="51 is more than the kernel's limit 50"):
            await client.create_session(limits=SessionLimits(processes=51))


class Stubborn(ScriptedWorker):
    """Cannot be killed."""

    def kill(self) -> None:
        self.killed = True


class StubbornExecutor(ScriptedExecutor):
    async def start(self, uid: SessionUID, listener: Any, *setting: Any) -> ScriptedWorker:
        await super().start(uid, listener, *setting)
        self.workers[-1] = Stubborn(listener, echo)
        return self.workers[-1]


async def test_a_worker_that_cannot_be_ended_does_not_hold_up_a_restart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(services, "KILL_SECONDS", 0.001)
    async with kernel(StubbornExecutor()) as (client, executor):
        uid = await session(client)
        await client.restart_session(uid)
        old = executor.workers[0]
        latest = (await client.session_info(uid)).latest
        old.say(Published(parent="", content=Stream(name="stdout", text="still here")), Died(reason="late"))
        assert (await client.execute(uid, "1")).status == "ok"
        texts = [
            m.content.text
            for m in (await client.feed_since(uid, latest)).publications
            if isinstance(m.content, Stream)
        ]
        assert texts == ["1"]


class Mute(ScriptedExecutor):
    """Its workers never become ready."""

    async def start(self, uid: SessionUID, listener: Any, *setting: Any) -> ScriptedWorker:
        self.workers.append(ScriptedWorker(listener, echo))
        return self.workers[-1]


async def test_a_worker_that_never_gets_ready_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "START_SECONDS", 0.001)
    async with kernel(Mute()) as (client, executor):
        uid = await client.create_session()
        reply = await client.execute(uid, "1")
        assert (reply.ename, reply.evalue) == ("SessionDead", "not ready within 0.001 s")
        assert executor.workers[0].killed


async def test_a_closed_session_is_remembered_and_its_feed_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(services, "CLOSED_KEPT", 1)
    monkeypatch.setattr(services, "CLOSED_REMEMBERED", 2)
    async with kernel() as (client, _):
        uids = [await session(client) for _ in range(3)]
        for uid in uids:
            await client.close_session(uid)
        assert (await client.feed_since(uids[2], 0)).latest == 3
        with pytest.raises(SessionClosed):
            await client.feed_since(uids[1], 0)
        with pytest.raises(UnknownSession):
            await client.feed_since(uids[0], 0)


async def test_output_that_has_no_form_in_json_keeps_its_number() -> None:
    async with kernel() as (client, executor):
        uid = await session(client)
        executor.workers[0].say(Published(parent="", content=DisplayData(data={"x": object()})))
        await client.execute(uid, "1")
        publication = (await client.feed_since(uid, 2)).publications[0]
        assert publication.header.msg_type == "error"
        assert "display_data was left out" in getattr(publication.content, "evalue", "")


async def test_a_worker_that_answers_at_once_is_heard_in_order() -> None:
    """An executor may call back from inside ``send``; the events of one request stay in order."""

    class Immediate(ScriptedWorker):
        def say(self, *events: Any) -> None:
            self._listener(events)

    class ImmediateExecutor(ScriptedExecutor):
        async def start(self, uid: SessionUID, listener: Any, *setting: Any) -> ScriptedWorker:
            await super().start(uid, listener, *setting)
            self.workers[-1] = Immediate(listener, echo)
            return self.workers[-1]

    async with kernel(ImmediateExecutor()) as (client, _):
        uid = await session(client)
        await asyncio.gather(client.execute(uid, "1"), client.execute(uid, "2"))
        types = [m.header.msg_type for m in (await client.feed_since(uid, 2)).publications]
        assert types == ["status", "execute_input", "stream", "execute_reply", "status"] * 2


async def test_handle_is_the_whole_kernel_as_one_call() -> None:
    async with Service(ScriptedExecutor()) as service:
        content = CreateSessionRequest(name="x")
        request = Message(
            header=Header(msg_id="m", msg_type=content.msg_type, username="ada"), content=content
        )
        reply = await service.handle(request)
        assert isinstance(reply.content, CreateSessionReply)
        assert reply.parent_header == request.header
        assert service.has_session(reply.content.uid)


async def test_code_that_ignores_an_interrupt_is_told_of_once_and_a_restart_ends_it() -> None:
    async with kernel(interrupt_seconds=0.01) as (client, _):
        uid = await session(client)
        run = client.submit(uid, ExecuteRequest(code="hang"))
        told: list[Status] = []
        async with contextlib.aclosing(client.follow(uid)) as feed:
            async for batch in feed:
                told += [p.content for p in batch.publications if isinstance(p.content, Status)]
                if told[-1].execution_state == "busy":
                    await client.interrupt(uid)
                    await client.interrupt(uid)
                if told[-1].reason:
                    break
        assert [status.execution_state for status in told[-3:]] == ["busy", "interrupted", "interrupted"]
        assert told[-1].reason == "the code has not stopped 0.01 s after the interrupt; a restart ends it"
        await client.restart_session(uid)
        assert (await ended(run)).ename == "SessionDead"


async def test_what_waits_is_cancelled_and_moved_by_its_name() -> None:
    async with kernel() as (client, _):
        uid = await session(client)
        client.submit(uid, ExecuteRequest(code="hang"), msg_id="a")
        waiting = [client.submit(uid, ExecuteRequest(code=name), msg_id=name) for name in "bcd"]
        await client.move(uid, "d", "b")
        await client.cancel(uid, "b", username="eve")
        reply = await ended(waiting[0])
        assert (reply.ename, reply.evalue) == ("RequestCancelled", "cancelled by eve")
        with pytest.raises(NotWaiting, match="an interrupt stops it"):
            await client.cancel(uid, "a")
        info = await client.session_info(uid)
        assert (info.running, [run.msg_id for run in info.queue]) == ("a", ["d", "c"])
        await client.close_session(uid)


class Unready(ScriptedExecutor):
    """Its kernels describe themselves when they are told to."""

    kernels = ("ir",)

    async def start(self, *args: Any, **options: Any) -> ScriptedWorker:
        worker = self.worker = ScriptedWorker(args[1], self._script)
        return worker


async def test_what_another_kernel_is_is_told_when_it_has_started() -> None:
    foreign = Unready()
    async with kernel(foreign=foreign) as (client, _):
        uid = await client.create_session(setting=Setting(kernel="ir"))
        asked = asyncio.create_task(client.kernel_info(uid))
        assert (await client.session_info(uid)).execution_state == "starting"
        assert not asked.done()
        foreign.worker.description = Description(implementation="irkernel", language_info={"name": "R"})
        foreign.worker.say(Started(pid=1))
        info = await asked
        assert (info.implementation, info.language_info) == ("irkernel", {"name": "R"})
        assert info.supported_features == ()
        assert info.limits == (await client.kernel_info()).limits
        foreign.worker.say(Died(reason="gone"))
        assert (await client.kernel_info(uid)).language_info == {"name": "R"}


async def test_what_another_kernel_is_that_never_started_nobody_knows() -> None:
    foreign = Unready()
    async with kernel(foreign=foreign) as (client, _):
        uid = await client.create_session(setting=Setting(kernel="ir"))
        asked = asyncio.create_task(client.kernel_info(uid))
        await client.session_info(uid)
        foreign.worker.say(Died(reason="no such program"))
        with pytest.raises(SessionDead, match="no such program"):
            await asked
        with pytest.raises(SessionDead, match="no such program"):
            await client.kernel_info(uid)
        with pytest.raises(UnknownSession):
            await client.kernel_info(SessionUID("nothing"))


class Debuggable(ScriptedExecutor):
    """Its workers answer debug requests; they are of a kernel, too."""

    features = ("debugger",)
    kernels = ("ir",)

    def __init__(self) -> None:
        super().__init__(_answer_debugging)


def _answer_debugging(request: Message) -> Iterable[Replied]:
    if isinstance(asked := request.content, DebugRequest):
        reply = DebugReply(seq=1, request_seq=asked.seq, success=True, command=asked.command)
        yield Replied(parent=request.header.msg_id, content=reply)


async def test_sessions_are_debugged_where_their_worker_can_be() -> None:
    asked = DebugRequest(seq=1, command="debugInfo")
    async with kernel(Debuggable(), foreign=Debuggable()) as (client, _):
        uid = await client.create_session()
        assert isinstance(await client.submit(uid, asked), DebugReply)
        assert "debugger" in (await client.kernel_info()).supported_features
        other = await client.create_session(setting=Setting(kernel="ir"))
        with pytest.raises(NoDebugger, match="of another kernel"):
            await client.submit(other, asked)
    async with kernel() as (client, _):
        with pytest.raises(NoDebugger, match="debugpy is not installed"):
            await client.submit(await client.create_session(), asked)
        assert "debugger" not in (await client.kernel_info()).supported_features
