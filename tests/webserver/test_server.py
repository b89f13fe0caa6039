"""The web server as a whole: with a kernel inside over real sockets, and as a process that is killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import msgspec
import pytest

from antiphon_webserver.server import CannotListen, Running, running
from antiphon_webserver.settings import Settings, SettingsRefused
from tests.conftest import AntiphonServer
from tests.webserver.peers import Peer, connect


@pytest.fixture
def settings(data: Path) -> Settings:
    return Settings(data=data, kernel=None, account="ada", port=0)


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[Running]:
    """A server with a kernel inside."""
    async with running(settings) as server:
        yield server


@pytest.fixture
async def token(server: Running, settings: Settings) -> str:
    return str(json.loads(settings.runtime_file.read_text())["token"])


async def run_cell(peer: Peer, source: str) -> tuple[str, dict[str, Any]]:
    """A new worksheet and a run of its first cell."""
    sheet = (await peer.call("worksheet.create", title="T"))["result"]["id"]
    cell = (await peer.call("worksheet.open", worksheet=sheet))["result"]["cells"][0]["id"]
    answer = await peer.call("cell.run", worksheet=sheet, cell=cell, source=source, version=0)
    return sheet, answer["result"]


async def publications(peer: Peer, run: dict[str, Any]) -> list[dict[str, Any]]:
    """What the subscription brings until the run's reply is among it."""
    found: list[dict[str, Any]] = []
    while not any(p["msg_type"] == "execute_reply" and p["parent"] == run["msg_id"] for p in found):
        found += (await peer.notified("feed.publications"))["publications"]
    return found


def numbers(found: list[dict[str, Any]]) -> list[int]:
    return [publication["number"] for publication in found]


async def test_readers_of_a_feed_get_everything_once_in_order(server: Running, token: str) -> None:
    async with connect(server.port, token) as one, connect(server.port, token) as two:
        _, run = await run_cell(one, "for i in range(200): display(i)")
        for peer in (one, two):
            await peer.call("feed.subscribe", session=run["session"], cursor=0)
        first, second = await publications(one, run), await publications(two, run)
        assert numbers(first) == list(range(1, len(first) + 1))
        assert second == first
        async with connect(server.port, token) as again:
            await again.call("feed.subscribe", session=run["session"], cursor=100)
            assert await publications(again, run) == first[100:]
        answer = await two.call("feed.since", session=run["session"], cursor=200, limit=3)
        assert answer["result"]["publications"] == first[200:203]


async def test_a_new_client_is_told_how_the_kernel_is(server: Running, token: str) -> None:
    async with connect(server.port, token) as peer:
        while (await peer.notified("server.kernel")) != {"kernel": "ready"}:
            pass


async def test_run_is_queued_ended_and_in_the_snapshot(server: Running, token: str) -> None:
    async with connect(server.port, token) as peer:
        sheet, run = await run_cell(peer, "print('x' * 3)\n6 * 7")
        assert run["state"] == "queued"
        entries: list[dict[str, Any]] = []
        await peer.call("worksheet.subscribe", worksheet=sheet, cursor=0)
        while not entries or entries[-1]["kind"] != "run_ended":
            entries += (await peer.notified("worksheet.entries"))["entries"]
        kinds = ["cell_created", "session_opened", "cell_edited", "run_created", "run_ended"]
        assert [entry["kind"] for entry in entries] == kinds
        assert (entries[-1]["state"], entries[-1]["run"]) == ("ok", run["id"])
        snapshot = (await peer.call("worksheet.open", worksheet=sheet))["result"]
        outputs = {o["msg_type"]: o["content"] for o in snapshot["outputs"][run["id"]]}
        assert outputs["stream"]["text"] == "xxx\n"
        assert outputs["execute_result"]["data"]["text/plain"] == "42"
        assert snapshot["cursor"] == entries[-1]["number"]


async def test_code_beside_the_cells_is_a_run_of_the_worksheet(server: Running, token: str) -> None:
    async with connect(server.port, token) as peer:
        sheet = (await peer.call("worksheet.create", title="T"))["result"]["id"]
        session = (await peer.call("worksheet.session", worksheet=sheet))["result"]["uid"]
        name = "a-message-id-of-the-client"
        for _ in range(2):
            answer = await peer.call("session.execute", session=session, code="6 * 7", msg_id=name)
            assert answer["result"] == {"msg_id": name}
        await peer.call("worksheet.subscribe", worksheet=sheet, cursor=0)
        found: list[dict[str, Any]] = []
        while not found or found[-1]["kind"] != "run_ended":
            found += (await peer.notified("worksheet.entries"))["entries"]
        assert [entry["kind"] for entry in found].count("run_created") == 1
        created = next(entry["run"] for entry in found if entry["kind"] == "run_created")
        assert (created["id"], created["msg_id"], created["cell"]) == (name, name, None)


