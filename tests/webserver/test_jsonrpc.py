"""The text of JSON-RPC 2.0; the examples are those of its specification, section 7."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon_webserver import jsonrpc
from antiphon_webserver.errors import Conflict, RpcError
from antiphon_webserver.jsonrpc import Call, Refusal, Request, parse


def only(text: str | bytes) -> Request | Refusal:
    call = parse(text)
    assert not call.is_batch
    (request,) = call.requests
    return request


def error_of(text: str | bytes) -> RpcError:
    refusal = only(text)
    assert isinstance(refusal, Refusal)
    return refusal.error


def test_parse_reads_params_by_position() -> None:
    text = '{"jsonrpc": "2.0", "method": "subtract", "params": [42, 23], "id": 1}'
    assert only(text) == Request(method="subtract", params=[42, 23], id=1)


def test_parse_reads_params_by_name() -> None:
    text = '{"jsonrpc": "2.0", "method": "subtract", "params": {"minuend": 42}, "id": 3}'
    assert only(text) == Request(method="subtract", params={"minuend": 42}, id=3)


def test_parse_reads_missing_params_as_none_given() -> None:
    assert only('{"jsonrpc": "2.0", "method": "foobar", "id": "1"}') == Request(
        method="foobar", params={}, id="1"
    )


def test_parse_knows_a_notification_by_its_missing_id() -> None:
    request = only('{"jsonrpc": "2.0", "method": "update", "params": [1, 2]}')
    assert request == Request(method="update", params=[1, 2], is_notification=True)


def test_parse_takes_a_null_id_for_a_request() -> None:
    request = only('{"jsonrpc": "2.0", "method": "update", "id": null}')
    assert request == Request(method="update", params={}, id=None, is_notification=False)


@pytest.mark.parametrize("id", ["1", "", 0, -7, 2**70, 1.5, None])
def test_an_id_comes_back_as_it_was(id: jsonrpc.Id) -> None:
    request = only(json.dumps({"jsonrpc": "2.0", "method": "m", "id": id}))
    assert isinstance(request, Request)
    assert json.loads(jsonrpc.encode_result(request.id, None)) == {
        "jsonrpc": "2.0",
        "result": None,
        "id": id,
    }


@pytest.mark.parametrize(
    "text",
    [
        '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]',
        '[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"}, {"jsonrpc": "2.0", "method"',
        "",
        "NaN",
        "{'jsonrpc': '2.0'}",
        b"\xff\xfe",
        '"\\ud800"',
        '{"jsonrpc": "2.0", "method": "m", "id": 1e999}',
    ],
)
def test_parse_answers_what_is_not_json_with_parse_error(text: str | bytes) -> None:
    assert error_of(text).code == -32700
    assert parse(text).requests[0].id is None


@pytest.mark.parametrize(
    ("request_value", "word"),
    [
        ({"jsonrpc": "2.0", "method": 1, "params": "bar"}, "method"),
        ({"jsonrpc": "2.0", "params": []}, "method"),
        ({"jsonrpc": "1.0", "method": "m"}, "jsonrpc"),
        ({"method": "m"}, "jsonrpc"),
        ({"jsonrpc": "2.0", "method": "m", "params": "bar"}, "params"),
        ({"jsonrpc": "2.0", "method": "m", "params": None}, "params"),
        ({"jsonrpc": "2.0", "method": "m", "id": True}, "id"),
        ({"jsonrpc": "2.0", "method": "m", "id": [1]}, "id"),
        ({"jsonrpc": "2.0", "result": 1, "id": 1}, "method"),
        (7, "object"),
        ("m", "object"),
    ],
)
def test_parse_says_what_is_wrong_with_a_request(request_value: Any, word: str) -> None:
    error = error_of(json.dumps(request_value))
    assert error.code == -32600
    assert word in error.sentence


def test_a_request_that_is_wrong_is_answered_under_its_id() -> None:
    refusal = only('{"jsonrpc": "1.0", "method": "m", "id": "x"}')
    assert refusal.id == "x"


def test_an_empty_batch_is_one_invalid_request() -> None:
    assert error_of("[]").code == -32600


def test_a_batch_of_rubbish_is_answered_member_by_member() -> None:
    call = parse("[1, 2, 3]")
    assert call.is_batch
    assert [request.error.code for request in call.requests if isinstance(request, Refusal)] == [-32600] * 3


def test_a_mixed_batch_keeps_its_order() -> None:
    call = parse(
        '[{"jsonrpc": "2.0", "method": "sum", "params": [1], "id": "1"},'
        ' {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},'
        ' {"foo": "boo"}]'
    )
    sum_, hello, rubbish = call.requests
    assert sum_ == Request(method="sum", params=[1], id="1")
    assert hello == Request(method="notify_hello", params=[7], is_notification=True)
    assert isinstance(rubbish, Refusal)


def test_a_batch_of_one_is_still_a_batch() -> None:
    assert parse('[{"jsonrpc": "2.0", "method": "m"}]') == Call(
        requests=(Request(method="m", params={}, is_notification=True),), is_batch=True
    )


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        (b" " * (jsonrpc.MAX_BYTES + 1), "request_bytes"),
        ("é" * (jsonrpc.MAX_BYTES // 2 + 1), "request_bytes"),
        ("[" + ",".join("1" * (jsonrpc.MAX_BATCH + 1)) + "]", "batch_requests"),
        ("[" * (jsonrpc.MAX_DEPTH + 1) + "]" * (jsonrpc.MAX_DEPTH + 1), "request_depth"),
        ("[" * 100_000 + "]" * 100_000, "request_depth"),
        ('{"a":' * (jsonrpc.MAX_DEPTH + 1) + "1" + "}" * (jsonrpc.MAX_DEPTH + 1), "request_depth"),
    ],
)
def test_what_is_too_large_names_its_limit(text: str | bytes, limit: str) -> None:
    error = error_of(text)
    assert (error.code, error.data["limit"]) == (-32005, limit)


def test_the_deepest_allowed_is_read() -> None:
    assert parse("[" * jsonrpc.MAX_DEPTH + "]" * jsonrpc.MAX_DEPTH).is_batch


def test_an_error_is_encoded_with_its_name() -> None:
    response = json.loads(jsonrpc.encode_error(5, Conflict("Somebody was faster.", version=3)))
    assert response == {
        "jsonrpc": "2.0",
        "error": {
            "code": -32004,
            "message": "Somebody was faster.",
            "data": {"name": "Conflict", "version": 3},
        },
        "id": 5,
    }


def test_a_batch_of_notifications_has_no_answer() -> None:
    assert jsonrpc.encode_batch([]) is None


def test_responses_are_bound_into_one_array() -> None:
    batch = jsonrpc.encode_batch([jsonrpc.encode_result(1, "a"), jsonrpc.encode_result(2, "b")])
    assert batch is not None
    assert [response["result"] for response in json.loads(batch)] == ["a", "b"]


@given(st.binary() | st.text())
def test_parse_never_raises(text: bytes | str) -> None:
    assert parse(text).requests


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["jsonrpc", "method", "params", "id", "x"]), json_values))
def test_parse_finds_a_request_or_says_why_not(value: dict[str, Any]) -> None:
    request = only(json.dumps(value))
    if isinstance(request, Refusal):
        assert request.error.code in (-32600, -32700)
    else:
        assert value["jsonrpc"] == "2.0"
        assert isinstance(value["method"], str)
