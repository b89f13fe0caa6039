"""IPython's shell, made to publish instead of print."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import tokenize
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from IPython.core import page, payloadpage
from IPython.core.autocall import ZMQExitAutocall
from IPython.core.builtin_trap import BuiltinTrap
from IPython.core.compilerop import CachingCompiler
from IPython.core.display_trap import DisplayTrap
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.error import UsageError
from IPython.core.interactiveshell import ExecutionResult, InteractiveShell
from IPython.core.payload import PayloadManager
from IPython.core.pylabtools import activate_matplotlib, select_figure_formats
from traitlets import Instance, Type
from traitlets.config import Config

from ..link import TOO_DEEP
from ..message import ClearOutput, DisplayData, Error, ExecuteResult, UpdateDisplayData
from . import process
from .bundles import plain_bundle
from .cells import CellFiles
from .comms import Comms, Kernel
from .history import OUTPUT_CHARACTERS, Memory
from .stage import Run, current_run
from .streams import well_formed
from .tracebacks import hide_our_frames, without_our_frames
from .transforms import Transformers

ERROR_CHARACTERS = 64 * 1024
"""Of the text of an error, and of each piece of its traceback. They are sent twice, and to be read."""


def text_of(error: BaseException) -> str:
    try:
        return _bounded(well_formed(str(error)))
    except BaseException:  # the session's own class; what it raises may be anything
        return "<the exception has no text>"


def name_of(kind: type) -> str:
    try:
        return well_formed(str(kind.__name__))
    except BaseException:  # of the session's own metaclass
        return "<the exception has no name>"


def _bounded(text: str) -> str:
    if len(text) <= ERROR_CHARACTERS:
        return text
    return f"{text[:ERROR_CHARACTERS]}… ({len(text)} characters)"


class Publisher(DisplayPublisher):
    """``display()``: publishes."""

    def publish(
        self,
        data: dict[str, Any],
        metadata: dict[str, Any] | None = None,
        source: object = None,
        *,
        transient: dict[str, Any] | None = None,
        update: bool = False,
        **kwargs: Any,
    ) -> None:
        self._validate_data(data, metadata)
        run = current_run()
        if run is None:
            return
        kind = UpdateDisplayData if update else DisplayData
        run.publish(
            kind(
                data=plain_bundle(data),
                metadata=plain_bundle(metadata),
                transient=plain_bundle(transient),
            )
        )

    def clear_output(self, wait: bool = False) -> None:
        if run := current_run():
            run.publish(ClearOutput(wait=bool(wait)))


class ResultHook(DisplayHook):
    """The value of a cell's last expression: publishes."""

    @property
    def exec_result(self) -> ExecutionResult | None:
        """The result of the cell that asks."""
        run = current_run()
        return None if run is None else run.result

    @exec_result.setter
    def exec_result(self, result: ExecutionResult | None) -> None:
        if (run := current_run()) is not None:
            run.result = result

    def quiet(self) -> bool:
        """Whether the cell ends in a semicolon. Asked of this cell, stored in the history or not."""
        if self.exec_result is None or self.exec_result.info is None:
            return False
        cell = self.exec_result.info.transformed_cell or ""
        try:
            return bool(self.semicolon_at_end_of_expression(cell))
        except (tokenize.TokenError, SyntaxError):
            return False

    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict: dict[str, Any], md_dict: dict[str, Any] | None = None) -> None:
        run = current_run()
        if run is None:
            return
        count = self.exec_result.execution_count if self.exec_result is not None else self.prompt_count
        run.publish(
            ExecuteResult(
                execution_count=count or 0, data=plain_bundle(format_dict), metadata=plain_bundle(md_dict)
            )
        )

    def log_output(self, format_dict: dict[str, Any]) -> None:
        """Keep the text for the history, and no second copy of what else was published (images)."""
        text = format_dict.get("text/plain")
        if isinstance(text, str):
            assert self.shell is not None
            self.shell.history_manager.output_hist_reprs[self.prompt_count] = text[:OUTPUT_CHARACTERS]

    def finish_displayhook(self) -> None:
        self._is_active = False


