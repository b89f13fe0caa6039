"""What the zygote does once, so that no session need do it first."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import socket
import sys
from collections.abc import Iterable
from itertools import pairwise
from typing import Literal

from ..link import FrameDecoder, Replied, Started, decode_event, encode_frame
from ..message import CompleteRequest, Content, ExecuteRequest, Header, Message
from .connection import READ_BYTES
from .main import Worker
from .shell import Shell
from .turn import Turn, make_turn

REHEARSALS = 8
"""After this many runs CPython 3.11 has adapted a function's bytecode."""


def rehearse(shell: Shell, *, completes: bool) -> None:
    """Be a worker that starts and evaluates what every session evaluates first.

    The interpreter adapts bytecode where it has run it, and libraries fill caches: done here, that is
    in pages that all sessions share. Of the sessions that were played nothing stays.

    Args:
        completes: a name too. jedi reads its grammar, what is builtin and how types are written for its first
            one: 30 MiB, and half a second.
    """
    rare: list[Content] = [ExecuteRequest(code=code, store_history=False) for code in ("1 / 0", "def")]
    if completes:
        rare.append(CompleteRequest(code="pri", cursor_pos=3))
    common = [ExecuteRequest(code=code) for code in ("pass", "1", "print()")]
    namespaces = (shell.user_ns, shell.user_ns_hidden)
    before = [dict(namespace) for namespace in namespaces]
    _play(shell, rare)
    if sys.version_info < (3, 12):
        # The interpreter's cache of attributes holds their names, which lie in pages all over. A session
        # would put its own in the place of those that imports left there, and write to the pages of both.
        # From 3.12 on names are immortal, and nothing is written to them.
        sys._clear_type_cache()
    for _ in range(REHEARSALS):
        _play(shell, common)
    for namespace, content in zip(namespaces, before, strict=True):
        namespace.clear()
        namespace.update(content)
    shell.forget()
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        vars(sys).pop(name, None)


def _play(shell: Shell, contents: Iterable[Content]) -> None:
    """One worker, from its start to its end. Each request is sent when the one before it is answered."""
    with contextlib.ExitStack() as played:
        ours, theirs = socket.socketpair()
        played.enter_context(ours)
        (read_stdout, stdout), (read_stderr, stderr) = os.pipe(), os.pipe()
        for descriptor in (stdout, stderr):
            played.callback(os.close, descriptor)
        for descriptor in (read_stdout, read_stderr):  # the worker's
            os.set_blocking(descriptor, False)
        # What is printed goes to where descriptor 1 leads when the worker is made.
        kept = os.dup(1)
        os.dup2(stdout, 1)
        try:
            captured: dict[Literal["stdout", "stderr"], int] = {"stdout": read_stdout, "stderr": read_stderr}
            worker = Worker(theirs, captured, Turn(make_turn()), shell)
        finally:
            os.dup2(kept, 1)
            os.close(kept)
        # Each has an id of its own: a repeated one would be answered again, and not evaluated.
        requests = iter([_request(number, content) for number, content in enumerate((*contents, _EXIT))])
        decoder = FrameDecoder(decode_event)

        def prompt() -> None:
            for event in decoder.receive(ours.recv(READ_BYTES)):
                if isinstance(event, Started | Replied) and (request := next(requests, None)) is not None:
                    ours.sendall(encode_frame(request))

        worker.rehearse(ours, prompt)


_EXIT = ExecuteRequest(code="exit()", silent=True, store_history=False)


def _request(number: int, content: Content) -> Message:
    return Message(header=Header(msg_id=f"rehearsal {number}", msg_type=content.msg_type), content=content)


SMALL_BYTES = 512
"""The largest object that CPython's own allocator places, in steps of 16 bytes."""

POOL_BYTES = 16 * 1024
"""What it takes for objects of one size at once."""

FILLINGS = 1000
"""Pools that are filled at most, if this is another allocator; of numpy, pandas and matplotlib it is 450."""

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


def warm_up(shell: Shell, *, completes: bool) -> None:
    """Do once what every session does first, so that its imports and caches are shared. ``completes``: as of
    ``rehearse``."""
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
    rehearse(shell, completes=completes)
