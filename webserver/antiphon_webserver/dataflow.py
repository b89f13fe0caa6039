"""Which cells depend on which, by the names that they bind and read: pure functions.

What belongs here: what the text of a cell says of names, and which cells are behind what they read. What must
never come here: values, running anything, SQL.

Names only: ``frame["a"] = 1`` reads ``frame`` and binds nothing, and what ``exec`` or a star import brings is
not known. So a mark says that it may be worth running a cell again, never more, and nothing is run by it.
"""

from __future__ import annotations

import ast
import builtins
import re
import threading
import warnings
from collections.abc import Iterable, Sequence
from functools import lru_cache

from .model import CellId, Struct

CODE_CHARS = 100_000
"""A text beyond that is not parsed: no one writes one by hand, and parsing takes its time."""

BUILTINS = frozenset(dir(builtins))

_QUIET = threading.Lock()
"""Filters of warnings belong to the process."""


class Flow(Struct, frozen=True, kw_only=True):
    """What a cell does with names at the top level of its namespace.

    ``reads`` are those that it needs from others. ``later``: by the name of a function or class, what its
    body reads when it is called; that counts for who calls it.
    """

    binds: frozenset[str] = frozenset()
    reads: frozenset[str] = frozenset()
    later: dict[str, frozenset[str]] = {}


class Ran(Struct, frozen=True, kw_only=True):
    """A cell that has run. ``number`` orders the runs; ``changed``: its text is not what ran."""

    cell: CellId
    number: int
    code: str
    changed: bool = False


@lru_cache(maxsize=4096)
def flow(code: str) -> Flow:
    """What the code binds and reads; nothing if it does not parse."""
    if len(code) > CODE_CHARS:
        return Flow()
    try:
        tree = _parse(code)
        if tree is None:
            return Flow()
        walk = _Walk()
        walk.visit(tree)
    except (RecursionError, MemoryError):
        return Flow()
    return Flow(binds=frozenset(walk.binds), reads=frozenset(walk.reads), later=walk.later)


def inputs(ran: Sequence[Ran]) -> list[set[int]]:
    """For each of the cells, in the worksheet's order, the places of those whose names it reads.

    A name comes from the nearest cell above that binds it; if there is none, from the one of the others that
    ran last.
    """
    flows = [flow(each.code) for each in ran]
    last: dict[str, int] = {}
    for at in sorted(range(len(ran)), key=lambda at: ran[at].number):
        for name in flows[at].binds:
            last[name] = at
    found: list[set[int]] = []
    above: dict[str, int] = {}
    for at, each in enumerate(flows):
        needed: set[int] = set()
        names = list(each.reads)
        seen = set(names)
        while names:
            name = names.pop()
            place = above.get(name)
            if place is None and name not in BUILTINS:
                place = last.get(name)
            if place is None or place == at:
                continue
            needed.add(place)
            fresh = flows[place].later.get(name, frozenset()) - seen
            seen |= fresh
            names += fresh
        found.append(needed)
        above.update(dict.fromkeys(each.binds, at))
    return found


def outdated(ran: Sequence[Ran]) -> set[CellId]:
    """The cells that read what was run after them, or changed since, or is outdated itself.

    Args:
        ran: in the worksheet's order.
    """
    readers: dict[int, list[int]] = {}
    behind: list[int] = []
    for at, needed in enumerate(inputs(ran)):
        for place in needed:
            readers.setdefault(place, []).append(at)
        if any(ran[place].changed or ran[place].number > ran[at].number for place in needed):
            behind.append(at)
    found = set(behind)
    while behind:
        for reader in readers.get(behind.pop(), ()):
            if reader not in found:
                found.add(reader)
                behind.append(reader)
    return {ran[at].cell for at in found}


# --- The text -----------------------------------------------------------------------------------

_PYTHON_MAGICS = re.compile(r"\s*%%(?:time|timeit|prun|capture|debug|memit|mprun)\b[^\n]*\n?")
"""Magics of a whole cell whose body is Python as any other."""

_ASSIGNED = re.compile(r"^([ \t]*[\w.,\[\] \t]+=)[ \t]*[%!][^\n]*$", re.MULTILINE)
_LINE = re.compile(r"^([ \t]*)(?:[%!?][^\n]*|[\w.*]+\?\??[ \t]*)$", re.MULTILINE)


def _parse(code: str) -> ast.Module | None:
    """The tree of a cell as IPython would run it."""
    found = _PYTHON_MAGICS.match(code)
    if found:
        code = code[found.end() :]
    elif code.lstrip().startswith("%%"):
        return None  # another language
    tree = _tree(code)
    if tree is None:
        plain = _LINE.sub(r"\1pass", _ASSIGNED.sub(r"\1 None", code))
        tree = _tree(plain) if plain != code else None
    return tree


def _tree(code: str) -> ast.Module | None:
    try:
        with _QUIET, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(code)
    except (SyntaxError, ValueError):
        return None