async def test_reader_that_does_not_read_does_not_slow_another(server: Running, token: str) -> None:
    async with connect(server.port, token) as fast, connect(server.port, token) as slow:
        _, run = await run_cell(fast, "for i in range(100): display('x' * 100_000)")
        slow.socket.transport.pause_reading()
        for peer in (slow, fast):
            await peer.socket.send(
                json.dumps(
                    {
                        "jsonrpc": "2.0",
                        "method": "feed.subscribe",
                        "params": {"session": run["session"], "cursor": 0},
                    }
                )
            )
        found = await publications(fast, run)
        slow.socket.transport.resume_reading()
        assert await publications(slow, run) == found
        assert numbers(found) == list(range(1, len(found) + 1))


async def test_polling_waits_for_what_comes(server: Running, token: str) -> None:
    async with connect(server.port, token) as peer, connect(server.port, token) as poller:
        session = (await peer.call("session.create"))["result"]["uid"]
        cursor = 0
        executed = (await peer.call("session.execute", session=session, code="print('hello')"))["result"]
        found: list[dict[str, Any]] = []
        while not any(p["parent"] == executed["msg_id"] and p["msg_type"] == "execute_reply" for p in found):
            got = (await poller.call("feed.since", session=session, cursor=cursor, wait=10))["result"]
            found += got["publications"]
            cursor = found[-1]["number"]
        assert [p["content"]["text"] for p in found if p["msg_type"] == "stream"] == ["hello\n"]
        nothing = (await poller.call("feed.since", session=session, cursor=cursor + 9, wait=0.01))["result"]
        assert nothing["publications"] == []


async def test_runtime_file_is_for_this_user_while_the_server_runs(settings: Settings) -> None:
    async with running(settings) as server:
        assert stat.S_IMODE(settings.runtime_file.stat().st_mode) == 0o600
        assert stat.S_IMODE(settings.data.stat().st_mode) == 0o700
        found = json.loads(settings.runtime_file.read_text())
        assert found["url"] == server.url == f"http://127.0.0.1:{server.port}"
        assert found["account"] == "ada"
        assert [path.name for path in settings.data.glob(".server*")] == []
    assert not settings.runtime_file.exists()


async def test_port_in_use_is_told_in_a_sentence(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=f"Port {port} is in use by another program"):
            async with running(msgspec.structs.replace(settings, port=port)):
                pass


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org"])  # noqa: S104
def test_other_addresses_need_permission(settings: Settings, host: str) -> None:
    with pytest.raises(SettingsRefused, match="can be reached from other machines"):
        msgspec.structs.replace(settings, host=host).check()
    msgspec.structs.replace(settings, host=host, proxies=(ip_network("192.0.2.7"),)).check()


def test_hosts_are_the_loopback_names_and_the_public_one(settings: Settings) -> None:
    assert settings.allowed_hosts(80) == {"localhost:80", "127.0.0.1:80", "[::1]:80"}
    public = msgspec.structs.replace(settings, url="https://lab.example/", hosts=("Other:1",))
    assert public.allowed_hosts(1) >= {"lab.example", "other:1"}
    assert public.public_url(1) == "https://lab.example"


# --- As a process -----------------------------------------------------------------------------

COUNT = 60
PRINTS = f"""
import time
for number in range({COUNT}):
    print(number)
    time.sleep(0.05)
"""


@pytest.mark.slow
async def test_every_output_is_stored_once_through_a_kill(antiphon_server: AntiphonServer) -> None:
    """Nobody is connected while the server is killed in the middle of the output and started again."""
    async with connect(antiphon_server.port, antiphon_server.token) as peer:
        sheet, run = await run_cell(peer, PRINTS)
        await peer.call("feed.subscribe", session=run["session"], cursor=0)
        seen: list[dict[str, Any]] = []
        while sum(publication["msg_type"] == "stream" for publication in seen) < 10:
            seen += (await peer.notified("feed.publications"))["publications"]
    antiphon_server.kill()
    await asyncio.sleep(1)  # output that no web server hears
    antiphon_server.restart()
    async with connect(antiphon_server.port, antiphon_server.token) as peer:
        await peer.call("worksheet.subscribe", worksheet=sheet, cursor=0)
        ended: list[dict[str, Any]] = []
        while not ended:
            entries = (await peer.notified("worksheet.entries"))["entries"]
            ended = [entry for entry in entries if entry["kind"] == "run_ended"]
        assert (ended[0]["run"], ended[0]["state"]) == (run["id"], "ok")
        found: list[dict[str, Any]] = []
        while not found or found[-1]["content"].get("execution_state") != "idle":
            cursor = len(found)
            answer = await peer.call("feed.since", session=run["session"], cursor=cursor, wait=5)
            assert answer["result"]["gone"] is None
            found += answer["result"]["publications"]
        assert numbers(found) == list(range(1, len(found) + 1))
        assert found[: len(seen)] == seen
        printed = "".join(p["content"]["text"] for p in found if p["msg_type"] == "stream")
        assert printed.split() == [str(number) for number in range(COUNT)]
        snapshot = (await peer.call("worksheet.open", worksheet=sheet))["result"]
        shown = "".join(
            o["content"]["text"] for o in snapshot["outputs"][run["id"]] if o["msg_type"] == "stream"
        )
        assert shown == printed


