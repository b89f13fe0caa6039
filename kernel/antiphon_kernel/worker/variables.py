"""What can be told of a session's variables without running any of its code.

Whoever looks must never make anything happen: no ``__repr__``, ``__len__``, ``__getattr__`` or property of
the session's own classes is called, so none can hang, fail or print. Values of Python's own types are read
by the functions of those types; arrays, tables and tensors of well-known libraries by the few attributes of
theirs that are named here; of everything else the class is told. All of it is bounded: in number, in
characters, in seconds.

``isinstance``, ``==`` and ``hash`` are such calls too, where a class or its metaclass defines them: classes
are compared by identity here.
"""

from __future__ import annotations

import datetime
import decimal
import itertools
import pathlib
import sys
import time
import types
import uuid
import zoneinfo
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ..message import (
    Variable,
    VariableColumn,
    VariableReply,
    VariableRequest,
    VariablesReply,
    VariablesRequest,
)
from .streams import well_formed

LOOK_SECONDS = 0.5
"""For one list: what is not told by then is for the next request."""

REPLY_CHARACTERS = 256 * 1024
"""In one list, names and previews together."""

NAME_CHARACTERS = 200
"""Of a name, a class and a column. A variable with a longer name is not listed: nobody typed it."""

PREVIEW_CHARACTERS = 160
"""One line of a table, for a person."""

TEXT_CHARACTERS = 10_000
"""Of one value that is looked at by itself."""

CELL_CHARACTERS = 100
MAX_COLUMNS = 100
"""Of a table of which a part is shown."""

SIZED_COLUMNS = 1000
"""A table with more columns is not asked for its size: pandas would look at each of them."""

ITEMS = 6
DEPTH = 2
INT_BITS = 4096
"""Larger numbers take long to write in decimal, and nobody reads them."""

_CODE = (
    types.ModuleType,
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.MethodWrapperType,
    type,
)
"""What a namespace holds beside values."""

_ITS_OWN = frozenset(("In", "Out", "exit", "quit", "get_ipython", "open"))
"""IPython's names, whatever they are bound to now."""

_mro: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__
_dict: Callable[[type], Mapping[str, Any]] = type.__dict__["__dict__"].__get__
"""Past what a metaclass may have made of them."""


def _name(kind: type) -> str:
    return str.__str__(type.__dict__["__name__"].__get__(kind))


def _is_one_of(kind: type, kinds: Iterable[Any]) -> bool:
    return any(kind is each for each in kinds)


class _Look(NamedTuple):
    """What is told of a value, beside its class."""

    preview: str = ""
    shape: tuple[int, ...] | None = None
    size: int | None = None


def list_variables(
    namespace: Mapping[str, Any], hidden: Mapping[str, Any], request: VariablesRequest
) -> VariablesReply:
    """The variables in the order of their names, from ``start`` on, as many as there is room and time for.

    Args:
        namespace: the session's. Code may change it meanwhile.
        hidden: what was there before the session began, which it has not bound anew.
    """
    names = sorted(_names(namespace, hidden, request))
    end = min(request.start + request.limit, len(names))
    stop = time.monotonic() + LOOK_SECONDS
    told: list[Variable] = []
    characters = 0
    at = request.start
    while at < end and (not told or (time.monotonic() < stop and characters < REPLY_CHARACTERS)):
        name, at = names[at], at + 1
        if (value := namespace.get(name, _GONE)) is not _GONE:
            told.append(variable := _told(name, value))
            characters += len(name) + len(variable.preview) + len(variable.type) + len(variable.module)
    return VariablesReply(variables=tuple(told), total=len(names), next=at if at < len(names) else None)


def _names(
    namespace: Mapping[str, Any], hidden: Mapping[str, Any], request: VariablesRequest
) -> Iterator[str]:
    wanted = request.search.casefold()
    for name, value in list(namespace.items()):  # as one step, whatever other threads do
        if type(name) is not str or len(name) > NAME_CHARACTERS or name in _ITS_OWN:
            continue
        if wanted not in name.casefold() or hidden.get(name, _GONE) is value:
            continue
        if request.hidden or not (name.startswith("_") or _is_code(value)):
            yield name


_GONE: Any = object()


def _is_code(value: object) -> bool:
    return any(_is_one_of(base, _CODE) for base in _mro(type(value)))


def show_variable(namespace: Mapping[str, Any], request: VariableRequest) -> VariableReply:
    """One variable, and a part of its rows, items or attributes."""
    value = namespace.get(request.name, _GONE)
    if value is _GONE:
        return VariableReply()
    table = _part_of(value, request.start, request.limit)
    return VariableReply(
        variable=_told(request.name, value),
        text=_cut(_sketch(value, depth=4, items=50, characters=TEXT_CHARACTERS), TEXT_CHARACTERS),
        columns=tuple(
            VariableColumn(name=_cut(name, NAME_CHARACTERS), type=_cut(kind, NAME_CHARACTERS))
            for name, kind in table.columns[:MAX_COLUMNS]
        ),
        rows=tuple(tuple(_cut(cell, CELL_CHARACTERS) for cell in row[:MAX_COLUMNS]) for row in table.rows),
        total=table.total,
        width=table.width,
    )


