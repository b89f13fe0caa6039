"""The client against a real HTTP server that answers as the test says."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from antiphon_client.client import _new_id
from antiphon_client.errors import ClientError, NotAntiphon, NotSignedIn, RpcError, ServerUnreachable
from antiphon_client.rpc import Rpc

Answer = Callable[[dict[str, Any]], object]
Serving = Callable[..., AbstractContextManager[tuple[str, list[dict[str, Any]]]]]


def result(value: object) -> Answer:
    return lambda request: {"jsonrpc": "2.0", "id": request["id"], "result": value}


def error(code: int, data: object) -> Answer:
    return lambda request: {
        "jsonrpc": "2.0",
        "id": request["id"],
        "error": {"code": code, "message": "A sentence.", "data": data},
    }


def hang_up(request: dict[str, Any]) -> None:
    return None


def test_a_result_comes_back_as_its_type(serving: Serving) -> None:
    with serving(result([1, 2])) as (url, asked), Rpc(url + "/", "secret") as rpc:
        assert rpc.call("some.method", {"a": 1}, tuple[int, ...]) == (1, 2)
    assert asked == [
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "some.method",
            "params": {"a": 1},
            "path": "/rpc",
            "token": "Bearer secret",
        }
    ]


def test_an_error_tells_code_name_sentence_and_data(serving: Serving) -> None:
    with (
        serving(error(-32004, {"name": "Conflict", "version": 3})) as (url, _),
        Rpc(url) as rpc,
        pytest.raises(RpcError, match="A sentence") as caught,
    ):
        rpc.call("cell.edit", {}, object)
    assert (caught.value.code, caught.value.name, caught.value.data["version"]) == (-32004, "Conflict", 3)


def test_a_token_that_is_not_accepted_has_its_own_class(serving: Serving) -> None:
    with (
        serving(error(-32001, {"name": "NotSignedIn"})) as (url, _),
        Rpc(url) as rpc,
        pytest.raises(NotSignedIn),
    ):
        rpc.call("account.me", {}, object)


def test_an_error_without_data_has_the_name_that_its_code_has_in_json_rpc(serving: Serving) -> None:
    with serving(error(-32601, None)) as (url, _), Rpc(url) as rpc, pytest.raises(RpcError) as caught:
        rpc.call("no.such", {}, object)
    assert caught.value.name == "MethodNotFound"


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"jsonrpc":"2.0","id":1,"result":"text"}'])
def test_something_else_than_the_promised_result_is_said(serving: Serving, answer: bytes) -> None:
    with (
        serving(lambda request: answer) as (url, _),
        Rpc(url) as rpc,
        pytest.raises(NotAntiphon, match=r"some\.method"),
    ):
        rpc.call("some.method", {}, int)


def test_a_request_that_was_interrupted_leaves_nothing_for_the_next(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    with serving(result(1)) as (url, asked), Rpc(url) as rpc:
        with monkeypatch.context() as patch:
            patch.setattr("http.client.HTTPConnection.endheaders", interrupted)
            with pytest.raises(KeyboardInterrupt):
                rpc.call("first.method", {}, int)
        assert rpc.call("second.method", {}, int) == 1
    assert [request["method"] for request in asked] == ["second.method"]


def test_the_answer_to_another_request_is_not_taken(serving: Serving) -> None:
    with (
        serving(lambda request: {"jsonrpc": "2.0", "id": 99, "result": 1}) as (url, _),
        Rpc(url) as rpc,
        pytest.raises(NotAntiphon),
    ):
        rpc.call("some.method", {}, int)


def test_a_kept_connection_that_broke_is_opened_again_for_a_call_that_may_be_repeated(
    serving: Serving,
) -> None:
    with serving(result(1), hang_up, result(2)) as (url, asked), Rpc(url) as rpc:
        assert rpc.call("first", {}, int) == 1
        assert rpc.call("second", {}, int, repeatable=True) == 2
    assert [request["method"] for request in asked] == ["first", "second", "second"]


def test_a_call_that_must_not_be_repeated_is_sent_once(serving: Serving) -> None:
    with serving(result(1), hang_up) as (url, asked), Rpc(url) as rpc:
        rpc.call("first", {}, int)
        with pytest.raises(ServerUnreachable):
            rpc.call("second", {}, int)
    assert [request["method"] for request in asked] == ["first", "second"]


def test_nobody_at_the_address_is_a_sentence(serving: Serving) -> None:
    with serving() as (url, _):
        pass
    with pytest.raises(ServerUnreachable, match="antiphon serve"):
        Rpc(url).call("server.info", {}, object)


@pytest.mark.parametrize("url", ["127.0.0.1:8750", "ftp://a", "http://", ""])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ClientError, match="looks like"):
        Rpc(url)


def test_an_id_made_here_has_22_characters_and_never_looks_like_an_option() -> None:
    ids = {_new_id() for _ in range(2000)}
    assert len(ids) == 2000
    assert {len(id) for id in ids} == {22}
    assert {id[0] for id in ids} == set("AQgw")