class _Walk(ast.NodeVisitor):
    """Goes through statements in their order. What a branch binds counts as bound after it."""

    def __init__(self) -> None:
        self.binds: set[str] = set()
        self.reads: set[str] = set()
        self.later: dict[str, frozenset[str]] = {}
        self._called: set[str] = set()

    def read(self, name: str) -> None:
        if name not in self.binds:
            self.reads.add(name)
        elif name in self.later and name not in self._called:
            self._called.add(name)
            for needed in self.later[name]:
                self.read(needed)

    def bind(self, name: str) -> None:
        self.binds.add(name)
        self.later.pop(name, None)
        self._called.discard(name)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.read(node.id)
        elif isinstance(node.ctx, ast.Store):
            self.bind(node.id)
        else:
            self.read(node.id)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        self._each(node.targets)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.annotation)
        if node.value is not None:
            self.visit(node.value)
            self.visit(node.target)
        elif not isinstance(node.target, ast.Name):
            self.visit(node.target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        if isinstance(node.target, ast.Name):
            self.read(node.target.id)
        self.visit(node.target)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self.visit(node.target)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self._each([node.iter, node.target, *node.body, *node.orelse])

    visit_AsyncFor = visit_For

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name != "*":
                self.bind(alias.asname or alias.name.partition(".")[0])

    visit_ImportFrom = visit_Import

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self._each([node.type])
        if node.name:
            self._inside([node.name], node.body)
        else:
            self._each(node.body)

    def visit_MatchAs(self, node: ast.MatchAs | ast.MatchStar) -> None:
        self.generic_visit(node)
        if node.name:
            self.bind(node.name)

    visit_MatchStar = visit_MatchAs

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self.generic_visit(node)
        if node.rest:
            self.bind(node.rest)

    def visit_Global(self, node: ast.Global | ast.Nonlocal) -> None:
        """At the top level they change nothing; a function looks at its own (``_Function``)."""

    visit_Nonlocal = visit_Global

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._each(node.decorator_list)
        self._defaults(node.args)
        body = _Function(node.args)
        body.block(node.body)
        self._define(node.name, body.reads, decorated=bool(node.decorator_list))
        for name in body.outside & body.bound_outside:
            self.bind(name)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """Most are called where they are written."""
        self._defaults(node.args)
        body = _Function(node.args)
        body.visit(node.body)
        for name in body.reads:
            self.read(name)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._each([*node.decorator_list, *node.bases, *(each.value for each in node.keywords)])
        body = _Walk()
        body._each(node.body)
        for name in body.reads:
            self.read(name)
        later = frozenset[str]().union(*body.later.values())
        self._define(node.name, set(later), decorated=bool(node.decorator_list))

    def visit_ListComp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> None:
        self._comprehend(node.generators, [node.elt])

    visit_SetComp = visit_ListComp
    visit_GeneratorExp = visit_ListComp

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._comprehend(node.generators, [node.key, node.value])

    def _comprehend(self, generators: Sequence[ast.comprehension], results: Sequence[ast.expr]) -> None:
        targets = [
            name.id
            for generator in generators
            for name in ast.walk(generator.target)
            if isinstance(name, ast.Name)
        ]
        self.visit(generators[0].iter)
        rest = [
            each for at, one in enumerate(generators) for each in ((one.iter,) if at else ()) + tuple(one.ifs)
        ]
        self._inside(targets, [*rest, *results])

    def _inside(self, names: Iterable[str], nodes: Iterable[ast.AST]) -> None:
        """Go through what has names of its own, which end with it."""
        own = {name for name in names if name not in self.binds}
        self.binds |= own
        self._each(nodes)
        self.binds -= own

    def _defaults(self, arguments: ast.arguments) -> None:
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        every += [each for each in (arguments.vararg, arguments.kwarg) if each]
        self._each([*arguments.defaults, *arguments.kw_defaults, *(each.annotation for each in every)])

    def _define(self, name: str, needed: set[str], *, decorated: bool) -> None:
        """A decorator may call what it is given."""
        if decorated:
            for each in needed - {name}:
                self.read(each)
        self.bind(name)
        if needed:
            self.later[name] = frozenset(needed)

    def _each(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)


class _Function(_Walk):
    """The body of a function: what it binds anywhere is its own everywhere."""

    def __init__(self, arguments: ast.arguments) -> None:
        super().__init__()
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        self.binds |= {each.arg for each in (*every, arguments.vararg, arguments.kwarg) if each}
        self.outside: set[str] = set()
        self.bound_outside: set[str] = set()

    def block(self, body: Sequence[ast.stmt]) -> None:
        self._each(body)
        # Found before its binding, or needed by an inner function that is called later.
        needed = self.reads.union(*self.later.values())
        self.reads = (needed - self.binds) | (needed & self.outside)

    def visit_Global(self, node: ast.Global | ast.Nonlocal) -> None:
        self.outside |= set(node.names)

    visit_Nonlocal = visit_Global

    def bind(self, name: str) -> None:
        if name in self.outside:
            self.bound_outside.add(name)
        else:
            super().bind(name)
