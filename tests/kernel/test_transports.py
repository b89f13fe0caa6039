"""One list of checks for every transport: what a client may rely on, whatever carries its messages."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from antiphon_kernel import client as clients
from antiphon_kernel import service as services
from antiphon_kernel.client import Batch, KernelClient
from antiphon_kernel.codec import Limits
from antiphon_kernel.errors import (
    AlreadyRun,
    ConnectionLost,
    DeadlinePassed,
    KernelError,
    MalformedMessage,
    MessageTooLarge,
    NoPrompt,
    QueueFull,
    SessionClosed,
    SessionDead,
    TooManySessions,
    UnknownMessageType,
    UnknownSession,
    WorkerFailed,
)
from antiphon_kernel.executors.scripted import ScriptedExecutor, ScriptedWorker
from antiphon_kernel.link import Died, Published
from antiphon_kernel.message import (
    CompleteRequest,
    ExecuteReply,
    ExecuteRequest,
    FeedRequest,
    InputAnswered,
    InputRequest,
    KernelInfoReply,
    Message,
    SessionUID,
    Status,
    Stream,
)
from antiphon_kernel.service import Service
from antiphon_kernel.session import bounds
from antiphon_kernel.transports import Transport
from antiphon_kernel.transports.inprocess import InProcessTransport
from antiphon_kernel.transports.zeromq import ZeroMQServer, ZeroMQTransport
from tests.deadline import DEADLINE

KEY = b"0123456789abcdef0123456789abcdef"
LIMITS = Limits(message_bytes=200_000)


class Kernel:
    """A service with scripted workers, and clients of it over the transport that is checked."""

    def __init__(
        self, service: Service, executor: ScriptedExecutor, connect: Callable[[], Transport]
    ) -> None:
        self.service = service
        self.executor = executor
        self._connect = connect
        self._stack = contextlib.AsyncExitStack()

    async def client(self, username: str = "ada") -> KernelClient:
        return await self._stack.enter_async_context(KernelClient(self._connect(), username))

    @property
    def worker(self) -> ScriptedWorker:
        return self.executor.workers[-1]

    async def close(self) -> None:
        await self._stack.aclose()


@pytest.fixture(params=["inprocess", "zeromq-ipc", "zeromq-tcp"])
async def kernel(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Kernel]:
    executor = ScriptedExecutor()
    async with Service(executor, limits=LIMITS, max_sessions=3, feed_count=50) as service:
        if request.param == "inprocess":
            kernel = Kernel(service, executor, lambda: InProcessTransport(service))
            yield kernel
            await kernel.close()
            return
        ipc = request.param == "zeromq-ipc"
        server = ZeroMQServer(
            service,
            key=KEY,
            requests=f"ipc://{tmp_path}/requests" if ipc else "tcp://127.0.0.1:*",
            feed=f"ipc://{tmp_path}/feed" if ipc else "tcp://127.0.0.1:*",
        )
        server.open()
        kernel = Kernel(
            service,
            executor,
            lambda: ZeroMQTransport(requests=server.requests, feed=server.feed, key=KEY, limits=LIMITS),
        )
        yield kernel
        await kernel.close()
        server.close()


@pytest.fixture
async def client(kernel: Kernel) -> KernelClient:
    return await kernel.client()


@pytest.fixture
async def uid(client: KernelClient) -> SessionUID:
    """A session whose worker is ready."""
    uid = await client.create_session("name")
    await client.complete(uid, "", 0)
    return uid


async def follow(client: KernelClient, uid: SessionUID, since: int = 0) -> list[Message]:
    """Everything until the session's end."""
    return [message async for batch in client.follow(uid, since) for message in batch.publications]


async def within(awaitable: Awaitable[Any]) -> Any:
    async with asyncio.timeout(DEADLINE):
        return await awaitable


async def until(
    client: KernelClient, uid: SessionUID, found: Callable[[Message], bool], since: int = 0
) -> Message:
    """The first publication like this."""
    async with asyncio.timeout(DEADLINE), contextlib.aclosing(client.follow(uid, since)) as batches:
        async for batch in batches:
            for message in batch.publications:
                if found(message):
                    return message
    raise AssertionError("the feed ended before")


def numbers(messages: list[Message]) -> list[int]:
    return [message.header.number for message in messages]


# --- Requests ---------------------------------------------------------------------------------