@pytest.mark.slow
async def test_a_cell_runs_through_a_kill_of_the_kernel(antiphon_server: AntiphonServer) -> None:
    """It ends well, and what it printed is all there but for a range that is told."""
    async with connect(antiphon_server.port, antiphon_server.token) as peer:
        sheet, run = await run_cell(peer, "kept = 999\n" + PRINTS + "kept += 1\nprint('kept', kept)")
        await peer.call("feed.subscribe", session=run["session"], cursor=0)
        seen: list[dict[str, Any]] = []
        gone: list[list[int]] = []
        kernel = 0
        while not any("kept 1000" in publication["content"].get("text", "") for publication in seen):
            told = await peer.notified("feed.publications")
            seen += told["publications"]
            gone += [told["gone"]] if told["gone"] else []
            if not kernel and sum(publication["msg_type"] == "stream" for publication in seen) >= 10:
                kernel = antiphon_server.kernel_pid
                os.kill(kernel, signal.SIGKILL)
        await peer.call("worksheet.subscribe", worksheet=sheet, cursor=0)
        ended: list[dict[str, Any]] = []
        while not ended:
            entries = (await peer.notified("worksheet.entries"))["entries"]
            ended = [entry for entry in entries if entry["kind"] == "run_ended"]
        assert (ended[0]["run"], ended[0]["state"]) == (run["id"], "ok")
        missing = {number for first, last in gone for number in range(first, last + 1)}
        assert sorted(missing.union(numbers(seen))) == list(range(1, seen[-1]["number"] + 1))
        printed = "".join(p["content"]["text"] for p in seen if p["msg_type"] == "stream").split()
        assert len(printed) == len(set(printed))
        if not missing:
            assert printed == [str(number) for number in range(COUNT)] + ["kept", "1000"]
    assert antiphon_server.kernel_pid not in (0, kernel)


async def _ends(peer: Peer, sheet: str, wanted: set[str]) -> dict[str, dict[str, Any]]:
    """The ends of the runs as the log has them: one each, once all are there."""
    ended: dict[str, dict[str, Any]] = {}
    cursor = 0
    while wanted - ended.keys():
        answer = await peer.call("worksheet.since", worksheet=sheet, cursor=cursor, wait=30)
        for entry in answer["result"]["entries"]:
            cursor = entry["number"]
            if entry["kind"] == "run_ended":
                assert entry["run"] not in ended
                ended[entry["run"]] = entry
    return ended


@pytest.mark.slow
async def test_300_cells_stop_at_a_failure_and_at_a_kill(antiphon_server: AntiphonServer) -> None:
    """More cells than the kernel's queue holds. Each run has one end, and nothing after the stop has run."""
    count, bad = 300, 270
    async with connect(antiphon_server.port, antiphon_server.token) as peer:
        lines = ["# %%\n" + ("1 / 0" if at == bad else f"ran = {at}") for at in range(count)]
        script = "\n\n".join(lines)
        made = await peer.call("worksheet.import", filename="a.py", text=script)
        sheet = made["result"]["id"]
        series = (await peer.call("worksheet.run", worksheet=sheet, which="all"))["result"]
        assert len(series) == count
        ended = await _ends(peer, sheet, {run["id"] for run in series})
        states = [ended[run["id"]]["state"] for run in series]
        assert states == ["ok"] * bad + ["error"] + ["cancelled"] * (count - bad - 1)
        assert ended[series[-1]["id"]]["reason"] == f"not run: cell {bad + 1} before it raised an error"
        check = await peer.call("session.run", worksheet=sheet, code="ran")
        assert str(bad - 1) in json.dumps(check["result"]["outputs"])
        first = series
        series = (await peer.call("worksheet.run", worksheet=sheet, which="all"))["result"]
        while not any(run["state"] == "ok" for run in await _runs(peer, sheet, series)):
            pass
        antiphon_server.kill()
    antiphon_server.restart()
    async with connect(antiphon_server.port, antiphon_server.token) as peer:
        ended = await _ends(peer, sheet, {run["id"] for run in [*first, *series]})
        states = [ended[run["id"]]["state"] for run in series]
        # The next server goes on with the series where the killed one was.
        assert states == ["ok"] * bad + ["error"] + ["cancelled"] * (count - bad - 1)


async def _runs(peer: Peer, sheet: str, series: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ids = {run["id"] for run in series}
    snapshot = (await peer.call("worksheet.open", worksheet=sheet))["result"]
    return [run for run in snapshot["runs"] if run["id"] in ids]


@pytest.mark.slow
async def test_clients_are_told_when_the_server_ends(antiphon_server: AntiphonServer) -> None:
    async with connect(antiphon_server.port, antiphon_server.token) as peer:
        assert antiphon_server.process is not None
        antiphon_server.process.send_signal(signal.SIGTERM)
        await peer.socket.wait_closed()
        assert (peer.socket.close_code, peer.socket.close_reason) == (1001, "the server is ending")
    assert await asyncio.to_thread(antiphon_server.process.wait, 20) == 0
    assert not (antiphon_server.data / "server.json").exists()