class RunPayload(PayloadManager):
    """What a cell asks of the front end goes into the reply of that cell."""

    @property
    def _payload(self) -> list[dict[str, Any]]:
        run = current_run()
        return [] if run is None else run.payload

    @_payload.setter
    def _payload(self, payload: list[dict[str, Any]]) -> None:
        if (run := current_run()) is not None:
            run.payload = payload


class Compiler(CachingCompiler):
    """IPython's, which allows ``await`` by a flag of its own: for one cell at a time.

    While ``files`` is set, cells are compiled under the names of those.
    """

    files: CellFiles | None = None

    def __init__(self) -> None:
        super().__init__()
        self._compiling = threading.RLock()

    @contextlib.contextmanager
    def extra_flags(self, flags: int) -> Iterator[None]:
        with self._compiling:
            added = flags & ~self.flags
            self.flags |= added
            try:
                yield
            finally:
                self.flags &= ~added

    def get_code_name(self, raw_code: str, transformed_code: str, number: int) -> str:
        if (files := self.files) is not None:
            return files.name_of(raw_code)
        return str(super().get_code_name(raw_code, transformed_code, number))


# The stage has its own ``sys.displayhook`` and ``get_ipython``. IPython's traps set and restore theirs
# around each cell, which goes wrong when the cells of two sessions overlap.


class _NoBuiltinTrap(BuiltinTrap):
    def activate(self) -> None:
        pass

    def deactivate(self) -> None:
        pass


class _NoDisplayTrap(DisplayTrap):
    def set(self) -> None:
        pass

    def unset(self) -> None:
        pass


_GUIS_WITHOUT_LOOP = (None, "", "agg", "asyncio", "inline", "ipympl", "nbagg", "notebook", "webagg", "widget")
"""What ``%gui`` and ``%matplotlib`` may name: no window of theirs needs an event loop of its own."""


