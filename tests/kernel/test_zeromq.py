"""What only a wire can carry: hostile frames, foreign subscriptions, lost sockets. Raw pyzmq speaks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import zmq
import zmq.asyncio

from antiphon_kernel import codec
from antiphon_kernel.client import KernelClient
from antiphon_kernel.codec import Limits
from antiphon_kernel.errors import ConnectionLost
from antiphon_kernel.executors.scripted import ScriptedExecutor
from antiphon_kernel.link import Published
from antiphon_kernel.message import (
    Content,
    ErrorReply,
    ExecuteRequest,
    Header,
    KernelInfoRequest,
    Message,
    SessionUID,
    Stream,
)
from antiphon_kernel.service import Service
from antiphon_kernel.signing import SharedKey
from antiphon_kernel.transports.sockets import HIGH_WATER
from antiphon_kernel.transports.zeromq import ZeroMQServer, ZeroMQTransport
from tests.deadline import DEADLINE

KEY = b"0123456789abcdef0123456789abcdef"
SIGNER = SharedKey(KEY)
LIMITS = Limits(message_bytes=100_000, frames=20)


GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = b"\x04\x1c\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"
"""What both sides of ZMTP 3.1 say first (RFC 37), for those who speak it by hand."""


class Peer:
    """A daemon's two sockets, and raw sockets of somebody who writes frames by hand."""

    def __init__(self, server: ZeroMQServer, service: Service, executor: ScriptedExecutor) -> None:
        self.server = server
        self.service = service
        self.executor = executor
        self._context = zmq.asyncio.Context()
        self.dealer = self._socket(zmq.DEALER, server.requests)

    def _socket(self, kind: int, address: str) -> zmq.asyncio.Socket:
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(address)
        return socket

    def subscriber(self, *topics: bytes) -> zmq.asyncio.Socket:
        socket = self._socket(zmq.SUB, self.server.feed)
        for topic in topics:
            socket.setsockopt(zmq.SUBSCRIBE, topic)
        return socket

    async def ask(self, frames: list[bytes]) -> Message:
        await self.dealer.send_multipart(frames)
        return await self.hear()

    async def hear(self) -> Message:
        async with asyncio.timeout(DEADLINE):
            return codec.decode(await self.dealer.recv_multipart(), "reply", SIGNER)

    async def refusal(self, frames: list[bytes]) -> ErrorReply:
        """The refusal of these frames; and the proof that the kernel goes on."""
        reply = await self.ask(frames)
        assert isinstance(reply.content, ErrorReply)
        assert (await self.ask(signed(KernelInfoRequest()))).header.msg_type == "kernel_info_reply"
        return reply.content

    def client(self) -> KernelClient:
        return KernelClient(
            ZeroMQTransport(requests=self.server.requests, feed=self.server.feed, key=KEY), "ada"
        )

    def close(self) -> None:
        self._context.destroy(linger=0)


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncIterator[Peer]:
    executor = ScriptedExecutor()
    async with Service(executor, limits=LIMITS) as service:
        server = ZeroMQServer(
            service, key=KEY, requests=f"ipc://{tmp_path}/requests", feed=f"ipc://{tmp_path}/feed"
        )
        server.open()
        peer = Peer(server, service, executor)
        yield peer
        peer.close()
        server.close()


def message(content: Content, **header: Any) -> Message:
    return Message(header=Header(msg_id="m1", msg_type=content.msg_type, **header), content=content)


def signed(content: Content, **header: Any) -> list[bytes]:
    return codec.encode(message(content, **header), "request", SIGNER)


def signed_body(*body: bytes, envelope: bytes = b"antiphon/1 json") -> list[bytes]:
    return [envelope, SIGNER.sign("request", body), *body]


HEADER = b'{"msg_id": "m1", "msg_type": "execute_request"}'


