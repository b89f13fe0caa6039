"""Names that cells bind and read, and which cells are behind what they read."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import Connection

from antiphon_webserver.dataflow import Ran, flow, outdated
from antiphon_webserver.model import Cell, CellId, CellsMarked, SessionOpened
from antiphon_webserver.storage import cells, history, log, marks, runs, worksheets
from antiphon_webserver.storage.database import Database
from tests.webserver.test_history import NAMES
from tests.webserver.test_storage import ANA, SHEET, make, run_of


@pytest.mark.parametrize(
    ("code", "binds", "reads"),
    [
        ("x = 1", "x", ""),
        ("y = x + 1; x = y", "x y", "x"),
        ("x = 1\nprint(x)", "x", "print"),
        ("x += 1", "x", "x"),
        ("a, (b, *c) = d", "a b c", "d"),
        ("a.b = c[0]; d[e] = 1", "", "a c d e"),
        ("import os.path, json as j\nfrom m import n as o, p", "os j o p", ""),
        ("from m import *", "", ""),
        ("for i in rows:\n    t = i\nelse:\n    u = t", "i t u", "rows"),
        ("with f() as g:\n    pass", "g", "f"),
        ("try:\n    a\nexcept E as e:\n    e\ne", "", "a E e"),
        ("[k for k in ks if k > least]", "", "ks least"),
        ("{k: v for ks in kss for k, v in ks}", "", "kss"),
        ("if (n := f(m)):\n    n", "n", "f m"),
        ("x: T = v\ny: U", "x", "T v U"),
        ("del x", "", "x"),
        (
            "match m:\n    case {'a': a, **rest}:\n        a\n    case [b, *c] as d:\n        b",
            "rest a b c d",
            "m",
        ),
        ("def f(a, b=d, *c):\n    return a + b + k", "f", "d"),
        ("def f():\n    return k\nf()", "f", "k"),
        ("def f():\n    return g()\ndef g():\n    return k\nf()", "f g", "k"),
        ("k = 1\ndef f():\n    return k\nf()", "k f", ""),
        ("@cached\ndef f():\n    return k", "f", "cached k"),
        ("def f():\n    global n\n    n = m", "f n", ""),
        (
            "def f():\n    i = 0\n    def g():\n        nonlocal i\n        i += k\n    return g\nf()",
            "f",
            "k",
        ),
        ("rows.map(lambda r: r * factor)", "", "rows factor"),
        ("class A(B, metaclass=M):\n    n = k\n    def f(self):\n        return j", "A", "B M k"),
        ("await go(x)", "", "go x"),
        ("async for i in it():\n    pass", "i", "it"),
        ("%matplotlib inline\nx = y", "x", "y"),
        ("files = !ls\nout = %sql select 1\n!rm {x}\nlen(files)", "files out", "len"),
        ("%%time\nx = y", "x", "y"),
        ("%%bash\nx=y", "", ""),
        ("x?\ny = z", "y", "z"),
        ("a = (b\n  % c)", "a", "b c"),
        ("this does not parse", "", ""),
        ("(" * 5000, "", ""),
        ("x = '\\d'", "x", ""),
    ],
)
def test_what_a_cell_binds_and_reads(code: str, binds: str, reads: str) -> None:
    found = flow(code)
    assert (found.binds, found.reads) == (set(binds.split()), set(reads.split()))


def ran(*codes: str, order: Sequence[int] = (), changed: Sequence[int] = ()) -> list[Ran]:
    """Cells "0", "1", … that ran in that order, or from top to bottom."""
    number = {cell: at for at, cell in enumerate(order or range(len(codes)))}
    return [
        Ran(cell=CellId(str(at)), number=number[at], code=code, changed=at in changed)
        for at, code in enumerate(codes)
    ]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (ran("x = 1", "y = x", "z = 2"), ""),
        (ran("x = 1", "y = x", "z = 2", order=(1, 2, 0)), "1"),
        (ran("x = 1", "y = x", "print(y)", order=(1, 2, 0)), "1 2"),
        (ran("x = 1", "y = x", "print(y)", order=(0, 2, 1)), "2"),
        (ran("x = 1", "y = x", "print(y)", changed=(0,)), "1 2"),
        # The nearest above binds it.
        (ran("x = 1", "x = 2", "print(x)", order=(1, 2, 0)), ""),
        # Nobody above binds it: what ran last does.
        (ran("print(x)", "x = 1", "x = 2", order=(1, 2, 0)), ""),
        (ran("print(x)", "x = 1", "x = 2", order=(1, 0, 2)), "0"),
        # A function is as new as what its callers need; its definition is not behind.
        (ran("def f(): return g()", "def g(): return 1", "f()"), ""),
        (ran("def f(): return g()", "def g(): return 1", "f()", order=(0, 2, 1)), "2"),
        (ran("def f(): return g()", "f", "f", order=(1, 2, 0)), "1 2"),
        (ran("sum([])", "sum = 3"), ""),
    ],
)
def test_who_is_behind_what_it_reads(given: list[Ran], found: str) -> None:
    assert outdated(given) == set(found.split())


CODES = [f"{a} = {b}" for a in "xyz" for b in ("0", "x", "y + z")] + ["x = (", "def f(): return x", "z = f()"]


FIRST_CODES = ["x = 0", "y = 0", "z = 0", "def f(): return x"]
"""What the others read."""


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(CODES), max_size=8),
    st.randoms(use_true_random=False),
    st.sets(st.integers(min_value=0, max_value=11)),
)
def test_who_runs_the_stale_ones_in_their_order_leaves_none(
    codes: list[str], source: random.Random, changed: set[int]
) -> None:
    codes = [*FIRST_CODES, *codes]
    order = list(range(len(codes)))
    assert outdated(ran(*codes)) == set(), "all ran from the top"
    source.shuffle(order)
    before = ran(*codes, order=order, changed=sorted(changed))
    stale = outdated(before) | {each.cell for each in before if each.changed}
    after = [
        replace(each, number=each.number + len(codes) * (2 + at), changed=False)
        if each.cell in stale
        else each
        for at, each in enumerate(before)
    ]
    assert outdated(after) == set()


def walk(connection: Connection, source: random.Random) -> None:
    """A random history in which what the entries tell of marks is what the table says, and what a fresh look
    at everything says."""
    make(connection)
    told: set[str] = set()
    seen = 0
    for step in range(60):
        by = {"author": ANA, "now": f"2026-01-31T12:00:{step:02}.000Z"}
        present = cells.list_all(connection, SHEET)
        some = source.choice(present) if present else None
        others = [None, *(cell.id for cell in present if cell != some)]
        kind = source.choice(
            ["create", "edit", "edit", "run", "run", "run", "move", "delete", "convert", "back", "open"]
        )
        if kind == "create" or some is None:
            new = Cell(id=source.choice(NAMES), type="code", source=source.choice(CODES))
            cells.create(connection, SHEET, new, after=source.choice(others), **by)
        elif kind == "edit":
            cells.edit(connection, SHEET, some.id, version=some.version, change=source.choice(CODES), **by)
        elif kind == "move":
            cells.move(connection, SHEET, some.id, after=source.choice(others), **by)
        elif kind == "delete":
            cells.delete(connection, SHEET, some.id, **by)
        elif kind == "convert":
            cells.convert(connection, SHEET, some.id, source.choice(["code", "markdown"]), **by)
        elif kind == "back":
            number = source.randrange(1, log.latest(connection, SHEET) + 1)
            history.restore(connection, SHEET, history.at(connection, SHEET, number), **by)
        else:
            now_open = worksheets.find(connection, SHEET, ANA)
            assert now_open is not None
            session = now_open.session
            if session is None or (kind == "open" and source.random() < 0.3):
                session, _ = worksheets.open_session(
                    connection, SHEET, f"session-{step}", instead_of=session, title="", **by
                )
            if some.type == "code":
                run = run_of(some.id, f"run-{step}", session)
                runs.create(connection, replace(run, code=some.source))
        for entry in log.since(connection, SHEET, seen, 1000).entries:
            seen = entry.number
            match entry:
                case CellsMarked():
                    told = (told | set(entry.outdated)) - set(entry.current)
                case SessionOpened():
                    told = set()
        listed = {cell.id for cell in cells.list_all(connection, SHEET)}
        fresh = outdated(marks.ran(connection, SHEET))
        assert marks.outdated_cells(connection, SHEET) == fresh == told & listed
        told &= listed


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
async def test_marks_told_are_marks_kept_are_marks_seen_afresh(seed: int, database: Database) -> None:
    await database.write(walk, random.Random(seed))