def _told(name: str, value: object) -> Variable:
    kind = type(value)
    try:
        look = _look(value)
    except Exception:  # it changes while it is looked at, or the library is of another version
        look = _Look()
    return Variable(
        name=well_formed(name),
        type=_cut(_name(kind), NAME_CHARACTERS),
        module=_cut(_module(kind), NAME_CHARACTERS),
        shape=look.shape,
        size_bytes=look.size,
        preview=_cut(look.preview, PREVIEW_CHARACTERS),
        id=id(value),
    )


def _module(kind: type) -> str:
    module = type.__dict__["__module__"].__get__(kind)
    return module if type(module) is str else ""


def _cut(text: str, characters: int) -> str:
    text = well_formed(text[: characters + 1])
    return text if len(text) <= characters else text[: characters - 1] + "…"


# --- Python's own


def _look(value: object) -> _Look:
    if (found := _known(value)) is not None:
        return found.look(value)
    kind = type(value)
    base = _base(kind)
    shape = (base.__len__(value),) if base in _SIZED else None
    size = base.__sizeof__(value) if base is not object else None
    preview = _sketch(value, depth=DEPTH, items=ITEMS, characters=PREVIEW_CHARACTERS)
    return _Look(preview, shape, size)


_SIZED: tuple[Any, ...] = (list, tuple, dict, set, frozenset, str, bytes, bytearray)
_PLAIN: tuple[Any, ...] = (*_SIZED, int, bool, float, complex, type(None), range)


def _base(kind: type) -> Any:
    """The class of Python's own whose functions read a value of this class; ``object`` if there is none."""
    return next((base for base in _mro(kind) if _is_one_of(base, _PLAIN)), object)


_TEXTS: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (bool, repr),
    (type(None), repr),
    (type(Ellipsis), repr),
    (float, repr),
    (complex, repr),
    (range, repr),
    (decimal.Decimal, str),
    (uuid.UUID, str),
    (datetime.date, str),
    (datetime.timedelta, str),
    (pathlib.PosixPath, str),
)
_TIME_ZONES = (type(None), datetime.timezone, zoneinfo.ZoneInfo)


def _sketch(value: Any, *, depth: int, items: int, characters: int) -> str:
    """A text of a value, made of what Python itself knows; anything else is its class in ``<>``."""
    kind = type(value)
    if (text := next((text for each, text in _TEXTS if each is kind), None)) is not None:
        return text(value)
    if kind is int:
        return repr(value) if value.bit_length() <= INT_BITS else f"<int of {value.bit_length()} bits>"
    if _is_one_of(kind, (str, bytes, bytearray)):
        return repr(value[:characters]) + ("…" if len(value) > characters else "")
    if _is_one_of(kind, (datetime.datetime, datetime.time)):
        return str(value) if _is_one_of(type(value.tzinfo), _TIME_ZONES) else f"<{_name(kind)}>"
    if _is_code(value):
        return _sketch_of_code(value)
    if (known := _known(value)) is not None:
        return known.look(value).preview or f"<{_name(kind)}>"
    base = _base(kind)
    if (brackets := _BRACKETS.get(base)) is None or (depth <= 0 and base.__len__(value)):
        return f"<{_name(kind)}>"
    parts = ", ".join(_parts(value, base, depth=depth, items=items, characters=characters))
    return f"{'' if kind is base else _name(kind)}{brackets[0]}{parts}{brackets[1]}"


_BRACKETS: dict[Any, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("{", "}"),
    dict: ("{", "}"),
}


def _parts(value: Any, base: Any, *, depth: int, items: int, characters: int) -> Iterator[str]:
    def part(each: object) -> str:
        return _sketch(each, depth=depth - 1, items=items, characters=characters)

    length = 0
    for each in _items(value, base, 0, items):
        text = f"{part(each[0])}: {part(each[1])}" if base is dict else part(each)
        yield text
        length += len(text)
        if length > characters:
            break
    if base.__len__(value) > items:
        yield "…"


def _items(value: Any, base: Any, start: int, count: int) -> list[Any]:
    """Some items of a list, tuple, set or dict, read past what a class may have made of them."""
    if base is list or base is tuple:
        return list(base.__getitem__(value, slice(start, start + count)))
    each: Iterable[Any] = dict.items(value) if base is dict else base.__iter__(value)
    return list(itertools.islice(each, start, start + count))