async def test_the_kernel_says_what_it_is(client: KernelClient) -> None:
    info = await client.kernel_info()
    assert isinstance(info, KernelInfoReply)
    assert info.limits["message_bytes"] == LIMITS.message_bytes
    assert info.language_info["name"] == "python"


async def test_a_session_is_made_listed_described_and_closed(client: KernelClient) -> None:
    uid = await client.create_session("pi")
    assert len(uid) == 22
    assert [info.uid for info in await client.list_sessions()] == [uid]
    assert (await client.session_info(uid)).name == "pi"
    await client.close_session(uid)
    assert await client.list_sessions() == ()


async def test_an_execution_is_answered(client: KernelClient, uid: SessionUID) -> None:
    assert await client.execute(uid, "1 + 1") == ExecuteReply(status="ok", execution_count=1)


async def test_failed_code_is_an_answer_not_an_exception(client: KernelClient, uid: SessionUID) -> None:
    assert (await client.execute(uid, "fail")).status == "error"


async def test_requests_are_carried_out_in_order(
    kernel: Kernel, client: KernelClient, uid: SessionUID
) -> None:
    replies = [client.submit(uid, ExecuteRequest(code=str(n))) for n in range(20)]
    await within(asyncio.gather(*replies))
    codes = [r.content.code for r in kernel.worker.requests if isinstance(r.content, ExecuteRequest)]
    assert codes == [str(n) for n in range(20)]


async def test_a_repeated_request_runs_once_and_is_answered_each_time(
    kernel: Kernel, client: KernelClient, uid: SessionUID
) -> None:
    first = client.submit(uid, ExecuteRequest(code="x"), msg_id="same")
    second = client.submit(uid, ExecuteRequest(code="x"), msg_id="same")
    assert await within(first) == await within(second)
    other = await kernel.client("eve")
    assert await other.execute(uid, "x", msg_id="same") == await first
    assert [r.header.msg_id for r in kernel.worker.requests].count("same") == 1


async def test_a_run_whose_answer_is_forgotten_is_not_run_again(
    kernel: Kernel, client: KernelClient, uid: SessionUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "REPLIES_REMEMBERED", 1)
    for msg_id in ("old", "new"):
        await client.execute(uid, "x", msg_id=msg_id)
    with pytest.raises(AlreadyRun, match="no longer kept"):
        await client.execute(uid, "x", msg_id="old")
    assert (await client.execute(uid, "x", msg_id="new")).status == "ok"
    assert [r.header.msg_id for r in kernel.worker.requests].count("old") == 1


async def test_a_repeated_creation_makes_one_session(client: KernelClient) -> None:
    from antiphon_kernel.message import CreateSessionReply, CreateSessionRequest

    replies = [await client.submit(None, CreateSessionRequest(), msg_id="same") for _ in range(2)]
    assert isinstance(replies[0], CreateSessionReply)
    assert replies[0] == replies[1]


async def test_what_needs_no_code_is_served_while_code_runs(
    kernel: Kernel, client: KernelClient, uid: SessionUID
) -> None:
    running = client.submit(uid, ExecuteRequest(code="hang"), msg_id="h")
    await client.interrupt(uid)
    assert kernel.worker.interrupts == 1
    info = await client.session_info(uid)
    assert (info.running, info.execution_state) == ("h", "interrupted")
    await client.close_session(uid)
    reply = await within(running)
    assert isinstance(reply, ExecuteReply)
    assert reply.ename == "SessionClosed"


async def test_an_interrupt_with_nothing_running_is_answered(
    kernel: Kernel, client: KernelClient, uid: SessionUID
) -> None:
    await client.interrupt(uid)
    assert kernel.worker.interrupts == 0


async def test_the_first_answer_to_a_prompt_wins(
    kernel: Kernel, client: KernelClient, uid: SessionUID
) -> None:
    client.submit(uid, ExecuteRequest(code="hang"), msg_id="h")
    await client.session_info(uid)
    kernel.worker.say(Published(parent="h", content=InputRequest(prompt="name? ")))
    prompt = await until(client, uid, lambda m: isinstance(m.content, InputRequest))
    await client.answer(uid, prompt.header.msg_id, "Ada")
    with pytest.raises(NoPrompt):
        await (await kernel.client("eve")).answer(uid, prompt.header.msg_id, "Eve")
    told = await until(client, uid, lambda m: isinstance(m.content, InputAnswered))
    assert told.content == InputAnswered(prompt=prompt.header.msg_id, username="ada")


