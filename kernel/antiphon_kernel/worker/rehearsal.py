"""What the zygote does once, so that no session need do it first."""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import io
import sys
from collections.abc import Iterable
from itertools import pairwise
from typing import Literal

from ..message import CompleteRequest, Content, ExecuteRequest, Header, InputRequest, Message, Metadata
from . import stage
from .evaluation import Evaluation
from .shell import Shell


class _Nowhere:
    """Satisfies ``stage.Outlet``: takes everything and sends nothing."""

    def stream(self, parent: str, name: Literal["stdout", "stderr"], text: str) -> None:
        pass

    def flush(self) -> None:
        pass

    def publish(
        self, parent: str, content: Content, metadata: Metadata | None = None, buffers: tuple[bytes, ...] = ()
    ) -> None:
        pass

    def reply(self, parent: str, content: Content) -> None:
        pass

    def ask(self, parent: str, prompt: InputRequest) -> str:
        return ""


async def _rehearse(evaluation: Evaluation, requests: Iterable[Content]) -> None:
    for number, content in enumerate(requests):
        # Each has an id of its own: a repeated one would be answered again, and not evaluated.
        header = Header(msg_id=f"rehearsal {number}", msg_type=content.msg_type)
        request = Message(header=header, content=content)
        run = evaluation.run_of(request)
        handling = stage.interruptible(evaluation.handle(request, run))
        context = contextvars.copy_context()
        stage.give(context, run)
        await asyncio.get_running_loop().create_task(handling, context=context)


REHEARSALS = 8
"""After this many runs CPython 3.11 has adapted a function's bytecode."""


def rehearse(shell: Shell) -> None:
    """Evaluate what every session evaluates first, on a stage and in a loop as a worker has them.

    The interpreter adapts bytecode where it has run it, and libraries fill caches: done here, that is
    in pages that all sessions share. Of the session that was played nothing stays.
    """
    rare: list[Content] = [ExecuteRequest(code=code, store_history=False) for code in ("1 / 0", "def")]
    rare.append(CompleteRequest(code="pri", cursor_pos=3))  # jedi reads its grammar and what is builtin
    common = [ExecuteRequest(code=code) for code in ("pass", "1", "print()")]
    namespaces = (shell.user_ns, shell.user_ns_hidden)
    before = [dict(namespace) for namespace in namespaces]
    played = stage.Stage(stage.Run(shell, _Nowhere()))
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(_rehearse(Evaluation(shell, _Nowhere()), rare))
        if sys.version_info < (3, 12):
            # The interpreter's cache of attributes holds their names, which lie in pages all over. A session
            # would put its own in the place of those that imports left there, and write to the pages of both.
            # From 3.12 on names are immortal, and nothing is written to them.
            sys._clear_type_cache()
        loop.run_until_complete(_rehearse(Evaluation(shell, _Nowhere()), common * REHEARSALS))
    finally:
        loop.close()
        played.restore()
    for namespace, content in zip(namespaces, before, strict=True):
        namespace.clear()
        namespace.update(content)
    shell.forget()
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        vars(sys).pop(name, None)


SMALL_BYTES = 512
"""The largest object that CPython's own allocator places, in steps of 16 bytes."""

POOL_BYTES = 16 * 1024
"""What it takes for objects of one size at once."""

FILLINGS = 1000
"""Pools that are filled at most, if this is another allocator; of numpy, pandas and matplotlib it is 300."""

_fillings: list[list[object]] = []


def fill_gaps() -> None:
    """Leave no free places between the objects that there are.

    Imports leave many objects, and gaps between them. New objects go into the gaps first, and each page
    that has one is copied for each session. With the gaps filled, those of a session lie side by side. It
    takes no memory, as the pages are there; gaps in the heap of C, where larger objects are, stay.
    """
    for size in range(16, SMALL_BYTES + 1, 16):
        count = POOL_BYTES // size
        while len(_fillings) < FILLINGS:
            filling = [_of_size(size) for _ in range(count)]
            _fillings.append(filling)
            if sum(after - before == size for before, after in pairwise(map(id, filling))) > count * 0.9:
                break  # a pool of its own: there were no gaps left


def _of_size(size: int) -> object:
    if size <= 32:
        return object() if size == 16 else float("0")  # made anew each time
    return bytes(size - sys.getsizeof(b""))


def warm_up(shell: Shell) -> None:
    """Do once what every session does first, so that its imports and caches are shared."""
    for name in ("pexpect", "IPython.core.magics.execution"):
        importlib.import_module(name)
    if (pandas := sys.modules.get("pandas")) is not None:
        assert shell.display_formatter is not None
        shell.display_formatter.format(pandas.DataFrame({"a": [1]}))
    if "matplotlib" in sys.modules:
        from matplotlib import font_manager
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure()
        figure.add_subplot().plot([0, 1])
        figure.set_canvas(FigureCanvasAgg(figure))
        figure.savefig(io.BytesIO(), format="png")
        # matplotlib does this in every child, which then has its own copy of the pages it frees.
        if (fonts := vars(font_manager).get("_get_font")) is not None:
            fonts.cache_clear()
    rehearse(shell)