@pytest.mark.parametrize(
    ("frames", "ename", "field"),
    [
        ([b""], "MalformedMessage", "envelope"),
        ([b"<IDS|MSG>", b"", b"{}", b"{}", b"{}", b"{}"], "MalformedMessage", "envelope"),
        ([b"antiphon/9 json", b"", b"{}", b"{}", b"{}", b"{}"], "UnknownVersion", "envelope"),
        ([b"antiphon/1 json", b"", b"{}"], "MalformedMessage", "frames"),
        ([b"antiphon/1 json", b"", HEADER, b"{}", b"{}", b"{}"], "BadSignature", "signature"),
        ([b"antiphon/1 json", b"x" * 32, HEADER, b"{}", b"{}", b"{}"], "BadSignature", "signature"),
        (signed_body(b"\xff\xfe", b"{}", b"{}", b"{}"), "MalformedMessage", "header"),
        (signed_body(b'{"msg_id": 1}', b"{}", b"{}", b"{}"), "MalformedMessage", "header.msg_id"),
        (signed_body(HEADER, b"{}", b"{}", b"{"), "MalformedMessage", "content"),
        (signed_body(HEADER, b"{}", b"{}", b'{"code": 1}'), "MalformedMessage", "content.code"),
        (signed_body(HEADER, b"{}", b"{}", b'{"code": "1"}'), "UnknownSession", "header.session"),
        (
            signed_body(b'{"msg_id": "m", "msg_type": "dance"}', b"{}", b"{}", b"{}"),
            "UnknownMessageType",
            "header.msg_type",
        ),
        (signed_body(HEADER, b"{}", b"{}", b"{}", *[b""] * 30), "MessageTooLarge", "frames"),
        (signed_body(HEADER, b"{}", b"{}", b"{}", *[b"x" * 60_000] * 2), "MessageTooLarge", "message"),
        (
            signed_body(b'{"msg_id": "' + b"m" * 20_000 + b'"}', b"{}", b"{}", b"{}"),
            "MessageTooLarge",
            "header",
        ),
    ],
)
async def test_bad_frames_are_answered_by_field(
    peer: Peer, frames: list[bytes], ename: str, field: str
) -> None:
    refusal = await peer.refusal(frames)
    assert (refusal.ename, refusal.field) == (ename, field)
    assert refusal.evalue


async def test_a_refusal_names_the_request_if_its_header_was_readable(peer: Peer) -> None:
    reply = await peer.ask(signed_body(HEADER, b"{}", b"{}", b"{}"))
    assert reply.parent_header == Header(msg_id="m1", msg_type="execute_request")


async def test_a_reply_is_written_as_its_request(peer: Peer) -> None:
    for encoding in ("json", "msgpack"):
        await peer.dealer.send_multipart(
            codec.encode(
                message(KernelInfoRequest()), "request", SIGNER, "json" if encoding == "json" else "msgpack"
            )
        )
        async with asyncio.timeout(DEADLINE):
            frames = await peer.dealer.recv_multipart()
        assert frames[0] == f"antiphon/1 {encoding}".encode()


async def test_a_frame_over_the_limit_ends_the_connection_and_nothing_else(peer: Peer) -> None:
    other = peer._socket(zmq.DEALER, peer.server.requests)
    monitor = other.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    await other.send_multipart(signed_body(HEADER, b"{}", b"{}", b"x" * 200_000))
    async with asyncio.timeout(DEADLINE):
        await monitor.recv_multipart()
    monitor.close()
    other.close()
    assert (await peer.ask(signed(KernelInfoRequest()))).header.msg_type == "kernel_info_reply"


async def test_a_giant_frame_is_refused_by_its_length_before_it_is_sent(peer: Peer) -> None:
    """Spoken by hand: greeting and READY of ZMTP 3.1 (RFC 37), then a frame that claims a terabyte."""
    path = peer.server.requests.removeprefix("ipc://")
    async with asyncio.timeout(DEADLINE):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(GREETING + READY)
        await reader.readexactly(len(GREETING) + 1)
        writer.write(b"\x02" + (2**40).to_bytes(8, "big"))
        with contextlib.suppress(ConnectionResetError):
            while await reader.read(1000):
                pass
        writer.close()
    assert (await peer.ask(signed(KernelInfoRequest()))).header.msg_type == "kernel_info_reply"


async def test_a_frame_that_is_cut_off_is_nothing_and_harms_nobody(peer: Peer) -> None:
    """Half of a request, and then the end of the connection."""
    path = peer.server.requests.removeprefix("ipc://")
    parts = [b"", *signed(ExecuteRequest(code="cut"), session="s")]
    frames = [bytes([part is not parts[-1], len(part)]) + part for part in parts]
    for cut in (1, sum(map(len, frames[:3])), sum(map(len, frames)) - 1):
        async with asyncio.timeout(DEADLINE):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(GREETING + READY)
            await reader.readexactly(len(GREETING) + 1)
            writer.write(b"".join(frames)[:cut])
            writer.write_eof()
            while await reader.read(1000):
                pass
            writer.close()
        assert (await peer.ask(signed(KernelInfoRequest()))).header.msg_type == "kernel_info_reply"
    assert peer.executor.workers == []


