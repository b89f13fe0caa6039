"""From the text of a request to the text of its answer.

What belongs here: finding the method, calling it, turning what went wrong into an answer. What must
never come here: what any one method does.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from . import jsonrpc
from .context import Context
from .errors import InternalError, MethodNotFound, RpcError
from .jsonrpc import Refusal, Request
from .methods import TABLE
from .secret import new_id

_log = logging.getLogger(__name__)


async def dispatch(context: Context, text: bytes | str) -> bytes | None:
    """Answer one text.

    The requests of a batch are carried out one after another, in their order, so that a later one
    sees what an earlier one did.

    Returns: the response or the batch of them; None when there were notifications only.
    """
    call = jsonrpc.parse(text)
    responses = []
    for request in call.requests:
        response = await _answer(context, request)
        if response is not None:
            responses.append(response)
    if call.is_batch:
        return jsonrpc.encode_batch(responses)
    return responses[0] if responses else None


async def _answer(context: Context, request: Request | Refusal) -> bytes | None:
    if isinstance(request, Refusal):
        return jsonrpc.encode_error(request.id, request.error)
    began, outcome = time.perf_counter(), "ok"
    try:
        result = await _carry_out(context, request)
        response = jsonrpc.encode_result(request.id, result)
    except RpcError as error:
        outcome = error.name
        response = jsonrpc.encode_error(request.id, error)
    except Exception:
        # The outermost loop of a request: whatever it is, the caller gets a number and the log the rest.
        incident = new_id()
        _log.exception("%s failed, incident %s", request.method, incident, extra={"incident": incident})
        outcome = InternalError.__name__
        response = jsonrpc.encode_error(request.id, InternalError(incident))
    took = time.perf_counter() - began
    context.served(request.method, outcome, took)
    _log.debug("%.100s: %s in %.1f ms", request.method, outcome, 1000 * took)
    return None if request.is_notification else response


async def _carry_out(context: Context, request: Request) -> Any:
    method = TABLE.get(request.method)
    if method is None:
        raise MethodNotFound(f"There is no method {request.method[:100]!r}.")
    return await method.call(context, method.read(request.params))
