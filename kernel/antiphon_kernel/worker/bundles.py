"""Whatever an object says of itself, as values that a message can hold."""

from __future__ import annotations

import base64
import math
from typing import Any

from .streams import well_formed

MAX_DEPTH = 64
"""Nesting beyond this becomes text; a structure that contains itself must end somewhere."""


def plain(value: Any, depth: int = 0) -> Any:
    """The same value of JSON's types: bytes as base64, other objects as their ``repr``."""
    match value:
        case None | bool():
            return value
        case float():
            # JSON has no infinity and no NaN: null in each encoding, and not in one of them.
            return float(value) if math.isfinite(value) else None
        case str():
            return well_formed(str(value))
        case int():
            # What 64 bits cannot hold would not survive the wire as a number.
            return int(value) if -(2**63) <= value < 2**63 else str(int(value))
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(value).decode("ascii")
    if depth < MAX_DEPTH:
        match value:
            case dict():
                return {well_formed(str(key)): plain(item, depth + 1) for key, item in value.items()}
            case list() | tuple() | set() | frozenset():
                return [plain(item, depth + 1) for item in value]
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "shape", None) == ():
        return plain(item(), depth + 1)  # a NumPy scalar
    return well_formed(repr(value))


def plain_bundle(data: Any) -> dict[str, Any]:
    """``plain`` of a MIME bundle or metadata; nothing becomes an empty one."""
    return {well_formed(str(key)): plain(item) for key, item in dict(data or {}).items()}
