"""JSON-RPC 2.0 as text: requests in, responses out. Pure: nothing here knows a method.

``parse`` gives what a text asks for; ``encode_result`` and ``encode_error`` give one response each,
``encode_batch`` binds those of a batch. Source: https://www.jsonrpc.org/specification; our bounds are
in ``spec/message_spec.rst``, section *JSON-RPC*.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec

from .errors import InvalidRequest, LimitExceeded, ParseError, RpcError

MAX_BYTES = 4 * 2**20
"""One text. The largest honest one is a cell's source (1,000,000 bytes) in which every byte is escaped."""

MAX_BATCH = 100
"""Requests in one batch: they are carried out one after another, so more would keep the others waiting."""

MAX_DEPTH = 32
"""Arrays and objects inside one another. Parameters need three; far below where parsers give up."""

Id: TypeAlias = str | int | float | None
Params: TypeAlias = dict[str, Any] | list[Any]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request. A notification is never answered, not even with an error."""

    method: str
    params: Params
    id: Id = None
    is_notification: bool = False


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A member of a batch, or a whole text, that is no request; answered with ``error``."""

    error: RpcError
    id: Id = None


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What one text asks for. A batch is answered by an array, even if it had one member."""

    requests: tuple[Request | Refusal, ...]
    is_batch: bool = False


def parse(text: bytes | str) -> Call:
    """Read a text. Never raises: what cannot be read is a ``Refusal`` inside the ``Call``."""
    try:
        value = _decode(text)
        if not isinstance(value, list):
            return Call(requests=(_request(value),))
        if not value:
            raise InvalidRequest("An empty batch asks for nothing.")
        if len(value) > MAX_BATCH:
            raise LimitExceeded(
                f"The batch has {len(value)} requests; at most {MAX_BATCH} are allowed.",
                limit="batch_requests",
                value=MAX_BATCH,
            )
    except RpcError as error:
        return Call(requests=(Refusal(error=error),))
    return Call(requests=tuple(map(_request, value)), is_batch=True)


def encode_result(id: Id, result: Any) -> bytes:
    """The response that carries a result: a struct, a value of JSON, or ``msgspec.Raw``."""
    return _encoder.encode({"jsonrpc": "2.0", "result": result, "id": id})


def encode_error(id: Id, error: RpcError) -> bytes:
    """The response that carries an error; ``data.name`` is its stable word."""
    body = {"code": error.code, "message": error.sentence, "data": {"name": error.name, **error.data}}
    return _encoder.encode({"jsonrpc": "2.0", "error": body, "id": id})


def encode_batch(responses: Sequence[bytes]) -> bytes | None:
    """The answer to a batch: the responses in an array; None, when there were notifications only."""
    if not responses:
        return None
    return b"[" + b",".join(responses) + b"]"


def encode_notification(method: str, params: Any) -> bytes:
    """What the server says unasked."""
    return _encoder.encode({"jsonrpc": "2.0", "method": method, "params": params})


_encoder = msgspec.json.Encoder()


def _decode(text: bytes | str) -> Any:
    size = len(text.encode("utf-8", "replace")) if isinstance(text, str) else len(text)
    if size > MAX_BYTES:
        raise LimitExceeded(
            f"The request has {size} bytes; at most {MAX_BYTES} are allowed.",
            limit="request_bytes",
            value=MAX_BYTES,
        )
    try:
        value = msgspec.json.decode(text)
        too_deep = _deeper(value, MAX_DEPTH)
    except RecursionError:
        too_deep = True
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise ParseError(f"The request is not JSON: {error}.") from error
    if too_deep:
        raise LimitExceeded(
            f"The request has more than {MAX_DEPTH} arrays and objects inside one another.",
            limit="request_depth",
            value=MAX_DEPTH,
        )
    return value


def _deeper(value: Any, depth: int) -> bool:
    if isinstance(value, dict):
        return depth == 0 or any(_deeper(member, depth - 1) for member in value.values())
    if isinstance(value, list):
        return depth == 0 or any(_deeper(member, depth - 1) for member in value)
    return False


def _request(value: Any) -> Request | Refusal:
    if not isinstance(value, dict):
        return Refusal(error=InvalidRequest("A request is a JSON object."))
    id = value.get("id")
    if isinstance(id, (bool, list, dict)):
        return Refusal(error=InvalidRequest("id: a string, a number or null."))
    reason = _fault(value)
    if reason:
        return Refusal(id=id, error=InvalidRequest(reason))
    return Request(
        method=value["method"],
        params=value.get("params", {}),
        id=id,
        is_notification="id" not in value,
    )


def _fault(value: dict[str, Any]) -> str:
    if value.get("jsonrpc") != "2.0":
        return 'jsonrpc: must be "2.0".'
    if not isinstance(value.get("method"), str):
        return "method: must be a string."
    if not isinstance(value.get("params", {}), (dict, list)):
        return "params: an object or an array, or left out."
    return ""
