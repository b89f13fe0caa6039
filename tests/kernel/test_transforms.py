"""Cells to Python: as IPython does it, whether or not its tokens are looked at."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core import inputtransformer2
from IPython.core.inputtransformer2 import TransformerManager

from antiphon_kernel.worker.transforms import Transformers

CELLS = (
    "pass",
    "a = 1; b = a, 2 / 3\nprint(a, b)",
    "%time pass",
    "a = %who_ls",
    "a = !ls",
    "!ls",
    "print?",
    "?print",
    ", f a b",
    "; f a b",
    "/f a b",
    "if True:\n    %time pass",
    "if True:\n    !ls",
    "text = '''\n%not\n'''",
    "%%time\npass",
    ">>> 1\n>>> 2",
    "  indented = 1",
    "f(1,\n, 2)",
    "x = \\\n%time",
    "",
)


def outcome(manager: TransformerManager, cell: str) -> str:
    try:
        return str(manager.transform_cell(cell))
    except SyntaxError as error:
        return repr(error)


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_becomes_what_ipython_makes_of_it(cell: str) -> None:
    assert outcome(Transformers(), cell) == outcome(TransformerManager(), cell)


@settings(deadline=None)
@given(st.text(st.sampled_from("af=%!?,;/ \t\f\n\r\\'\"(:#"), max_size=12))
def test_any_text_becomes_what_ipython_makes_of_it(cell: str) -> None:
    assert outcome(Transformers(), cell) == outcome(TransformerManager(), cell)


def test_plain_code_is_not_cut_into_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputtransformer2, "make_tokens_by_line", None)
    assert Transformers().transform_cell("a = 1, 2\nprint(a)") == "a = 1, 2\nprint(a)\n"


def test_a_transformation_of_somebody_else_is_carried_out() -> None:
    class Shout(inputtransformer2.TokenTransformBase):
        @classmethod
        def find(cls, tokens_by_line):  # type: ignore[no-untyped-def]  # as IPython's
            return next((cls(t.start) for line in tokens_by_line for t in line if t.string == "shout"), None)

        def transform(self, lines):  # type: ignore[no-untyped-def]
            return [line.replace("shout", "print") for line in lines]

    manager = Transformers()
    manager.token_transformers.append(Shout)
    assert manager.transform_cell("shout(1)") == "print(1)\n"
