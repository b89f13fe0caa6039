"""From what was typed to Python: IPython's transformations of a cell, without those that find nothing.

What belongs here: how to see that a cell needs none. What must never come here: a syntax of our own.
"""

from __future__ import annotations

import re

from IPython.core.inputtransformer2 import (
    ESCAPE_SINGLES,
    EscapedCommand,
    HelpEnd,
    MagicAssign,
    SystemAssign,
    TransformerManager,
)

_KNOWN = [MagicAssign, SystemAssign, EscapedCommand, HelpEnd]

_MARKED = re.compile(rf"[%!?]|\A[ \t\f{re.escape(''.join(sorted(ESCAPE_SINGLES)))}]")
"""What a line has that one of these may change: ``a = %magic``, ``a = !command``, ``a?``, or one of the
marks at its beginning. Many a line has it and is Python all the same. Indented lines are looked at by IPython
too, as it complains of wrong indentation already here."""


class Transformers(TransformerManager):
    """IPython's. It looks for what to change among a cell's tokens, and to make tokens of it takes longer
    than to compile it."""

    def do_token_transforms(self, lines: list[str]) -> list[str]:
        if self.token_transformers == _KNOWN and not any(map(_MARKED.search, lines)):
            return lines
        transformed: list[str] = super().do_token_transforms(lines)
        return transformed
