"""The daemon: settings, refusals, and a real process from start to end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import stat
from pathlib import Path

import pytest
import zmq
import zmq.asyncio

from antiphon_kernel.__main__ import machine_memory, settings_of
from antiphon_kernel.daemon import Refused, Settings, run
from antiphon_kernel.errors import ConnectionLost, SessionDead
from antiphon_kernel.message import ExecuteRequest, SessionLimits, Status
from antiphon_kernel.settings import duration, size
from tests.deadline import DEADLINE

from .daemons import Daemon


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("100", 100), ("2k", 2048), ("500M", 500 * 2**20), ("1.5 GiB", 3 * 2**29), ("2g", 2**31)],
)
def test_a_size_is_read(text: str, expected: int) -> None:
    assert size(text) == expected


@pytest.mark.parametrize("text", ["", "much", "-1", "1X"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        size(text)


def test_settings_have_defaults(tmp_path: Path) -> None:
    settings = settings_of(["--connection-file", str(tmp_path / "a.json")])
    assert settings.runtime_dir == tmp_path
    assert settings.session_limits.memory_bytes == machine_memory() // 2 > 2**20
    assert settings.preload is None
    other = settings_of(["--runtime-dir", str(tmp_path), "--preload", "a,b", "--memory-limit", "1G"])
    assert other.connection_file == tmp_path / "kernel.json"
    assert (other.preload, other.session_limits.memory_bytes) == (("a", "b"), 2**30)
    built_in = Settings(runtime_dir=tmp_path, connection_file=tmp_path / "a.json")
    for name in ("interrupt_seconds", "max_sessions", "ready", "outlive_seconds"):
        assert getattr(settings, name) == getattr(built_in, name)


@pytest.mark.parametrize(
    ("text", "expected"), [("0", 0), ("90", 90), ("15m", 900), ("2h", 7200), ("1.5d", 129_600), ("0.5s", 1)]
)
def test_a_time_is_read(text: str, expected: int) -> None:
    assert duration(text) == expected


@pytest.mark.parametrize("text", ["", "never", "-1", "1y"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        duration(text)


def test_limits_are_settings(tmp_path: Path) -> None:
    words = (
        "--cpu-limit 1h --run-limit 15m --process-limit 0 --output-limit 1M --idle-limit 2h --memory-limit 0"
        " --interrupt-wait 10"
    )
    settings = settings_of(["--runtime-dir", str(tmp_path), *words.split(), "--ready", "4"])
    assert settings.ready == 4
    assert settings.interrupt_seconds == 10
    assert settings.session_limits == SessionLimits(
        cpu_seconds=3600, run_seconds=900, output_bytes=2**20, idle_seconds=7200
    )


@pytest.mark.parametrize("ip", ["0.0.0.0", "192.168.1.2", "::", "example.org"])  # noqa: S104
async def test_an_address_beyond_this_machine_is_refused(tmp_path: Path, ip: str) -> None:
    with pytest.raises(Refused, match="not a loopback address"):
        await run(settings_of(["--runtime-dir", str(tmp_path), "--transport", "tcp", "--ip", ip]))
    assert not (tmp_path / "kernel.json").exists()


async def test_a_directory_that_others_reach_is_refused(tmp_path: Path) -> None:
    os.chmod(tmp_path, 0o750)  # noqa: S103
    with pytest.raises(Refused, match="chmod 700"):
        await run(settings_of(["--runtime-dir", str(tmp_path)]))


async def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Refused, match="cannot be used: Not a directory"):
        await run(settings_of(["--runtime-dir", str(tmp_path / "file" / "sub")]))


async def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "kernel.json").touch(mode=0o600)
    with pytest.raises(Refused, match="is not a connection file"):
        await run(settings_of(["--runtime-dir", str(tmp_path)]))
    assert (tmp_path / "kernel.json").exists()


# --- Real processes ---------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_daemon_serves_and_ends_in_order(daemon: Daemon, number: int) -> None:
    connection = await daemon.connection()
    assert stat.S_IMODE(daemon.file.stat().st_mode) == 0o600
    assert (connection.pid, connection.started_by) == (daemon.process.pid, "serve")
    async with await daemon.client() as client:
        assert (await client.kernel_info()).feed == connection.feed
        uid = await client.create_session()
        reply = await client.execute(uid, "6 * 7", user_expressions={"x": "6 * 7"})
        assert reply.status == "ok"
        running = client.submit(uid, ExecuteRequest(code="while True: pass"))
        await client.session_info(uid)  # it has the request
        following = client.follow(uid)
        last = None
        daemon.process.send_signal(number)
        async with asyncio.timeout(DEADLINE):
            async for batch in following:
                last = batch.publications[-1]
            await running
        assert last is not None
        assert last.content == Status(execution_state="closed", reason="the kernel was stopped")
        async with asyncio.timeout(DEADLINE):
            await client.lost.wait()
    await asyncio.to_thread(daemon.process.wait, DEADLINE)
    code, _ = await asyncio.to_thread(daemon.end)
    assert code == 0
    assert os.listdir(daemon.directory) == ["kernel.lock"]


@pytest.mark.slow
async def test_a_second_daemon_is_refused_in_one_sentence(daemon: Daemon) -> None:
    await daemon.connection()
    second = Daemon(daemon.directory)
    await asyncio.to_thread(second.process.wait, DEADLINE)
    code, text = second.end()
    assert code == 75
    assert text.endswith(f"A kernel is already running in {daemon.directory}.\n")
    async with await daemon.client() as client:
        await client.kernel_info()


@pytest.mark.slow
async def test_what_a_killed_daemon_left_is_replaced(daemon: Daemon) -> None:
    old = await daemon.connection()
    async with await daemon.client() as client:
        uid = await client.create_session()
        running = client.submit(uid, ExecuteRequest(code="while True: pass"))
        await client.session_info(uid)
        await asyncio.to_thread(daemon.kill)
        with pytest.raises(ConnectionLost):
            async with asyncio.timeout(DEADLINE):
                await running
    assert daemon.file.exists()
    daemon.start("--outlive", "0")
    assert await daemon.connection() != old
    async with await daemon.client() as client:
        assert await client.list_sessions() == ()  # it was told not to look for them
    code, _ = await asyncio.to_thread(daemon.end)
    assert code == 0


@pytest.mark.slow
async def test_tcp_serves_on_loopback(directory: Path) -> None:
    daemon = Daemon(directory, "--transport", "tcp")
    try:
        connection = await daemon.connection()
        assert connection.requests.startswith("tcp://127.0.0.1:")
        async with await daemon.client() as client:
            uid = await client.create_session()
            assert (await client.execute(uid, "1")).status == "ok"
        port = int(connection.requests.rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port), timeout=5) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        async with await daemon.client() as client:
            await client.kernel_info()
    finally:
        code, _ = await asyncio.to_thread(daemon.end)
    assert code == 0


@pytest.mark.slow
async def test_a_long_directory_has_its_sockets_elsewhere(directory: Path) -> None:
    long = directory / ("x" * 100)
    long.mkdir(mode=0o700)
    daemon = Daemon(long)
    try:
        connection = await daemon.connection()
        place = Path(connection.requests.removeprefix("ipc://")).parent
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        async with await daemon.client() as client:
            await client.kernel_info()
    finally:
        code, _ = await asyncio.to_thread(daemon.end)
    assert code == 0
    assert not place.exists()


@pytest.mark.slow
async def test_memory_beyond_the_limit_ends_the_session_alone(directory: Path) -> None:
    daemon = Daemon(directory, "--memory-limit", "300M")
    try:
        async with await daemon.client() as client:
            uid, other = await client.create_session(), await client.create_session()
            reply = await client.execute(
                uid, "x = []\nwhile True: x.append(bytearray(10**6))", timeout=DEADLINE
            )
            assert reply.ename == "SessionDead"
            assert reply.evalue.startswith("out of memory: used ")
            assert reply.evalue.endswith("limit 300 MiB")
            assert (await client.execute(other, "1")).status == "ok"
    finally:
        code, _ = await asyncio.to_thread(daemon.end)
    assert code == 0


@pytest.mark.slow
async def test_a_daemon_without_free_descriptors_refuses_and_recovers(daemon: Daemon) -> None:
    async with await daemon.client() as client:
        uid = await client.create_session()
        assert (await client.execute(uid, "x = 41", timeout=DEADLINE)).status == "ok"
        pid = daemon.process.pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        opened = len(os.listdir(f"/proc/{pid}/fd"))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (opened + 3, hard))
        reasons = []
        for _ in range(3):  # the first may get the worker that waits ready-made
            other = await client.create_session()
            with contextlib.suppress(SessionDead):
                await client.execute(other, "1", timeout=DEADLINE)
            reasons.append((await client.session_info(other)).reason)
        assert reasons[-1].endswith(f"nearly as many files open as its limit of {opened + 3} allows")
        assert (await client.execute(uid, "assert x == 41", timeout=DEADLINE)).status == "ok"
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
        await client.restart_session(other)
        assert (await client.execute(other, "1", timeout=DEADLINE)).status == "ok"


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["ipc", "tcp"])
async def test_connections_beyond_the_free_descriptors_are_served_later(
    directory: Path, transport: str
) -> None:
    daemon = Daemon(directory, "--transport", transport)
    connection = await daemon.connection()
    async with await daemon.client() as client:
        uid = await client.create_session()
        assert (await client.execute(uid, "x = 41", timeout=DEADLINE)).status == "ok"
        pid = daemon.process.pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{pid}/fd")) + 100, hard))
        context = zmq.asyncio.Context()
        subscribers = [context.socket(zmq.SUB) for _ in range(300)]
        for subscriber in subscribers:
            subscriber.subscribe(uid)
            subscriber.connect(connection.feed)
        await subscribers[0].poll()  # some are in
        if transport == "ipc":  # by tcp ZeroMQ itself lets them wait, and tells nobody
            await daemon.says("nobody can connect to")
        assert (await client.execute(uid, "assert x == 41", timeout=DEADLINE)).status == "ok"
        assert daemon.process.poll() is None
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))
        async with asyncio.timeout(DEADLINE):
            for subscriber in subscribers:
                await subscriber.recv_multipart()  # the beacon
        for subscriber in subscribers:
            subscriber.close(linger=0)
        context.term()
    code, _ = await asyncio.to_thread(daemon.end)
    assert code == 0
    daemon.close()