async def test_many_requests_at_once_are_all_answered(peer: Peer) -> None:
    for _ in range(500):
        await peer.dealer.send_multipart(signed(KernelInfoRequest()))
    for _ in range(500):
        assert (await peer.hear()).header.msg_type == "kernel_info_reply"


# --- Feeds ------------------------------------------------------------------------------------


async def test_an_observer_needs_the_uid_alone(peer: Peer) -> None:
    async with peer.client() as client:
        uid = await client.create_session()
        observer = peer.subscriber(uid.encode())
        async with asyncio.timeout(DEADLINE):
            topic, _, _, header, _, _, content = await observer.recv_multipart()
        assert topic == uid.encode()
        assert json.loads(header)["msg_type"] == "beacon"  # the subscription holds
        await client.execute(uid, "hello")
        seen = []
        while "idle" not in seen:
            async with asyncio.timeout(DEADLINE):
                _, _, _, header, _, _, content = await observer.recv_multipart()
            if json.loads(header)["number"] > 2:
                value = json.loads(content)
                seen.append(
                    value.get("execution_state") or value.get("text") or json.loads(header)["msg_type"]
                )
        assert seen == ["busy", "execute_input", "hello", "execute_reply", "idle"]


async def test_a_feed_is_sent_from_the_first_subscription_to_its_end(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(peer.server._signer, "sign", recording(peer.server._signer.sign, sent))
    async with peer.client() as client:
        uid = await client.create_session()
        await client.execute(uid, "hello")
        assert "feed" not in sent
        observer = peer.subscriber(uid.encode())
        async with asyncio.timeout(DEADLINE):
            await observer.recv_multipart()
        await client.execute(uid, "hello")
        assert sent.count("feed") > 1
        await client.close_session(uid)
        assert peer.server._followed == set()


async def test_a_subscription_that_comes_after_the_end_is_told_how_much_there_is(peer: Peer) -> None:
    """The two sockets connect each by itself: a reader may have asked for what was there before the
    session closed, and be subscribed after. Nothing else would wake it."""
    async with peer.client() as client:
        uid = await client.create_session()
        await client.close_session(uid)
        latest = (await client.feed_since(uid, 0)).latest
        observer = peer.subscriber(uid.encode())
        async with asyncio.timeout(DEADLINE):
            _, _, _, header, _, _, content = await observer.recv_multipart()
        assert json.loads(header)["msg_type"] == "beacon"
        assert json.loads(content) == {"latest": latest}
        assert peer.server._followed == set()


def recording(sign: Callable[..., bytes], channels: list[str]) -> Callable[..., bytes]:
    def recorded(channel: str, body: list[bytes]) -> bytes:
        channels.append(channel)
        return sign(channel, body)

    return recorded


@pytest.mark.parametrize("cut", [0, 1, 21, 23])
async def test_a_topic_that_is_not_exactly_a_uid_gets_nothing(peer: Peer, cut: int) -> None:
    async with peer.client() as client:
        uid = await client.create_session()
        topic = (uid + "x").encode()[:cut]
        curious = peer.subscriber(topic)
        # Once a right subscription that was sent after the wrong one holds, both have been judged.
        right = await client.create_session()
        curious.setsockopt(zmq.SUBSCRIBE, right.encode())
        async with asyncio.timeout(DEADLINE):
            await curious.recv_multipart()
        await client.execute(uid, "secret")
        await client.execute(right, "open")
        topics = set()
        async with asyncio.timeout(DEADLINE):
            while True:
                frames = await curious.recv_multipart()
                topics.add(frames[0])
                if b'"text":"open"' in frames[6]:
                    break
        assert topics == {right.encode()}


async def test_a_subscriber_that_does_not_read_is_left_behind_and_catches_up(peer: Peer) -> None:
    async with peer.client() as client:
        uid = await client.create_session()
        await client.complete(uid, "", 0)
        count = 5 * HIGH_WATER
        running = client.submit(uid, ExecuteRequest(code="hang"), msg_id="h")
        await client.session_info(uid)
        follower = asyncio.create_task(_follow(client, uid))
        for n in range(count):
            content = Stream(name="stdout" if n % 2 else "stderr", text=str(n))
            peer.executor.workers[0].say(Published(parent="h", content=content))
        await client.session_info(uid)
        await client.close_session(uid)
        await running
        async with asyncio.timeout(DEADLINE):
            seen = await follower
        texts = [m.content.text for m in seen if isinstance(m.content, Stream)]
        assert texts == [str(n) for n in range(count)]
        assert [m.header.number for m in seen] == list(range(1, len(seen) + 1))


async def _follow(client: KernelClient, uid: SessionUID) -> list[Message]:
    return [message async for batch in client.follow(uid) for message in batch.publications]


async def test_a_gap_at_the_end_is_shown_by_a_beacon(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("antiphon_kernel.service.BEACON_SECONDS", 0.01)
    async with peer.client() as client:
        uid = await client.create_session()
        await client.complete(uid, "", 0)
        following = client.follow(uid)
        async with asyncio.timeout(DEADLINE):
            assert (await anext(following)).publications[-1].header.number == 2
            # The socket loses everything but the beacons.
            send = peer.server._xpub.send_multipart

            def send_beacons(uid: SessionUID, message: Message, body: list[bytes]) -> None:
                if not message.header.number:
                    send([uid.encode(), *codec.seal(body, "feed", SIGNER, "json")])

            peer.service._publishers[:] = [send_beacons]
            await client.execute(uid, "1")
            seen: list[int] = []
            while seen[-1:] != [7]:
                seen += [m.header.number for m in (await anext(following)).publications]
        await following.aclose()
        assert seen == [3, 4, 5, 6, 7]


# --- The end ----------------------------------------------------------------------------------


async def test_a_kernel_that_ends_is_noticed_at_once(peer: Peer) -> None:
    async with peer.client() as client:
        uid = await client.create_session()
        running = client.submit(uid, ExecuteRequest(code="hang"))
        following = asyncio.create_task(_follow(client, uid))
        await client.session_info(uid)
        peer.server.close()
        async with asyncio.timeout(DEADLINE):
            with pytest.raises(ConnectionLost):
                await running
            with pytest.raises(ConnectionLost):
                await following
        assert client.lost.is_set()


async def test_no_kernel_at_an_address_is_a_deadline(tmp_path: Path) -> None:
    transport = ZeroMQTransport(requests=f"ipc://{tmp_path}/r", feed=f"ipc://{tmp_path}/f", key=KEY)
    async with KernelClient(transport) as client:
        with pytest.raises(ConnectionLost):
            await client.kernel_info(timeout=0.01)


async def test_a_wrong_key_gets_no_answer_that_it_believes(
    peer: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    transport = ZeroMQTransport(requests=peer.server.requests, feed=peer.server.feed, key=b"x" * 32)
    async with KernelClient(transport) as client:
        with pytest.raises(ConnectionLost):
            await client.kernel_info(timeout=0.1)
    assert "signature" in caplog.text


# --- Many, and again --------------------------------------------------------------------------


async def test_a_frame_that_is_sent_again_is_answered_and_not_run_again(peer: Peer) -> None:
    """Who overheard a signed request can repeat it byte by byte: it has the msg_id of the first."""
    async with peer.client() as client:
        uid = await client.create_session()
        frames = signed(ExecuteRequest(code="once"), session=uid)
        replies = [await peer.ask(frames) for _ in range(3)]
        assert {reply.header.msg_type for reply in replies} == {"execute_reply"}
        assert [request.header.msg_id for request in peer.executor.workers[0].requests] == ["m1"]
        feed = await client.feed_since(uid, 0)
        assert [m.header.msg_type for m in feed.publications].count("execute_input") == 1


@pytest.mark.slow
async def test_a_thousand_subscribers_come_and_go(peer: Peer) -> None:
    async with peer.client() as client:
        uid = await client.create_session()
        before = len(os.listdir("/proc/self/fd"))
        for round_ in range(10):
            observers = [peer.subscriber(uid.encode()) for _ in range(100)]
            async with asyncio.timeout(DEADLINE):
                for observer in observers:
                    await observer.recv_multipart()  # the beacon: the subscription holds
            await client.execute(uid, str(round_))
            for observer in observers:
                observer.close()
        # 100 descriptors and more would stay of each round; nothing tells when the last are closed.
        async with asyncio.timeout(DEADLINE):
            while len(os.listdir("/proc/self/fd")) > before + 2:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert (await client.execute(uid, "last")).status == "ok"