async def test_a_death_answers_and_a_restart_goes_on(
    kernel: Kernel, client: KernelClient, uid: SessionUID
) -> None:
    running = client.submit(uid, ExecuteRequest(code="hang"))
    await client.session_info(uid)
    kernel.worker.say(Died(reason="killed by signal 11"))
    reply = await within(running)
    assert isinstance(reply, ExecuteReply)
    assert (reply.ename, reply.evalue) == ("SessionDead", "killed by signal 11")
    with pytest.raises(SessionDead, match="signal 11"):
        await client.execute(uid, "1")
    await client.restart_session(uid)
    assert (await client.execute(uid, "1")).status == "ok"
    assert len(kernel.executor.workers) == 2


async def test_a_worker_that_cannot_be_made_is_an_answer(
    kernel: Kernel, client: KernelClient, uid: SessionUID
) -> None:
    kernel.executor.failure = "no memory"
    with pytest.raises(WorkerFailed, match="no memory"):
        await client.restart_session(uid)
    kernel.executor.failure = ""
    await client.restart_session(uid)
    assert (await client.execute(uid, "1")).status == "ok"


async def test_a_reply_that_does_not_come_is_a_deadline(client: KernelClient, uid: SessionUID) -> None:
    with pytest.raises(DeadlinePassed):
        await client.execute(uid, "hang", timeout=0.01)
    assert (await client.session_info(uid)).execution_state == "busy"


# --- Bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "error", "field"),
    [
        (CompleteRequest(code="x", cursor_pos=-1), MalformedMessage, "content.cursor_pos"),
        (CompleteRequest(code="x", cursor_pos=2), MalformedMessage, "content.cursor_pos"),
        (CompleteRequest(code=3, cursor_pos=2), MalformedMessage, "content.code"),  # type: ignore[arg-type]
        (FeedRequest(since=-1), MalformedMessage, "content.since"),
        (FeedRequest(limit=0), MalformedMessage, "content.limit"),
        (FeedRequest(limit=10**6), MalformedMessage, "content.limit"),
        (ExecuteRequest(code="x" * 300_000), MessageTooLarge, "message"),
        (ExecuteReply(status="ok"), UnknownMessageType, "header.msg_type"),
    ],
)
async def test_bad_content_is_refused_by_field(
    client: KernelClient, uid: SessionUID, content: Any, error: type[KernelError], field: str
) -> None:
    with pytest.raises(error) as caught:
        await within(client.submit(uid, content))
    assert type(caught.value) is error
    assert caught.value.field == field
    assert (await client.execute(uid, "1")).status == "ok"


async def test_an_unknown_session_is_refused(client: KernelClient) -> None:
    for uid in ("", "x" * 22):
        with pytest.raises(UnknownSession):
            await client.execute(SessionUID(uid), "1")
        with pytest.raises(UnknownSession):
            await client.feed_since(SessionUID(uid), 0)


async def test_a_closed_session_is_refused_with_its_reason(client: KernelClient, uid: SessionUID) -> None:
    await client.close_session(uid)
    with pytest.raises(SessionClosed, match="closed by ada"):
        await client.execute(uid, "1")


async def test_the_number_of_sessions_is_bounded(client: KernelClient) -> None:
    for _ in range(3):
        await client.create_session()
    with pytest.raises(TooManySessions, match="limit 3"):
        await client.create_session()


async def test_who_waits_for_one_answer_is_bounded(
    client: KernelClient, uid: SessionUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "WAITERS", 2)
    waiting = [client.submit(uid, ExecuteRequest(code="hang"), msg_id="h") for _ in range(3)]
    # The refusal bears the same msg_id, so it answers this client's earlier ones too.
    with pytest.raises(QueueFull):
        await within(waiting[2])


# --- Feeds ------------------------------------------------------------------------------------


async def test_every_follower_sees_everything_once_in_order(
    kernel: Kernel, client: KernelClient, uid: SessionUID
) -> None:
    followers = [asyncio.create_task(follow(await kernel.client(), uid)) for _ in range(3)]
    for n in range(5):
        await client.execute(uid, str(n))
    await client.close_session(uid)
    for follower in followers:
        seen = await within(follower)
        assert numbers(seen) == list(range(1, len(seen) + 1))
        assert seen[-1].content == Status(execution_state="closed", reason="closed by ada")
        texts = [message.content.text for message in seen if isinstance(message.content, Stream)]
        assert texts == ["0", "1", "2", "3", "4"]


