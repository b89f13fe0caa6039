"""From text to text: parameters, errors, batches, bounds."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta

from antiphon_webserver import openrpc
from antiphon_webserver.access import ACCOUNT, ANYONE
from antiphon_webserver.context import Context
from antiphon_webserver.dispatcher import dispatch
from antiphon_webserver.errors import DeadlinePassed, InvalidParams
from antiphon_webserver.gate import Gate
from antiphon_webserver.method import Method
from antiphon_webserver.methods import TABLE
from tests.webserver.conftest import Server


async def handler(
    context: Context,
    *,
    name: str,
    count: Annotated[int, Meta(ge=0, le=9)] = 1,
    kind: Literal["code", "markdown"] | None = None,
) -> str:
    """Say what was given."""
    return f"{name} {count} {kind}"


METHOD = Method("test.method", handler, ANYONE)


async def ask(server: Server, text: str | bytes) -> Any:
    answer = await dispatch(server.context, text)
    return None if answer is None else json.loads(answer)


def request(method: str, id: int = 1, **params: Any) -> str:
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": id})


def test_params_are_read_by_name_and_by_position() -> None:
    by_name = METHOD.read({"name": "a", "count": 2, "kind": "code"})
    assert by_name == METHOD.read(["a", 2, "code"])
    assert METHOD.read(["a"]) == METHOD.read({"name": "a", "count": 1, "kind": None})


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({}, "name"),
        ([], "name"),
        ({"name": 1}, "name"),
        ({"name": None}, "name"),
        ({"name": "a", "count": "2"}, "count"),
        ({"name": "a", "count": True}, "count"),
        ({"name": "a", "count": -1}, "count"),
        ({"name": "a", "count": 10}, "count"),
        ({"name": "a", "count": 2**100}, "count"),
        ({"name": "a", "kind": "raw"}, "kind"),
        ({"name": "a", "other": 1}, "other"),
        ({"name": "a\0b"}, "name"),
        ({"name": {"x": ["\0"]}}, "name.x[0]"),
        (["a", 1, None, 4], "3"),
        (["a", [1]], "count"),
    ],
)
def test_params_that_are_wrong_are_named(params: Any, field: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        METHOD.read(params)
    assert caught.value.data["field"] == field
    assert "\n" not in caught.value.sentence


async def test_a_batch_is_answered_in_order_without_its_notifications(quick_server: Server) -> None:
    notification = '{"jsonrpc": "2.0", "method": "account.me"}'
    batch = f"[{request('server.info', 1)}, 1, {notification}, {request('account.me', 2)}]"
    answers = await ask(quick_server, batch)
    assert [(answer["id"], answer.get("error", {}).get("code")) for answer in answers] == [
        (1, None),
        (None, -32600),
        (2, -32001),
    ]


@pytest.mark.parametrize(
    "text",
    [
        '{"jsonrpc": "2.0", "method": "server.info"}',
        '{"jsonrpc": "2.0", "method": "no.such.method"}',
        '{"jsonrpc": "2.0", "method": "server.info", "params": [1, 2, 3]}',
        '{"jsonrpc": "2.0", "method": "account.me"}',
        '[{"jsonrpc": "2.0", "method": "server.info"}, {"jsonrpc": "2.0", "method": "account.me"}]',
    ],
)
async def test_a_notification_is_never_answered(text: str, quick_server: Server) -> None:
    assert await ask(quick_server, text) is None


async def test_an_unknown_method_is_said_to_be_unknown(quick_server: Server) -> None:
    answer = await ask(quick_server, request("worksheet.hack"))
    assert answer["error"] == {
        "code": -32601,
        "message": "There is no method 'worksheet.hack'.",
        "data": {"name": "MethodNotFound"},
    }


async def test_a_defect_is_told_by_its_number_only(
    quick_server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(context: Context) -> None:
        """Fail."""
        raise ZeroDivisionError("the secret is hunter2")

    monkeypatch.setitem(TABLE, "server.info", Method("server.info", broken, ANYONE))
    with caplog.at_level(logging.ERROR):
        error = (await ask(quick_server, request("server.info")))["error"]
    assert error["code"] == -32603
    assert "hunter2" not in json.dumps(error)
    assert error["data"]["incident"] in caplog.text
    assert "hunter2" in caplog.text


async def test_a_result_that_cannot_be_encoded_is_a_defect(
    quick_server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def odd(context: Context) -> object:
        """Return what has no JSON."""
        return object()

    monkeypatch.setitem(TABLE, "server.info", Method("server.info", odd, ANYONE))
    assert (await ask(quick_server, request("server.info")))["error"]["code"] == -32603


async def test_a_database_that_fails_is_a_defect_without_details(
    quick_server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    ana = await quick_server.sign_in("ana")
    await quick_server.context.database.write(_drop)
    error = await ana.refused("worksheet.list")
    assert error["data"].keys() == {"name", "incident"}
    assert "no such table" in caplog.text


def _drop(connection: Any) -> None:
    connection.exec_driver_sql("DROP TABLE members")


async def test_what_was_begun_is_carried_out_though_the_caller_goes(
    quick_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def slow(context: Context) -> None:
        """Take a while."""
        begun.set()
        await go_on.wait()
        done.set()

    monkeypatch.setitem(TABLE, "server.info", Method("server.info", slow, ANYONE))
    task = asyncio.ensure_future(dispatch(quick_server.context, request("server.info")))
    await begun.wait()
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done.is_set()


async def test_the_gate_refuses_who_gets_no_turn() -> None:
    gate = Gate(at_once=1, waiting=1, seconds=0.0)
    async with gate.turn(waits=False):
        with pytest.raises(DeadlinePassed):
            async with gate.turn(waits=False):
                pass
        async with gate.turn(waits=True):
            pass
    async with gate.turn(waits=False):
        pass


async def test_those_who_wait_for_news_take_no_turn_from_others(quick_server: Server) -> None:
    inside: asyncio.Queue[None] = asyncio.Queue()

    async def waiting(context: Context, *, wait: float = 0) -> None:
        """Wait for news."""
        inside.put_nowait(None)
        await asyncio.Event().wait()

    method = Method("test.wait", waiting, ANYONE)
    context = quick_server.context
    tasks = [asyncio.ensure_future(method.call(context, method.read({"wait": 9}))) for _ in range(100)]
    for _ in tasks:
        await inside.get()
    assert (await ask(quick_server, request("server.info")))["result"]["kernel"] == "ready"
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_discover_describes_every_method(quick_server: Server) -> None:
    document = (await ask(quick_server, request("rpc.discover")))["result"]
    assert document["openrpc"].startswith("1.3.")
    assert [method["name"] for method in document["methods"]] == list(TABLE)
    for method in document["methods"]:
        assert [param["name"] for param in method["params"]] == list(TABLE[method["name"]].parameters)
        assert method["summary"].endswith("."), method["name"]
        required = [param["required"] for param in method["params"]]
        assert required == sorted(required, reverse=True), f"{method['name']}: the required ones come first"


async def test_discover_refers_to_what_it_has(quick_server: Server) -> None:
    document = (await ask(quick_server, request("rpc.discover")))["result"]

    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return own + [found for member in value.values() for found in references(member)]
        if isinstance(value, list):
            return [found for member in value for found in references(member)]
        return []

    found = references(document)
    assert found
    for reference in found:
        at = document
        for part in reference.removeprefix("#/").split("/"):
            at = at[part]


def test_discover_knows_types_and_bounds() -> None:
    document = openrpc.document(
        {"test.method": METHOD, "test.two": Method("test.two", handler, ACCOUNT)}, "u"
    )
    (name, count, kind) = document["methods"][0]["params"]
    assert name == {"name": "name", "required": True, "schema": {"type": "string"}}
    assert count["schema"] == {"type": "integer", "minimum": 0, "maximum": 9, "default": 1}
    assert kind["required"] is False
    assert document["methods"][0]["result"]["schema"] == {"type": "string"}
    assert document["components"]["errors"]["Conflict"]["code"] == -32004
