"""What is told of variables, and that nothing of the session's own code runs for it."""

from __future__ import annotations

import collections
import datetime
import decimal
import sys
import types
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pytest

from antiphon_kernel.link import Replied
from antiphon_kernel.message import (
    ASIDE,
    Setting,
    Variable,
    VariableReply,
    VariableRequest,
    VariablesReply,
    VariablesRequest,
)
from antiphon_kernel.session.events import Reply
from antiphon_kernel.worker import variables
from antiphon_kernel.worker.variables import list_variables, show_variable

from .test_session import Play


def told(value: object) -> Variable:
    (variable,) = listed({"x": value}, hidden=True).variables
    return variable


def listed(namespace: dict[str, Any], ipythons: dict[str, Any] | None = None, **asked: Any) -> VariablesReply:
    return list_variables(namespace, ipythons or {}, VariablesRequest(**asked))


def names(reply: VariablesReply) -> list[str]:
    return [variable.name for variable in reply.variables]


def shown(value: object, **asked: Any) -> VariableReply:
    return show_variable({"x": value}, VariableRequest(name="x", **asked))


@pytest.mark.parametrize(
    ("value", "kind", "shape", "preview"),
    [
        (42, "int", None, "42"),
        (True, "bool", None, "True"),
        (None, "NoneType", None, "None"),
        ("a\x1b", "str", (2,), r"'a\x1b'"),
        (b"ab", "bytes", (2,), "b'ab'"),
        ([1, "a", [2, [3, [4]]]], "list", (3,), "[1, 'a', [2, <list>]]"),
        (list(range(9)), "list", (9,), "[0, 1, 2, 3, 4, 5, …]"),
        ((), "tuple", (0,), "()"),
        ({"a": 1, (2,): {}}, "dict", (2,), "{'a': 1, (2): {}}"),
        (collections.Counter("aab"), "Counter", (2,), "Counter{'a': 2, 'b': 1}"),
        (range(3), "range", None, "range(0, 3)"),
        (decimal.Decimal("1.5"), "Decimal", None, "1.5"),
        (datetime.date(2026, 1, 2), "date", None, "2026-01-02"),
        (datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC), "datetime", None, "2026-01-02 00:00:00+00:00"),
        (object(), "object", None, "<object>"),
        (sys, "module", None, "<module sys>"),
        (collections.Counter, "type", None, "<class Counter>"),
        (np.arange(12.0).reshape(3, 4), "ndarray", (3, 4), "float64: 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, …"),
        (np.array(["2026-01-01"], "M8[D]"), "ndarray", (1,), "datetime64[D]: '2026-01-01'"),
        (np.array([object()]), "ndarray", (1,), "object"),
        (np.float32(0.5), "float32", None, "0.5"),
        (pd.DataFrame({"a": [1, 2], "b": [0.5, 1]}), "DataFrame", (2, 2), "a (int64), b (float64)"),
        (pd.Series([1, 2], index=[0.5, 1.5]), "Series", (2,), "int64: 1, 2"),
        (pd.Timestamp("2026-01-02"), "Timestamp", None, "2026-01-02 00:00:00"),
        (pl.DataFrame({"a": [1, 2]}), "DataFrame", (2, 1), "a (Int64)"),
        (pl.Series("s", ["a"]), "Series", (1,), "String: 'a'"),
        (pl.LazyFrame({"a": [1]}), "LazyFrame", None, "<LazyFrame>"),
    ],
)
def test_a_value_is_told(value: object, kind: str, shape: tuple[int, ...] | None, preview: str) -> None:
    variable = told(value)
    assert (variable.type, variable.shape, variable.preview) == (kind, shape, preview)


def test_sizes_are_told_where_they_are_known() -> None:
    assert told([1, 2]).size_bytes == [1, 2].__sizeof__()
    assert told(np.zeros((10, 10))).size_bytes == 800
    assert told(pd.DataFrame({"a": np.zeros(100)})).size_bytes == 800 + 132
    assert told(object()).size_bytes is None


def test_a_tensor_is_asked_for_no_values(monkeypatch: pytest.MonkeyPatch) -> None:
    class Tensor:
        """As much of torch's as is looked at: the library itself is larger than all that we test with."""

        shape, dtype, device = (2, 3), "torch.float32", "cuda:0"
        nelement, element_size = (lambda self: 6), (lambda self: 4)

    Tensor.__module__ = "torch"
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(Tensor=Tensor))
    tensor = told(Tensor())
    assert (tensor.shape, tensor.size_bytes, tensor.preview) == ((2, 3), 24, "torch.float32 on cuda:0")


class Alarm(BaseException):
    """Something of the session's own was called."""


def _alarm(*_: object, **__: object) -> Any:
    raise Alarm


MAGIC = (
    "repr str len iter getitem getattr getattribute eq hash bool dir sizeof format contains length_hint "
    "index int float fspath instancecheck reduce array torch_function"
)