async def test_a_late_follower_goes_on_from_its_cursor(client: KernelClient, uid: SessionUID) -> None:
    await client.execute(uid, "1")
    latest = (await client.session_info(uid)).latest
    await client.execute(uid, "2")
    await client.close_session(uid)
    seen = await within(follow(client, uid, since=latest))
    assert numbers(seen)[0] == latest + 1


async def test_a_follower_at_the_end_of_a_closed_session_ends(client: KernelClient, uid: SessionUID) -> None:
    await client.close_session(uid)
    latest = (await client.feed_since(uid, 0)).latest
    assert await within(follow(client, uid, since=latest)) == []


async def test_what_is_no_longer_held_is_named(client: KernelClient, uid: SessionUID) -> None:
    for n in range(20):
        await client.execute(uid, str(n))
    found = await client.feed_since(uid, 3)
    assert found.latest == 2 + 20 * 5
    assert found.gone == (4, found.latest - 50)
    assert numbers(found.publications) == list(range(found.latest - 49, found.latest + 1))

    async with contextlib.aclosing(client.follow(uid, 3)) as batches:
        batch = await within(anext(batches))
    assert isinstance(batch, Batch)
    assert batch.gone == found.gone
    assert numbers(batch.publications)[0] == found.latest - 49


async def test_a_feed_is_read_in_steps(client: KernelClient, uid: SessionUID) -> None:
    await client.execute(uid, "1")
    first = await client.feed_since(uid, 0, limit=3)
    assert (numbers(first.publications), first.latest, first.gone) == ([1, 2, 3], 7, None)
    assert numbers((await client.feed_since(uid, 3, limit=10)).publications) == [4, 5, 6, 7]


async def test_a_follower_that_lags_misses_nothing(
    kernel: Kernel, client: KernelClient, uid: SessionUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "FOLLOW_QUEUE", 3)
    async with contextlib.aclosing((await kernel.client()).follow(uid)) as batches:
        seen = list((await within(anext(batches))).publications)
        for n in range(8):  # while nobody takes what comes
            await client.execute(uid, str(n))
        await client.close_session(uid)
        async with asyncio.timeout(DEADLINE):
            async for batch in batches:
                assert batch.gone is None
                seen += batch.publications
    assert numbers(seen) == list(range(1, 2 + 8 * 5 + 2))


async def test_a_publication_that_is_too_large_keeps_its_place(
    kernel: Kernel, client: KernelClient, uid: SessionUID
) -> None:
    from antiphon_kernel.message import DisplayData

    kernel.worker.say(Published(parent="", content=DisplayData(data={"text/html": "x" * 300_000})))
    seen = await until(client, uid, lambda m: m.header.msg_type == "error")
    assert getattr(seen.content, "ename", "") == "MessageTooLarge"
    assert seen.header.number == 3


async def test_following_an_unknown_session_is_refused(client: KernelClient) -> None:
    with pytest.raises(UnknownSession):
        await within(follow(client, SessionUID("x" * 22)))


# --- The end ----------------------------------------------------------------------------------


async def test_closing_a_client_ends_what_waits(
    kernel: Kernel, client: KernelClient, uid: SessionUID
) -> None:
    other = await kernel.client()
    running = other.submit(uid, ExecuteRequest(code="hang"))
    following = asyncio.create_task(follow(other, uid))
    await other.session_info(uid)
    await other.close()
    with pytest.raises(ConnectionLost):
        await within(running)
    with pytest.raises(ConnectionLost):
        await within(following)
    with pytest.raises(ConnectionLost):
        await other.kernel_info()
    assert (await client.session_info(uid)).execution_state == "busy"


async def test_a_silent_kernel_is_given_up(
    client: KernelClient, uid: SessionUID, kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "HEARTBEAT_SECONDS", 0.01)
    other = await kernel.client()
    running = other.submit(uid, ExecuteRequest(code="hang"))
    await other.session_info(uid)
    monkeypatch.setattr(Service, "submit", lambda *_: None)
    with pytest.raises(ConnectionLost, match="silent"):
        await within(running)
    assert other.lost.is_set()


async def test_closing_the_service_closes_its_sessions(
    kernel: Kernel, client: KernelClient, uid: SessionUID
) -> None:
    following = asyncio.create_task(follow(client, uid))
    running = client.submit(uid, ExecuteRequest(code="hang"))
    await client.session_info(uid)
    await kernel.service.close()
    seen = await within(following)
    assert seen[-1].content == Status(execution_state="closed", reason="the kernel was stopped")
    assert getattr(await within(running), "ename", "") == "SessionClosed"