def _sketch_of_code(value: Any) -> str:
    kind = type(value)
    if kind is types.ModuleType:
        name = types.ModuleType.__getattribute__(value, "__dict__").get("__name__")
        return f"<module {name}>" if type(name) is str else "<module>"
    if any(base is type for base in _mro(kind)):
        return f"<class {_name(value)}>"
    if kind is types.FunctionType:
        return f"<function {str.__str__(value.__qualname__)}>"
    return f"<{_name(kind)}>"


# --- a part of a value, as a table


class _Table(NamedTuple):
    columns: list[tuple[str, str]] = []
    rows: list[list[str]] = []
    total: int = 0
    width: int = 0


def _part_of(value: object, start: int, limit: int) -> _Table:
    try:
        if (known := _known(value)) is not None:
            return known.part(value, start, limit)
        base = _base(type(value))
        if base in _BRACKETS:
            return _part_of_items(value, base, start, limit)
        return _part_of_attributes(value, start, limit) if base is object else _Table()
    except Exception:  # as above
        return _Table()


def _cell(value: object) -> str:
    if type(value) is str:
        return value[: CELL_CHARACTERS + 1]
    return _sketch(value, depth=1, items=ITEMS, characters=CELL_CHARACTERS)


def _row(name: str, value: object) -> list[str]:
    return [name, _name(type(value)), _sketch(value, depth=DEPTH, items=ITEMS, characters=CELL_CHARACTERS)]


def _part_of_items(value: Any, base: Any, start: int, limit: int) -> _Table:
    found = _items(value, base, start, limit)
    if base is dict:
        rows = [_row(_cell(key), each) for key, each in found]
    else:
        rows = [_row(str(start + at), each) for at, each in enumerate(found)]
    head = "key" if base is dict else "index"
    return _Table([(head, ""), ("type", ""), ("value", "")], rows, base.__len__(value), 3)


def _part_of_attributes(value: object, start: int, limit: int) -> _Table:
    attributes = _instance_dict(value)
    names = [name for name in list(attributes) if type(name) is str]
    rows = [_row(name, attributes.get(name)) for name in names[start : start + limit]]
    return _Table([("attribute", ""), ("type", ""), ("value", "")], rows, len(names), 3)


def _instance_dict(value: object) -> dict[str, Any]:
    """The attributes of an object itself, unless its class computes them."""
    for base in _mro(type(value)):
        if (slot := _dict(base).get("__dict__")) is not None:
            if type(slot) is not types.GetSetDescriptorType:
                break
            found = slot.__get__(value)
            return found if type(found) is dict else {}
    return {}


# --- libraries


class _Known(NamedTuple):
    look: Callable[[Any], _Look]
    part: Callable[[Any, int, int], _Table] = lambda value, start, limit: _Table()


def _known(value: object) -> _Known | None:
    """How to read a value of a library that is known here, if its class is of a library too: a class that
    the session's cells made may have overridden anything."""
    for base in _mro(type(value)):
        module = _module(base)
        if module == "__main__":
            return None
        top = module.partition(".")[0]
        found = _LIBRARIES.get((top, _name(base)))
        if found is not None and getattr(sys.modules.get(top), _name(base), None) is base:
            return found
    return None


def _shape(shape: Iterable[Any]) -> tuple[int, ...]:
    return tuple(int(each) for each in shape)


def _kind_of_values(dtype: Any) -> str:
    """The name of a dtype, if a library and no cell made its class."""
    top = _module(type(dtype)).partition(".")[0]
    return str(dtype) if top in ("numpy", "pandas", "polars", "torch") else _name(type(dtype))


def _sequence(kind: str, values: Iterable[object], more: bool) -> str:
    texts = [_sketch(each, depth=1, items=ITEMS, characters=CELL_CHARACTERS) for each in values]
    return f"{kind}: {', '.join([*texts, '…'] if more else texts)}" if texts else kind


_READABLE = "biufcSU"
"""Kinds of arrays whose items are Python's own values; of others the texts are asked for, or nothing."""


def _array_values(array: Any) -> list[Any]:
    if array.dtype.kind in "mM":
        array = array.astype(str)
    return list(array.tolist()) if array.dtype.kind in _READABLE else []


def _plain_array(value: Any) -> Any:
    ndarray = sys.modules["numpy"].ndarray
    return ndarray.view(value, ndarray)


def _look_at_array(value: Any) -> _Look:
    array = _plain_array(value)
    first = _array_values(array.flat[:ITEMS])
    return _Look(
        _sequence(str(array.dtype), first, array.size > ITEMS), _shape(array.shape), int(array.nbytes)
    )