def hostile_objects() -> list[object]:
    """Of classes in which everything that can be called raises what nothing catches."""
    magic = {f"__{name}__": _alarm for name in MAGIC.split()}
    magic |= {"__class__": property(_alarm), "__dict__": property(_alarm), "shape": property(_alarm)}
    quiet = {k: v for k, v in magic.items() if k not in ("__hash__", "__eq__")}
    meta = type("Meta", (type,), {**quiet, "__call__": type.__call__, "__name__": property(_alarm)})
    made = {"__module__": "__main__"}
    return [
        type("Hostile", (), {**magic, **made})(),
        type("Hostile", (list,), {**magic, **made})([1]),
        type("Hostile", (dict,), {**magic, **made, "items": _alarm})({1: 2}),
        type("Hostile", (int,), {**magic, **made})(3),
        type("Hostile", (str,), {**magic, **made})("abc"),
        type("Hostile", (np.ndarray,), {**magic, **made, "tolist": _alarm})(3),
        type("Hostile", (pd.DataFrame,), {**made, "shape": property(_alarm), "__repr__": _alarm})({"a": [1]}),
        type.__call__(type.__call__(meta, "Hostile", (), dict(made))),
        type.__call__(meta, "Hostile", (), dict(made)),
        datetime.datetime(
            2026, 1, 1, tzinfo=type("Zone", (datetime.tzinfo,), {**made, "utcoffset": _alarm})()
        ),
    ]


def test_nothing_of_a_hostile_object_is_called() -> None:
    for value in hostile_objects():
        for held in (value, [value], {1: value}, (value,)):
            assert told(held).type
            assert shown(held).variable is not None


def test_the_items_of_a_subclass_are_read_past_its_own_methods() -> None:
    hostile = hostile_objects()
    assert (told(hostile[1]).shape, told(hostile[1]).preview) == ((1,), "Hostile[1]")
    assert (told(hostile[2]).shape, told(hostile[2]).preview) == ((1,), "Hostile{1: 2}")
    assert told(hostile[3]).preview == "<Hostile>"


def test_a_hostile_value_in_a_table_is_not_asked_for_its_text() -> None:
    frame = pd.DataFrame({"a": [hostile_objects()[0], 1]}, dtype=object)
    assert shown(frame).rows == (("0", "<Hostile>"), ("1", "1"))


def test_what_ipython_put_there_and_what_is_code_is_no_variable() -> None:
    ours: dict[str, Any] = {"open": open, "In": [""], "_oh": {}, "kept": 1}
    namespace = {**ours, "kept": 2, "sys": sys, "f": lambda: 1, "C": Alarm, "_x": 1, "x": 1, "_7": 7}
    assert names(listed(namespace, ours)) == ["kept", "x"]
    assert names(listed(namespace, ours, hidden=True)) == ["C", "_7", "_x", "f", "kept", "sys", "x"]


def test_of_thousands_some_are_told_and_where_to_go_on() -> None:
    namespace = {f"v{n:05}": n for n in range(20_000)}
    first = listed(namespace, limit=100)
    assert (len(first.variables), first.total, first.next) == (100, 20_000, 100)
    last = listed(namespace, start=19_950, limit=100)
    assert (len(last.variables), last.next) == (50, None)
    assert names(listed(namespace, search="V00007")) == ["v00007"]
    assert listed(namespace, start=30_000).variables == ()


def test_a_list_ends_at_its_bound_of_characters_and_of_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    namespace = {"a": "x" * 200, "b": "x" * 200, "c": "x" * 200}
    monkeypatch.setattr(variables, "REPLY_CHARACTERS", 200)
    assert (names(listed(namespace)), listed(namespace).next) == (["a", "b"], 2)
    monkeypatch.setattr(variables, "LOOK_SECONDS", -1)
    assert (names(listed(namespace)), listed(namespace).next) == (["a"], 1)


def test_names_that_nobody_typed_are_left_out() -> None:
    assert names(listed({"x" * 1000: 1, 7: 2, "y": 3})) == ["y"]  # type: ignore[dict-item]


def test_texts_and_previews_have_a_bound() -> None:
    assert told(1 << 100_000).preview == "<int of 100001 bits>"
    assert len(told("x" * 1_000_000).preview) <= variables.PREVIEW_CHARACTERS
    assert len(shown("x" * 1_000_000).text) <= variables.TEXT_CHARACTERS
    endless: list[Any] = []
    endless.append(endless)
    assert told(endless).preview == "[[<list>]]"


def test_a_table_is_shown_in_part() -> None:
    frame = pd.DataFrame({f"c{n}": range(1000) for n in range(300)})
    reply = shown(frame, start=990, limit=200)
    assert (len(reply.rows), reply.total, reply.width) == (10, 1000, 301)
    assert len(reply.columns) == len(reply.rows[0]) == variables.MAX_COLUMNS
    assert (reply.columns[1].name, reply.columns[1].type, reply.rows[0][:2]) == (
        "c0",
        "int64",
        ("990", "990"),
    )


