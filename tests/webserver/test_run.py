"""session.run: code in, outputs out, against a real kernel over real HTTP."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from antiphon_webserver.limits import LIMITS
from tests.conftest import AntiphonServer
from tests.webserver.conftest import Server
from tests.webserver.peers import Peer, connect

pytestmark = pytest.mark.xdist_group("command")

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
async def peer(shared_server: AntiphonServer) -> AsyncIterator[Peer]:
    async with connect(shared_server.port, shared_server.token) as peer:
        yield peer


async def ran(peer: Peer, code: str, **params: Any) -> dict[str, Any]:
    answer = await peer.call("session.run", code=code, **params)
    assert "error" not in answer, answer
    result: dict[str, Any] = answer["result"]
    return result


@pytest.mark.slow
async def test_outputs_come_back_and_the_fresh_session_is_closed(peer: Peer) -> None:
    result = await ran(peer, "print('a', end='')\nprint('\\rb')\n{'x': 1}")
    assert (result["state"], result["reason"], result["execution_count"]) == ("ok", "", 1)
    assert result["outputs"] == [
        {"output_type": "stream", "name": "stdout", "text": "b\n"},
        {
            "output_type": "execute_result",
            "execution_count": 1,
            "data": {"text/plain": "{'x': 1}"},
            "metadata": {},
        },
    ]
    info = await peer.call("session.info", session=result["session"])
    assert info["result"]["state"] == "closed"


@pytest.mark.slow
async def test_a_session_keeps_what_was_run_in_it(peer: Peer) -> None:
    uid = (await peer.call("session.create"))["result"]["uid"]
    await ran(peer, "x = 20", session=uid)
    result = await ran(peer, "x + 1", session=uid)
    assert (result["session"], result["outputs"][0]["data"]) == (uid, {"text/plain": "21"})


@pytest.mark.slow
@pytest.mark.parametrize("place", ["session", "worksheet"])
async def test_what_is_sent_twice_runs_once_and_is_answered_twice(
    place: str, peer: Peer, shared_server: AntiphonServer
) -> None:
    made = (await peer.call(f"{place}.create"))["result"]
    where = {place: made["uid" if place == "session" else "id"]}
    await ran(peer, "count = 0", **where)
    asked = {**where, "msg_id": f"sent-twice-to-a-{place}"}
    async with connect(shared_server.port, shared_server.token) as other:
        both = await asyncio.gather(*(ran(one, "count += 1; print(count)", **asked) for one in (peer, other)))
    for result in (*both, await ran(peer, "count += 1; print(count)", **asked)):
        assert (result["state"], [output["text"] for output in result["outputs"]]) == ("ok", ["1\n"])


@pytest.mark.slow
async def test_what_is_sent_twice_to_a_fresh_session_runs_once(
    peer: Peer, shared_server: AntiphonServer, tmp_path: Path
) -> None:
    path = tmp_path / "runs"
    asked = {"code": f"open({str(path)!r}, 'a').write('x')", "msg_id": "sent-twice-to-a-fresh-session"}
    async with connect(shared_server.port, shared_server.token) as other:
        both = await asyncio.gather(*(ran(one, **asked) for one in (peer, other)))
    results = [*both, await ran(peer, **asked)]
    assert path.read_text() == "x"
    assert [result["state"] for result in results] == ["ok"] * 3
    assert all(result["outputs"] == results[0]["outputs"] for result in results)
    (uid,) = {result["session"] for result in results}
    assert (await peer.call("session.info", session=uid))["result"]["state"] == "closed"


async def test_in_a_worksheet_it_is_a_run_of_its_log(peer: Peer) -> None:
    sheet = (await peer.call("worksheet.create"))["result"]["id"]
    result = await ran(peer, "1/0", worksheet=sheet)
    assert (result["state"], result["reason"]) == ("error", "")
    assert (result["error"]["ename"], result["error"]) == ("ZeroDivisionError", result["outputs"][-1])
    page = (await peer.call("worksheet.since", worksheet=sheet, cursor=0))["result"]
    runs = [entry["run"] for entry in page["entries"] if entry["kind"] == "run_created"]
    assert [(run["code"], run["msg_id"]) for run in runs] == [("1/0", result["msg_id"])]


@pytest.mark.slow
async def test_after_its_time_the_run_is_interrupted_and_what_there_is_comes_back(peer: Peer) -> None:
    uid = (await peer.call("session.create"))["result"]["uid"]
    await ran(peer, "import time", session=uid)
    result = await ran(peer, "print('on', flush=True)\ntime.sleep(600)", session=uid, timeout=0.3)
    assert result["state"] == "timeout"
    assert result["reason"] == "It ran longer than 0.3 seconds and was interrupted."
    assert result["outputs"][0] == {"output_type": "stream", "name": "stdout", "text": "on\n"}
    assert result["error"]["ename"] == "KeyboardInterrupt"
    assert (await ran(peer, "1", session=uid))["state"] == "ok"


@pytest.mark.slow
async def test_code_that_does_not_stop_is_said_to_go_on(peer: Peer) -> None:
    code = "import time\nwhile True:\n    try: time.sleep(600)\n    except KeyboardInterrupt: print('no')"
    result = await ran(peer, code, timeout=0.5)
    assert result["state"] == "timeout"
    assert result["reason"].endswith("It has not stopped yet.")


@pytest.mark.slow
async def test_a_prompt_that_nobody_answers_is_named(peer: Peer) -> None:
    result = await ran(peer, "input('name? ')", timeout=0.5)
    assert (result["state"], result["reason"]) == (
        "timeout",
        "It waited 0.5 seconds for input ('name? ') and was interrupted.",
    )


@pytest.mark.slow
async def test_a_run_that_waits_for_another_interrupts_nobody(peer: Peer) -> None:
    uid = (await peer.call("session.create"))["result"]["uid"]
    first = (await peer.call("session.execute", session=uid, code="a = input()"))["result"]["msg_id"]
    result = await ran(peer, "a * 2", session=uid, timeout=0.3)
    assert result["state"] == "timeout"
    assert "waits for other code" in result["reason"]
    page = (await peer.call("feed.since", session=uid, cursor=0))["result"]
    (prompt,) = (p for p in page["publications"] if p["msg_type"] == "input_request" and p["parent"] == first)
    await peer.call("session.answer", session=uid, prompt=prompt["msg_id"], value="ha")
    assert (await ran(peer, "a", session=uid))["outputs"][0]["data"] == {"text/plain": "'ha'"}


@pytest.mark.slow
async def test_a_session_that_dies_says_why(peer: Peer) -> None:
    result = await ran(peer, "print('on', flush=True)\nimport os\nos._exit(7)")
    assert (result["state"], result["outputs"][0]["text"]) == ("died", "on\n")
    assert "7" in result["reason"]


async def test_a_session_and_a_worksheet_cannot_both_be_named(quick_server: Server) -> None:
    ana = await quick_server.sign_in("ana")
    uid = (await ana.call("session.create"))["uid"]
    sheet = (await ana.call("worksheet.create"))["id"]
    error = await ana.refused("session.run", code="1", session=uid, worksheet=sheet)
    assert (error["code"], error["data"]["field"]) == (-32602, "worksheet")


@pytest.mark.parametrize("timeout", [0, -1, LIMITS["run_seconds"] + 1])
async def test_the_time_limit_is_bounded(quick_server: Server, timeout: float) -> None:
    ana = await quick_server.sign_in("ana")
    error = await ana.refused("session.run", code="1", timeout=timeout)
    assert (error["code"], error["data"]["field"]) == (-32602, "timeout")


@pytest.mark.slow
def test_the_lines_of_the_readme_run_code(shared_server: AntiphonServer) -> None:
    (block,) = re.findall(r"^    curl -s .*(?:\n    .+)*", README.read_text(), re.MULTILINE)
    lines = block.replace("http://127.0.0.1:8750", shared_server.url.rstrip("/"))
    done = subprocess.run(
        ["bash", "-c", lines],
        env={**shared_server.env, "TOKEN": shared_server.token},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert len(block.splitlines()) == 3
    assert json.loads(done.stdout)["result"]["outputs"][0]["text"] == "42\n"
