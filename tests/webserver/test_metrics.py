"""Metrics, readiness, the ids of requests, the log, and the pulse of the loop."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import time
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse

from antiphon_webserver import logs
from antiphon_webserver.errors import DatabaseUnavailable
from antiphon_webserver.http.security import Proxies
from antiphon_webserver.methods import TABLE
from antiphon_webserver.pulse import HELD_SECONDS, Pulse
from antiphon_webserver.server import Running, running
from antiphon_webserver.settings import Settings
from tests.webserver.peers import Browser, connect

SECRET = "0123456789abcdef0123"  # noqa: S105


@pytest.fixture
def settings(data: Path) -> Settings:
    return Settings(data=data, kernel=None, account="ada", port=0)


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[Running]:
    async with running(settings) as server:
        yield server


async def get(server: Running, path: str, **headers: str) -> HTTPResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = HTTPRequest(f"http://127.0.0.1:{server.port}{path}", headers=named)
    return await AsyncHTTPClient().fetch(request, raise_error=False)


async def measured(server: Running) -> dict[tuple[str, tuple[str, ...]], float]:
    """Every sample by its name and the values of its labels."""
    answer = await get(server, "/metrics")
    assert answer.code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
    }


def token_of(settings: Settings) -> str:
    return str(json.loads(settings.runtime_file.read_text())["token"])


async def kernel_ready(server: Running) -> None:
    async with asyncio.timeout(60):
        while (await get(server, "/ready")).code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


# --- /metrics ---------------------------------------------------------------------------------


async def test_requests_are_counted_by_method_and_outcome(server: Running, settings: Settings) -> None:
    await kernel_ready(server)
    async with connect(server.port, token_of(settings)) as peer:
        sheet = (await peer.call("worksheet.create", title="a"))["result"]["id"]
        await peer.call("worksheet.subscribe", worksheet=sheet, cursor=0)
        await peer.call("worksheet.open", worksheet="not-there-not-there")
        for made_up in ("made.up", "made.up.too"):
            await peer.call(made_up)
        found = await measured(server)
    assert found["antiphon_rpc_requests_total", ("worksheet.create", "ok")] == 1
    assert found["antiphon_rpc_requests_total", ("worksheet.open", "NotFound")] == 1
    assert found["antiphon_rpc_requests_total", ("unknown", "MethodNotFound")] == 2
    assert found["antiphon_rpc_request_duration_seconds_count", ("worksheet.create",)] == 1
    assert found["antiphon_websocket_connections", ()] == 1
    assert found["antiphon_relay_readers", ("worksheet",)] == 1
    assert found["antiphon_kernel_state", ("ready",)] == 1
    assert found["antiphon_http_responses_total", ("Ready", "200")] >= 1
    assert found["antiphon_database_duration_seconds_count", ("write",)] >= 2
    assert {labels[0] for name, labels in found if name == "antiphon_rpc_requests_total"} <= {
        *TABLE,
        "unknown",
    }


async def test_sessions_and_what_they_publish_are_counted(server: Running, settings: Settings) -> None:
    await kernel_ready(server)
    async with connect(server.port, token_of(settings)) as peer:
        await peer.call("session.run", code="print(1)", timeout=60)
        uid = (await peer.call("session.create", title="s"))["result"]["uid"]
        async with asyncio.timeout(60):
            while not (found := await measured(server)).get(("antiphon_sessions", ("idle",))):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert uid
    assert found["antiphon_publications_stored_total", ()] > 0
    assert found["antiphon_publications_gone_total", ()] == 0
    assert found["antiphon_recorder_lag_seconds", ()] < 60


async def test_metrics_are_for_programs_of_this_machine(server: Running) -> None:
    assert (await get(server, "/metrics")).code == 200
    for header in ("X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via"):
        assert (await get(server, "/metrics", **{header: "203.0.113.5"})).code == 404


async def test_metrics_can_be_for_a_token_or_for_all(settings: Settings) -> None:
    closed = msgspec.structs.replace(settings, metrics="token", metrics_token=SECRET)
    async with running(closed) as server:
        assert (await get(server, "/metrics")).code == 404
        assert (await get(server, "/metrics", Authorization="Bearer wrong")).code == 404
        assert (await get(server, "/metrics", Authorization=f"Bearer {SECRET}")).code == 200
    async with running(msgspec.structs.replace(settings, metrics="open")) as server:
        assert (await get(server, "/metrics", X_Forwarded_For="203.0.113.5")).code == 200


async def test_the_guide_lists_every_measure(server: Running) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "operate.md").read_text(encoding="utf-8")
    table = guide.split("| measure | what |")[1].split("\n\n")[0]
    listed = {name for name in re.findall(r"`(\w+)`", table) if name.startswith("antiphon_")}
    text = (await get(server, "/metrics")).body.decode()
    families = set(re.findall(r"^# TYPE (antiphon_\w+) ", text, re.MULTILINE))
    assert {name for name in families if not name.endswith("_created")} == listed


# --- /ready -----------------------------------------------------------------------------------


async def test_ready_says_which_part_is_not(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    away = msgspec.structs.replace(settings, kernel=settings.data / "kernel.json")
    async with running(away) as server:
        answer = await get(server, "/ready")
        assert (answer.code, json.loads(answer.body)) == (
            503,
            {"ready": False, "database": "ok", "migrations": "ok", "kernel": "starting"},
        )

        async def fails(*_: Any) -> None:
            raise DatabaseUnavailable("disk full")

        monkeypatch.setattr(type(server.context.database), "write", fails)
        body = json.loads((await get(server, "/ready")).body)
        assert (body["database"], body["migrations"]) == ("not writable", "unknown")
        monkeypatch.undo()
        assert (await get(server, "/health")).code == 200


# --- Proxies and ids --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "forwarded", "caller"),
    [
        ("10.0.0.1", "203.0.113.5", "203.0.113.5"),
        ("10.0.0.1", "198.51.100.1, 203.0.113.5", "203.0.113.5"),  # what the caller said of itself
        ("10.0.0.1", "203.0.113.5, 10.0.0.2", "203.0.113.5"),
        ("10.0.0.1", "invented", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("203.0.113.9", "127.0.0.1", "203.0.113.9"),  # no proxy of ours
    ],
)
def test_the_caller_is_the_last_that_is_no_proxy_of_ours(peer: str, forwarded: str, caller: str) -> None:
    proxies = Proxies([ip_network("10.0.0.0/24")])
    assert proxies.caller(peer, {"X-Forwarded-For": forwarded}) == caller


async def test_a_request_has_an_id_which_a_declared_proxy_may_give(settings: Settings) -> None:
    async with running(settings) as server:
        answer = await get(server, "/health", X_Request_Id="from-anybody-0001")
        assert answer.headers["X-Request-Id"] != "from-anybody-0001"
    async with running(msgspec.structs.replace(settings, proxies=(ip_network("127.0.0.1"),))) as server:
        for given, taken in (
            ("from-proxy-0001", True),
            ("short", False),
            ("x" * 65, False),
            ("a b c d e", False),
        ):
            answer = await get(server, "/health", X_Request_Id=given)
            assert (answer.headers["X-Request-Id"] == given) is taken


async def test_past_the_proxy_nobody_comes(settings: Settings) -> None:
    behind = msgspec.structs.replace(settings, host="0.0.0.0", proxies=(ip_network("192.0.2.7"),))  # noqa: S104
    async with running(behind) as server:
        assert (await get(server, "/health")).code == 200
        assert (await get(server, "/health", X_Forwarded_For="127.0.0.1")).code == 403


# --- The log ----------------------------------------------------------------------------------


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The log of everything, as JSON."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.Json())
    # The tests' own client, which is in this process too, writes down what it sends.
    handler.addFilter(lambda record: not record.name.startswith("websockets"))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


async def test_the_log_has_no_secret_and_names_the_request(log: io.StringIO, settings: Settings) -> None:
    async with running(msgspec.structs.replace(settings, metrics="token", metrics_token=SECRET)) as server:
        await kernel_ready(server)
        token = token_of(settings)
        browser = Browser(server)
        await browser.sign_in()
        secrets = [token, SECRET, *browser.cookies.values()]
        password = "a-pass-phrase-that-nobody-knows"  # noqa: S105
        async with connect(server.port, token) as peer:
            await peer.call("account.create", name="grace", password=password)
            made = (await peer.call("token.create", label="t"))["result"]
            secrets += [password, made["secret"]]
            await peer.call("worksheet.create", title=["not a title", password])
            await peer.call("session.run", code=f"x = {password!r}", timeout=60)
        await browser.fetch("/login", {"name": "grace", "password": password})
        await browser.fetch("/login", {"name": "grace", "password": password + "wrong"})
        await get(server, "/metrics", Authorization=f"Bearer {SECRET}")
        await get(server, f"/nothing?token={token}")
    leaked = [line for line in log.getvalue().splitlines() if any(secret in line for secret in secrets)]
    assert leaked == []
    found = [line for line in lines(log) if line["message"].startswith("worksheet.create: InvalidParams")]
    assert len(found) == 1
    assert found[0]["request"]


async def test_an_internal_error_has_its_incident_in_the_log(
    log: io.StringIO, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(TABLE["worksheet.list"], "call", breaks)
    async with running(settings) as server, connect(server.port, token_of(settings)) as peer:
        error = (await peer.call("worksheet.list"))["error"]
    (line,) = [line for line in lines(log) if line["level"] == "error"]
    assert line["incident"] == error["data"]["incident"]
    assert "ZeroDivisionError" in line["exception"]
    assert line["request"].endswith("-1")


def test_a_line_of_text_names_the_request() -> None:
    record = logging.LogRecord("a.b", logging.INFO, "", 0, "said %s", ("it",), None)
    assert logs.Text().format(record).endswith("INFO a.b: said it")
    token = logs.request.set("abc")
    assert logs.Text().format(record).endswith("INFO a.b [abc]: said it")
    logs.request.reset(token)


# --- The pulse --------------------------------------------------------------------------------


def hold(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


@pytest.mark.slow
async def test_what_holds_the_loop_is_named(caplog: pytest.LogCaptureFixture) -> None:
    async with Pulse() as pulse:
        await asyncio.sleep(0)
        hold(0.5)
        async with asyncio.timeout(30):
            while not pulse.late:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    lag, held, stack = pulse.late[0]
    assert lag >= held > HELD_SECONDS
    assert "in hold" in stack
    assert "the event loop was late by" in caplog.text
