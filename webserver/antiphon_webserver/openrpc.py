"""The OpenRPC document: every method with the types of its parameters and its result.

Generated from the handlers, so it cannot be out of date. Source: https://spec.open-rpc.org, 1.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from . import __version__
from .access import Need
from .errors import RPC_ERRORS
from .method import Method
from .model import AnyEntry, Person, Publication

REFERENCE = "#/components/schemas/{name}"


def document(methods: Mapping[str, Method], public_url: str) -> dict[str, Any]:
    """The document as JSON values.

    Args:
        methods: the table of methods.
        public_url: where the server is, without a slash at its end.
    """
    named = list(methods.values())
    results = [method.result for method in named]
    structs, components = msgspec.json.schema_components(
        [*(method.params for method in named), *(result for result in results if result is not type(None))]
        + [AnyEntry, Publication, Person],
        ref_template=REFERENCE,
    )
    schemas = iter(structs)
    params = {method.name: components.pop(_name(next(schemas))) for method in named}
    result_schemas = {
        method.name: {"type": "null"} if method.result is type(None) else next(schemas) for method in named
    }
    return {
        "openrpc": "1.3.2",
        "info": {
            "title": "Antiphon",
            "version": __version__,
            "license": {"name": "BSD-3-Clause"},
        },
        "servers": [{"name": "this server", "url": f"{public_url}/rpc"}],
        "methods": [_method(method, params[method.name], result_schemas[method.name]) for method in named],
        "components": {"schemas": components, "errors": _errors()},
    }


def _method(method: Method, params: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    required = params.get("required", ())
    return {
        "name": method.name,
        "summary": method.summary,
        "description": _who(method.need),
        "paramStructure": "either",
        "params": [
            {"name": name, "required": name in required, "schema": schema}
            for name, schema in params["properties"].items()
        ],
        "result": {"name": "result", "schema": result},
        "errors": [{"$ref": f"#/components/errors/{error.__name__}"} for error in RPC_ERRORS.values()],
    }


def _who(need: Need) -> str:
    match need.who:
        case "anyone":
            return "For anyone."
        case "account":
            words = "For anyone who is signed in."
        case "admin":
            words = "For admins."
        case "place":
            words = (
                f"For anyone who is signed in; needs the role {need.role!r} in a worksheet or session given."
            )
        case _:
            words = f"Needs the role {need.role!r} in the {need.who}."
    if need.edits:
        words += f" Giving {need.edits!r} needs the role 'edit'."
    if need.oneself:
        words += f" Naming oneself as {need.oneself!r} needs less."
    if need.makes:
        words += " A visitor may not, nor a token for one worksheet or below the scope 'edit'."
    if need.live:
        words += " Over a WebSocket only."
    return words


def _errors() -> dict[str, Any]:
    return {
        error.__name__: {
            "code": code,
            "message": (error.__doc__ or "").splitlines()[0],
            "data": {"name": error.__name__},
        }
        for code, error in RPC_ERRORS.items()
    }


def _name(reference: dict[str, Any]) -> str:
    return str(reference["$ref"]).rsplit("/", 1)[1]