@pytest.mark.parametrize(
    ("value", "columns", "rows"),
    [
        ([1, "a"], ["index", "type", "value"], (("0", "int", "1"), ("1", "str", "'a'"))),
        ({"k": 1.5}, ["key", "type", "value"], (("k", "float", "1.5"),)),
        (np.eye(2), ["", "0", "1"], (("0", "1.0", "0.0"), ("1", "0.0", "1.0"))),
        (pd.Series([1], name="s", index=["a"]), ["", "s"], (("a", "1"),)),
        (pl.DataFrame({"a": ["z"]}), ["a"], (("z",),)),
        (types.SimpleNamespace(), ["attribute", "type", "value"], ()),
        (5, [], ()),
    ],
)
def test_rows_and_items_are_shown(
    value: object, columns: list[str], rows: tuple[tuple[str, ...], ...]
) -> None:
    reply = shown(value)
    assert ([column.name for column in reply.columns], reply.rows) == (columns, rows)


def test_attributes_of_an_object_are_shown_as_they_are_kept() -> None:
    class Plain:
        computed = property(_alarm)

    plain = Plain()
    plain.height = 3  # type: ignore[attr-defined]
    assert shown(plain).rows == (("height", "int", "3"),)


def test_a_name_that_is_gone_is_no_variable() -> None:
    assert show_variable({}, VariableRequest(name="x")) == VariableReply()


# --- the session


def test_variables_are_told_aside_while_code_runs() -> None:
    play = Play()
    play.run("a")
    assert len(play.request(VariablesRequest(), "v", subshell=ASIDE).effects) == 1
    reply = VariablesReply(variables=(told(1),), total=1)
    assert play.worker(Replied(parent="v", content=reply)).replies == [Reply("v", reply)]
    again = play.request(VariablesRequest(), "v", subshell=ASIDE)
    assert again.replies == [Reply("v", VariablesReply(total=1, next=0))]


def test_nobody_knows_the_variables_of_another_kernel() -> None:
    play = Play()
    play.session = msgspec.structs.replace(play.session, setting=Setting(kernel="ir"))
    assert play.request(VariablesRequest(), "v", subshell=ASIDE).replies[0].content == VariablesReply(
        known=False
    )
    assert play.request(VariableRequest(name="x"), "w").replies[0].content == VariableReply()


# --- a real worker

WAIT = "print('begun')\nwhile run: pass"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_worker_tells_its_variables_while_it_computes(forked: Any) -> None:
    await forked.run("run, spam = True, [1, 2]\nimport os\ndef f(): pass")
    long = forked.begin(WAIT)
    await forked.until(lambda: long.text() == "begun\n")
    reply = await forked.ask(VariablesRequest(), ASIDE)
    assert [(v.name, v.preview) for v in reply.variables] == [("run", "True"), ("spam", "[1, 2]")]
    assert (await forked.ask(VariableRequest(name="spam"), ASIDE)).rows[1] == ("1", "int", "2")
    assert long.reply is None
    await forked.run("run = False", subshell="s")
    await forked.until(lambda: long.reply)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_worker_is_not_held_up_by_objects_that_never_answer(forked: Any) -> None:
    await forked.run(
        "import time\n"
        "class Hang:\n    def __repr__(self): time.sleep(1000)\n    __len__ = __str__ = __iter__ = __repr__\n"
        "    def __getattr__(self, name): time.sleep(1000)\n    @property\n    def shape(self): 1 / 0\n"
        "bad, many = Hang(), {}\nfor n in range(3000): globals()[f'v{n}'] = Hang() if n % 2 else n"
    )
    reply = await forked.ask(VariablesRequest(limit=2000), ASIDE)
    assert reply.variables[0].preview == "<Hang>"
    assert reply.total == 3003
    assert (await forked.ask(VariableRequest(name="bad"), ASIDE)).text == "<Hang>"


@pytest.mark.asyncio(loop_scope="module")
async def test_variables_that_come_and_go_meanwhile_break_nothing(forked: Any) -> None:
    await forked.run("run = True; d = {}; spam = 1")
    long = forked.begin(
        "print('begun')\nn = 0\nwhile run:\n    n += 1\n    globals()[f'x{n}'] = d[n] = n\n"
        "    if n > 200: del globals()[f'x{n - 200}'], d[n - 200]"
    )
    await forked.until(lambda: long.text() == "begun\n")
    for _ in range(20):
        assert "spam" in names(await forked.ask(VariablesRequest(search="spam"), ASIDE))
        assert (await forked.ask(VariableRequest(name="d"), ASIDE)).variable is not None
    await forked.run("run = False", subshell="s")
    await forked.until(lambda: long.reply)