def _part_of_array(value: Any, start: int, limit: int) -> _Table:
    array = _plain_array(value)
    if array.ndim not in (1, 2):
        return _Table()
    width = array.shape[1] if array.ndim == 2 else 1
    part = array[start : start + limit].reshape(-1, width)[:, :MAX_COLUMNS]
    rows = [[str(start + at), *map(_cell, _array_values(row))] for at, row in enumerate(part)]
    names = [(str(at), str(array.dtype)) for at in range(min(width, MAX_COLUMNS))]
    return _Table([("", "index"), *names], rows, int(array.shape[0]), width + 1)


def _look_at_scalar(value: Any) -> _Look:
    item = value.item()
    text = (
        "" if type(item) is type(value) else _sketch(item, depth=1, items=ITEMS, characters=CELL_CHARACTERS)
    )
    return _Look(text, None, int(value.nbytes))


def _look_at_frame(value: Any) -> _Look:
    rows, width = _shape(value.shape)
    kinds = zip(value.columns[:ITEMS].tolist(), value.dtypes.iloc[:ITEMS].tolist(), strict=True)
    columns = [f"{_cell(name)} ({_kind_of_values(kind)})" for name, kind in kinds]
    size = int(value.memory_usage(index=True, deep=False).sum()) if width <= SIZED_COLUMNS else None
    return _Look(", ".join([*columns, "…"] if width > ITEMS else columns), (rows, width), size)


def _part_of_frame(value: Any, start: int, limit: int) -> _Table:
    part = value.iloc[start : start + limit, :MAX_COLUMNS]
    names = [
        (_cell(name), _kind_of_values(kind))
        for name, kind in zip(part.columns.tolist(), part.dtypes.tolist(), strict=True)
    ]
    columns = [part.iloc[:, at].tolist() for at in range(len(names))]
    rows = [[_cell(each) for each in row] for row in zip(part.index.tolist(), *columns, strict=True)]
    total, width = _shape(value.shape)
    return _Table([("", _kind_of_values(part.index.dtype)), *names], rows, total, width + 1)


def _look_at_series(value: Any) -> _Look:
    return _look_at_column(value, value.iloc[:ITEMS])


def _look_at_index(value: Any) -> _Look:
    return _look_at_column(value, value[:ITEMS])


def _look_at_column(value: Any, first: Any) -> _Look:
    (length,) = _shape(value.shape)
    preview = _sequence(_kind_of_values(value.dtype), first.tolist(), length > ITEMS)
    return _Look(preview, (length,), int(value.memory_usage(deep=False)))


def _part_of_series(value: Any, start: int, limit: int) -> _Table:
    return _part_of_frame(value.to_frame(), start, limit)


def _look_at_time(value: Any) -> _Look:
    return _Look(str(value))


def _look_at_polars_frame(value: Any) -> _Look:
    rows, width = _shape(value.shape)
    columns = [f"{name} ({kind})" for name, kind in itertools.islice(value.schema.items(), ITEMS)]
    preview = ", ".join([*columns, "…"] if width > ITEMS else columns)
    return _Look(preview, (rows, width), int(value.estimated_size()))


def _part_of_polars_frame(value: Any, start: int, limit: int) -> _Table:
    total, width = _shape(value.shape)
    names = [(name, str(kind)) for name, kind in itertools.islice(value.schema.items(), MAX_COLUMNS)]
    part = value[:, :MAX_COLUMNS].slice(start, limit)
    return _Table(names, [[_cell(each) for each in row] for row in part.rows()], total, width)


def _look_at_polars_series(value: Any) -> _Look:
    preview = _sequence(str(value.dtype), value.head(ITEMS).to_list(), value.len() > ITEMS)
    return _Look(preview, (int(value.len()),), int(value.estimated_size()))


def _part_of_polars_series(value: Any, start: int, limit: int) -> _Table:
    return _part_of_polars_frame(value.to_frame(), start, limit)


def _look_at_tensor(value: Any) -> _Look:
    # Not its values: those of a device may have to be waited for.
    size = int(value.nelement()) * int(value.element_size())
    return _Look(f"{value.dtype} on {value.device}", _shape(value.shape), size)


_LIBRARIES: dict[tuple[str, str], _Known] = {
    ("numpy", "ndarray"): _Known(_look_at_array, _part_of_array),
    ("numpy", "generic"): _Known(_look_at_scalar),
    ("pandas", "DataFrame"): _Known(_look_at_frame, _part_of_frame),
    ("pandas", "Series"): _Known(_look_at_series, _part_of_series),
    ("pandas", "Index"): _Known(_look_at_index, _part_of_series),
    ("pandas", "Timestamp"): _Known(_look_at_time),
    ("pandas", "Timedelta"): _Known(_look_at_time),
    ("polars", "DataFrame"): _Known(_look_at_polars_frame, _part_of_polars_frame),
    ("polars", "Series"): _Known(_look_at_polars_series, _part_of_polars_series),
    ("torch", "Tensor"): _Known(_look_at_tensor),
}
"""Classes by the library that gives them this name, and how they are read."""