class Shell(InteractiveShell):
    """A session's namespace and IPython's machinery around it.

    Args:
        resident: the session owns the process, so that ``__main__`` is its namespace.

    ``leaving`` is set by ``exit()`` and ``quit()``, ``keepkernel_on_exit`` by
    ``exit(keep_kernel=True)``. ``before_code`` is called before each part of a cell. ``completing`` is
    held while the completer is at work.
    """

    display_pub_class = Type(Publisher)
    displayhook_class = Type(ResultHook)
    compiler_class = Type(Compiler)
    input_transformer_manager = Instance(Transformers, ())
    exiter = Instance(ZMQExitAutocall)
    leaving = False
    keepkernel_on_exit: bool | None = None

    def __init__(self, *, resident: bool) -> None:
        config = Config()
        # The history database would start a thread, which must not exist where processes are forked.
        config.HistoryManager.enabled = False
        config.InteractiveShell.separate_in = ""
        config.InteractiveShell.warn_venv = False
        self._is_resident = resident
        self.before_code: Callable[[], None] = lambda: None
        self.completing = threading.Lock()
        self._counting = threading.Lock()
        self._next_count = 1
        self._draws = False
        self.directory = os.getcwd()
        """In which the session began: where ``%cd`` leads makes no other files the session's."""
        self.comms = Comms()
        self.kernel = Kernel(self, self.comms)
        super().__init__(config=config)
        self.builtin_trap = _NoBuiltinTrap(shell=self)
        self.display_trap = _NoDisplayTrap(hook=self.displayhook)
        self.set_hook("show_in_pager", page.as_hook(payloadpage.page), 99)
        self._take_note_of_jupyter()
        assert self.extension_manager is not None
        self.extension_manager.load_extension("storemagic")  # as each of IPython's programs does

    def init_history(self) -> None:
        self.history_manager = Memory(shell=self, parent=self)
        self.configurables.append(self.history_manager)  # type: ignore[arg-type]  # any Configurable

    def init_payload(self) -> None:
        self.payload_manager = RunPayload(parent=self)
        self.configurables.append(self.payload_manager)  # type: ignore[arg-type]  # any Configurable

    def forget(self) -> None:
        """Forget what was run: its inputs and results, and how many there were. Not its variables."""
        assert self.history_manager is not None
        self.history_manager.forget()
        self.displayhook._ = self.displayhook.__ = self.displayhook.___ = ""
        self._next_count = 1

    # --- counting

    def count(self, run: Run, *, store_history: bool) -> int:
        """The number of a cell that begins. No other cell gets it, if it is stored."""
        with self._counting:
            run.execution_count = self._next_count
            if store_history:
                self._next_count += 1
            return run.execution_count

    @property
    def execution_count(self) -> int:
        """As the cell that asks has it: another may have begun meanwhile."""
        run = current_run()
        return self._next_count if run is None or run.execution_count is None else run.execution_count

    @execution_count.setter
    def execution_count(self, value: int) -> None:
        run = current_run()
        with self._counting:
            # IPython counts on before, or after, each cell that it stores; ``count`` did that already.
            if run is None or value != (run.execution_count or 0) + 1:
                self._next_count = value
            if run is not None:
                run.execution_count = value

    def _exiter_default(self) -> ZMQExitAutocall:
        return ZMQExitAutocall(self)

    def init_sys_modules(self) -> None:
        if self._is_resident:
            super().init_sys_modules()

    def prepare_user_module(
        self, user_module: ModuleType | None = None, user_ns: dict[str, Any] | None = None
    ) -> tuple[ModuleType, dict[str, Any]]:
        module, namespace = super().prepare_user_module(user_module, user_ns)
        module.__doc__ = None
        return module, namespace

    def close(self) -> None:
        """Let go of what IPython holds until the process ends."""
        atexit.unregister(self.atexit_operations)
        self.atexit_operations()

    def ask_exit(self) -> None:
        assert self.payload_manager is not None
        keep = bool(self.keepkernel_on_exit)
        self.leaving = not keep
        # For a console: it ends too.
        self.payload_manager.write_payload({"source": "ask_exit", "keepkernel": keep})

    def set_next_input(self, s: str, replace: bool = False) -> None:
        assert self.payload_manager is not None
        self.payload_manager.write_payload({"source": "set_next_input", "text": s, "replace": replace})

    def take_payload(self) -> tuple[dict[str, Any], ...]:
        """What the cell asks of the front end: pages and a next input."""
        manager = self.payload_manager
        assert manager is not None
        payload = tuple(map(plain_bundle, manager.read_payload()))
        manager.clear_payload()
        return payload

    def enable_gui(self, gui: str | None = None) -> None:
        """``%gui``, and a part of ``%matplotlib``.

        Raises:
            UsageError: windows would have to be served, and a session has no screen.
        """
        if gui not in _GUIS_WITHOUT_LOOP:
            raise UsageError(f"A session has no screen for the windows of {gui!r}.")

    def settle(self, environment: Mapping[str, str], directory: str) -> None:
        """Become the session that somebody wants, with these variables and in this directory if it is named.

        Raises:
            OSError: it cannot go there.
        """
        os.environ.update(environment)
        self._take_note_of_jupyter()
        if directory:
            os.chdir(directory)
            self.directory = os.getcwd()
            self.user_ns["_dh"][:] = [Path(directory)]  # where "%cd -" leads, and "%dhist" begins

    def _take_note_of_jupyter(self) -> None:
        # Libraries ask for this section to know whether a front end of Jupyter's listens, which
        # can show widgets. Every program of Jupyter's sets the variable.
        if "JPY_PARENT_PID" in os.environ:
            self.config.IPKernelApp = Config()

    # --- errors

    def _showtraceback(self, etype: type, evalue: BaseException, stb: list[str]) -> None:
        run = current_run()
        if run is None:
            return
        run.error = Error(
            ename=name_of(etype),
            evalue=text_of(evalue),
            traceback=tuple(_bounded(well_formed(line)) for line in stb),
        )
        run.publish(run.error)

    def _format_exception_for_storage(self, *args: Any, **kwargs: Any) -> None:
        """Keep no copy of the traceback in the history; IPython's fails for exceptions without text."""

    def show_usage_error(self, exc: UsageError) -> None:
        self._showtraceback(type(exc), exc, [f"UsageError: {exc}"])

    def showsyntaxerror(self, *args: Any, **kwargs: Any) -> None:
        error = sys.exc_info()[1]
        # What is nested too deeply is a MemoryError to the compiler, which runs out of a stack of its own.
        if isinstance(error, MemoryError) and not process.is_memory_short():
            error.args = (TOO_DEEP,)
        super().showsyntaxerror(*args, **kwargs)

    def showtraceback(self, exc_tuple: Any = None, *args: Any, **kwargs: Any) -> None:
        etype, value, tb = self._get_exc_info(exc_tuple)
        hide_our_frames(value)
        tb = without_our_frames(tb)
        if isinstance(value, BaseExceptionGroup):
            # IPython prints groups on stderr as Python does; here they are errors like any other.
            while tb is not None and tb.tb_frame.f_globals.get("__name__") == "IPython.core.interactiveshell":
                tb = tb.tb_next
            self._showtraceback(etype, value, traceback.format_exception(etype, value, tb))
        else:
            super().showtraceback((etype, value, tb), *args, **kwargs)

    # --- running

    async def run(self, code: str, *, silent: bool, store_history: bool) -> ExecutionResult:
        """Run a cell to its end. Errors are shown and kept in the result, never raised."""
        failure = None
        try:
            transformed = self.transform_cell(code)
        except Exception:  # a transformer, perhaps the user's
            transformed, failure = code, sys.exc_info()
        result = await self.run_cell_async(
            code,
            store_history=store_history,
            silent=silent,
            transformed_cell=transformed,
            preprocessing_exc_tuple=failure,
        )
        self.run_hooks(result, silent=silent)
        return result

    def run_hooks(self, result: ExecutionResult, *, silent: bool) -> None:
        """What follows a cell: figures are drawn here."""
        if "matplotlib.pyplot" in sys.modules:
            self._show_figures()
        self.events.trigger("post_execute")
        if not silent:
            self.events.trigger("post_run_cell", result)

    async def run_code(self, code_obj: Any, result: Any = None, *, async_: bool = False) -> bool:
        """As in IPython. An interrupt may be raised below this frame, and only there."""
        self.before_code()
        return bool(await super().run_code(code_obj, result, async_=async_))

    def _show_figures(self) -> None:
        # Whoever imports pyplot sees plots, in each shell of the process, unless matplotlib was told
        # to draw elsewhere.
        if self._draws:
            return
        import matplotlib
        from matplotlib_inline.backend_inline import flush_figures
        from matplotlib_inline.config import InlineBackend

        inline = os.environ.get("MPLBACKEND")
        if matplotlib.rcParams._get("backend") in (inline, "inline"):
            if flush_figures not in self.events.callbacks["post_execute"]:
                activate_matplotlib(inline)
                self.events.register("post_execute", flush_figures)
            backend = InlineBackend.instance(parent=self)
            # "%matplotlib inline" does this for the first shell of a process alone.
            select_figure_formats(self, backend.figure_formats, **backend.print_figure_kwargs)
            self._draws = True


# Libraries (rich, pandas) know by this name of the class that there is a notebook and no terminal.
Shell.__name__ = Shell.__qualname__ = "ZMQInteractiveShell"
