"""Workers as processes, forked from a warm zygote: the default."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import itertools
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from .. import descriptors
from ..errors import WorkerFailed
from ..ledger import Ledger
from ..message import (
    NO_LIMITS,
    PLAIN_SETTING,
    ExecuteRequest,
    Header,
    Message,
    Preloaded,
    SessionLimits,
    SessionUID,
    Setting,
)
from ..worker import handover
from ..worker.control import (
    PACKET_BYTES,
    Changed,
    End,
    Exited,
    Fork,
    Forked,
    Keep,
    Ready,
    Refused,
    Spawn,
    decode_report,
    encode,
)
from ..worker.control import Program as ToStart
from ..worker.turn import Turn, make_turn
from . import Kept, Listener, rlimits
from .deaths import reason_of
from .program import Program
from .worker_process import LONG_READ_BYTES, StreamName, WorkerProcess

log = logging.getLogger(__name__)

DEFAULT_PRELOAD = ("numpy", "pandas", "matplotlib.pyplot")
"""Imported before the fork where installed. Not everything can be: pyarrow and polars start threads."""

READY_SECONDS = 60.0
"""For the zygote's imports. The very first start compiles them and builds matplotlib's font cache."""

FORK_SECONDS = 30.0
"""For one fork, behind those that were asked for before it."""

FORKS_AT_ONCE = 8
"""Requests in the zygote's socket. It forks one after another anyway; the descriptors of those that
wait would be open three times."""

WORKER_DESCRIPTORS = 16
"""Of one worker: 7 that stay, those of its end until it is asked for, and some for its session."""

SPARE_SECONDS = 0.1
"""Between a start from the spare workers and their refilling, which would slow the new session."""

CLOSE_SECONDS = 5.0
"""For workers and zygote to end. Then the zygote is killed, and its workers with it."""

_PROGRAM = "import json, sys; from antiphon_kernel.worker.reaper import main; main(json.loads(sys.argv[1]))"


def _environment() -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("ANTIPHON_")}
    ours.setdefault("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    # Programs started from a cell: no pager waits for a key that nobody can press.
    return ours | {"PAGER": "cat", "GIT_PAGER": "cat", "TERM": "xterm-color"}


def _settling(setting: Setting) -> Message:
    """What a worker does before all else: go where it belongs. A spare one was forked without knowing.

    It is a run, which nobody waits for: so it is done when the first request is, and if the directory is
    not there, the feed says so.
    """
    return _unasked("setting", f"get_ipython().settle({setting.environment!r}, {setting.directory!r})")


def _unasked(msg_id: str, code: str) -> Message:
    """A run of ours, whose reply nobody waits for."""
    content = ExecuteRequest(code=code, silent=True, store_history=False, allow_stdin=False)
    return Message(header=Header(msg_id=msg_id, msg_type=content.msg_type), content=content)


class Outliving(NamedTuple):
    """How sessions outlive a daemon that is killed (``worker.handover``).

    Args:
        socket: where the zygote waits for the next daemon; in a directory of this user alone.
        key: of this daemon's connection file; the next one must know it.
        earlier_key: of the daemon before; empty if there was none, or it ended in order.
        seconds: how long the zygote waits.
    """

    socket: Path
    key: bytes
    earlier_key: bytes
    seconds: float


class _Zygote:
    """The executor's hold on one zygote. It is never restarted: a dead one is replaced.

    Args:
        control: the socket to it.
        pidfd: its reaper, which ends when it has ended and all that came from it.
        process: the reaper, if that is a child of ours.
    """

    def __init__(
        self, control: socket.socket, pidfd: int, process: subprocess.Popen[bytes] | None = None
    ) -> None:
        self._control = control
        self._pidfd = pidfd
        self._process = process
        self._loop = asyncio.get_running_loop()
        self._keys = itertools.count(1)
        self._places = asyncio.Semaphore(FORKS_AT_ONCE)
        self._wanted: dict[int, asyncio.Future[WorkerProcess]] = {}
        self._prepared: dict[int, tuple[socket.socket, dict[StreamName, int], Turn, Ledger]] = {}
        self.workers: dict[int, WorkerProcess] = {}
        self._spawning: dict[int, asyncio.Future[Program]] = {}
        self.programs: dict[int, Program] = {}
        self.ledgers: weakref.WeakSet[Ledger] = weakref.WeakSet()
        self.ready: asyncio.Future[Ready] = self._loop.create_future()
        self.ended = asyncio.Event()
        self.changed: tuple[str, ...] = ()
        self.data_bytes = 0  # of a new worker, asked of the first one: they are all alike
        control.setblocking(False)
        self._loop.add_reader(control, self._on_control)
        self._loop.add_reader(pidfd, self._on_end)

    @classmethod
    def start(
        cls, preload: Sequence[str], directory: str | None, outliving: Outliving | None, *, warm: bool
    ) -> _Zygote:
        """A new zygote."""
        arguments: dict[str, Any] = {"names": list(preload), "warm": warm}
        with contextlib.ExitStack() as theirs:
            ours, control = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            inherited = [theirs.enter_context(control).fileno()]
            if outliving is not None:
                listener = theirs.enter_context(handover.listen(outliving.socket))
                secret = handover.keep_secret(handover.secret_of(outliving.key))
                theirs.callback(os.close, secret)
                arguments["waiting"] = [listener.fileno(), secret, outliving.seconds]
                inherited += [listener.fileno(), secret]
            arguments["control"] = control.fileno()
            process = subprocess.Popen(  # our own interpreter and program
                [sys.executable, "-P", "-c", _PROGRAM, json.dumps(arguments)],
                stdin=subprocess.DEVNULL,
                stdout=2,
                pass_fds=inherited,
                start_new_session=True,  # Ctrl-C in the daemon's terminal is for the daemon alone
                cwd=directory,
                env=_environment(),
            )
        return cls(ours, os.pidfd_open(process.pid), process)

    @classmethod
    def take_over(cls, inherited: handover.Inheritance) -> tuple[_Zygote, list[Kept]]:
        """The zygote of a daemon that was killed, and what is left of its sessions."""
        zygote = cls(inherited.control, inherited.pidfd)
        zygote.ready.set_result(Ready(inherited.preloaded, ()))
        for holding in inherited.workers:
            if holding.is_program:
                zygote.programs[holding.pid] = Program(holding.pid, *holding.descriptors)
        workers = [holding for holding in inherited.workers if not holding.is_program]
        kept = [one for holding in workers if (one := zygote._kept(holding)) is not None]
        return zygote, kept

    def _kept(self, holding: handover.Holding) -> Kept | None:
        *ends, last = holding.descriptors
        ledger = Ledger(last)
        self.ledgers.add(ledger)
        try:
            record = ledger.read()
        except ValueError as error:
            log.error("a session is lost: %s", error)
            ledger.end()
            record = None
        worker = None
        if ends:
            link, stdout, stderr, turn, pidfd = ends
            worker = WorkerProcess(
                socket.socket(fileno=link),
                {"stdout": stdout, "stderr": stderr},
                Turn(turn),
                pid=holding.pid,
                pidfd=pidfd,
                ledger=ledger,
                on_death=self._forget,
                earlier=record,
            )
            self.workers[holding.pid] = worker
            if record is None:
                worker.kill()
            if holding.status is not None:
                worker.ended(holding.status)
        if record is None:
            return None
        reason = "its worker ended"
        if holding.status is not None:
            reason = reason_of(holding.status, record.session.limits)
        return Kept(record, ledger, worker, f"{reason}, as the kernel was killed too")

    def note(self) -> Ledger:
        """A ledger that it keeps.

        Raises:
            OSError: it cannot keep more; with many at once perhaps only while it imports.
        """
        ledger = Ledger(os.memfd_create("antiphon-ledger"))
        try:
            self.keep(ledger)
        except BaseException:
            ledger.close()
            raise
        return ledger

    def keep(self, ledger: Ledger) -> None:
        """Keep a ledger; raises OSError as ``note`` does."""
        socket.send_fds(self._control, [encode(Keep())], [ledger.descriptor])
        self.ledgers.add(ledger)

    async def spawn(self, argv: Sequence[str], environment: dict[str, str], directory: str) -> Program:
        """As ``ForkedExecutor.spawn``."""
        key = next(self._keys)
        wanted: asyncio.Future[Program] = self._loop.create_future()
        self._spawning[key] = wanted
        try:
            async with asyncio.timeout(READY_SECONDS):
                await asyncio.shield(self.ready)
            self._ask_to_spawn(key, ToStart(list(argv), environment, directory))
            async with asyncio.timeout(FORK_SECONDS):
                return await wanted
        except TimeoutError:
            raise WorkerFailed("no process was made in time; the machine may be overloaded") from None
        except OSError as error:
            raise WorkerFailed(f"no process could be asked for: {error}") from error
        finally:
            self._spawning.pop(key, None)

    def _ask_to_spawn(self, key: int, program: ToStart) -> None:
        # By a file in memory: an environment may be longer than a packet.
        with open(os.memfd_create("antiphon-program"), "w+b") as file:
            file.write(encode(program))
            file.flush()
            file.seek(0)
            socket.send_fds(self._control, [encode(Spawn(key))], [file.fileno()])

    async def fork(self) -> WorkerProcess:
        """Make a worker.

        Raises:
            WorkerFailed: it could not be made, or not in time; the reason says why.
        """
        key = next(self._keys)
        try:
            async with asyncio.timeout(READY_SECONDS):
                await asyncio.shield(self.ready)
            async with asyncio.timeout(FORK_SECONDS), self._places:
                self._ask_for(key)
                return await self._wanted[key]
        except TimeoutError:
            raise WorkerFailed("no process was made in time; the machine may be overloaded") from None
        except OSError as error:
            raise WorkerFailed(f"no process could be asked for: {error}") from error
        finally:
            self._wanted.pop(key, None)

    def _ask_for(self, key: int) -> None:
        descriptors.require(WORKER_DESCRIPTORS + descriptors.CLIENTS_RESERVE)
        with contextlib.ExitStack() as on_failure, contextlib.ExitStack() as theirs:

            def pipe() -> tuple[int, int]:
                read, write = os.pipe()
                on_failure.callback(os.close, read)
                theirs.callback(os.close, write)
                return read, write

            link, their_link = socket.socketpair()
            # As much as the system allows, which may be less: a large display goes in few pieces.
            their_link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LONG_READ_BYTES)
            on_failure.callback(link.close)
            theirs.callback(their_link.close)
            (read_stdout, stdout), (read_stderr, stderr) = pipe(), pipe()
            for descriptor in (read_stdout, read_stderr):
                os.set_blocking(descriptor, False)
            turn = make_turn()
            on_failure.callback(os.close, turn)
            ledger = Ledger(os.memfd_create("antiphon-ledger"))
            on_failure.callback(ledger.close)
            self.ledgers.add(ledger)
            handed = [their_link.fileno(), stdout, stderr, read_stdout, read_stderr, turn]
            handed += [link.fileno(), ledger.descriptor]
            socket.send_fds(self._control, [encode(Fork(key))], handed)
            self._wanted[key] = self._loop.create_future()
            self._prepared[key] = link, {"stdout": read_stdout, "stderr": read_stderr}, Turn(turn), ledger
            on_failure.pop_all()

    def _on_control(self) -> None:
        try:
            packet, received, _, _ = socket.recv_fds(self._control, PACKET_BYTES, 1)
        except BlockingIOError:
            return
        except OSError:
            packet, received = b"", []
        if not packet:
            self._loop.remove_reader(self._control)
            return
        match decode_report(packet):
            case Ready(warnings=warnings) as ready:
                for warning in warnings:
                    log.warning("%s", warning)
                if not self.ready.done():
                    self.ready.set_result(ready)
            case Changed(names=names):
                self.changed = names
                if names:
                    log.warning("%s changed on disk; sessions have what was there before", ", ".join(names))
            case Forked(key=key, pid=pid) if key not in self._prepared:
                program = self.programs[pid] = Program(pid, received[0])
                asking = self._spawning.get(key)
                if asking is None or asking.done():
                    program.kill()  # whoever asked has given up
                else:
                    asking.set_result(program)
            case Forked(key=key, pid=pid):
                link, pipes, turn, ledger = self._prepared.pop(key)
                worker = WorkerProcess(
                    link,
                    pipes,
                    turn,
                    pid=pid,
                    pidfd=received[0],
                    ledger=ledger,
                    on_death=self._forget,
                )
                self.workers[pid] = worker
                wanted = self._wanted.get(key)
                if wanted is None or wanted.done():
                    worker.kill()  # whoever asked has given up
                else:
                    wanted.set_result(worker)
            case Refused(key=key, reason=reason) if key not in self._prepared:
                asking = self._spawning.get(key)
                if asking is not None and not asking.done():
                    asking.set_exception(WorkerFailed(reason))
            case Refused(key=key, reason=reason):
                self._discard(key)
                wanted = self._wanted.get(key)
                if wanted is not None and not wanted.done():
                    wanted.set_exception(WorkerFailed(reason))
            case Exited(pid=pid, status=status):
                if (dead := self.workers.get(pid)) is not None:
                    dead.ended(status)
                elif (left := self.programs.pop(pid, None)) is not None:
                    left.ended(status)

    def _forget(self, worker: WorkerProcess) -> None:
        self.workers.pop(worker.pid, None)

    def _discard(self, key: int) -> None:
        link, pipes, turn, ledger = self._prepared.pop(key)
        ledger.close()
        link.close()
        turn.close()
        for descriptor in pipes.values():
            os.close(descriptor)

    def _on_end(self) -> None:
        for descriptor in (self._pidfd, self._control.fileno()):
            self._loop.remove_reader(descriptor)
        os.close(self._pidfd)
        self._control.close()
        reason = "the zygote, from which sessions are forked, ended"
        if self._process is not None:
            reason += f" with status {self._process.wait()}"
        for key in list(self._prepared):
            self._discard(key)
        futures: list[asyncio.Future[Any]] = [self.ready, *self._wanted.values(), *self._spawning.values()]
        for future in futures:
            if not future.done():
                future.set_exception(WorkerFailed(f"{reason}; what it said is in the kernel's log"))
                future.exception()  # nobody need be waiting for it
        for worker in list(self.workers.values()):
            worker.lose(reason)
        for program in self.programs.values():
            program.ended(signal.SIGKILL)  # by the reaper
        self.programs.clear()
        self.ended.set()

    async def close(self) -> None:
        """End the zygote and whatever came from it."""
        if not self.ended.is_set():
            with contextlib.suppress(OSError):
                self._control.send(encode(End()))
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self.ended.wait()
            except TimeoutError:
                signal.pidfd_send_signal(self._pidfd, signal.SIGTERM)
                await self.ended.wait()
        for worker in list(self.workers.values()):
            await worker.gone.wait()


class ForkedExecutor:
    """Satisfies ``Executor``.

    Args:
        preload: modules that new workers have already imported; those not installed are left out.
        directory: in which workers begin; that of this process, if not given.
        spares: workers that wait ready-made.
        warm: do once, before the first fork, what every session does first. For a single session, which
            would wait for it, it is of no use.
        outliving: if sessions outlive a daemon that is killed.
    """

    def __init__(
        self,
        *,
        preload: Sequence[str] = DEFAULT_PRELOAD,
        directory: str | None = None,
        spares: int = 1,
        warm: bool = True,
        outliving: Outliving | None = None,
    ) -> None:
        self._warm = warm
        self._outliving = outliving
        self._preload = tuple(preload)
        self._directory = directory
        self._spare_count = spares
        self._spares: list[WorkerProcess] = []
        self._promised: dict[SessionUID, WorkerProcess] = {}
        self._zygote: _Zygote | None = None
        self._refilling: asyncio.Task[None] | None = None

    async def open(self) -> Sequence[Kept]:
        """Take over the zygote of a daemon that was killed, or start one.

        Does not wait for the imports of a new one: the first ``start`` does.
        """
        kept = await self._take_over()
        self._live_zygote()
        self._refill()
        return kept

    async def _take_over(self) -> Sequence[Kept]:
        outliving = self._outliving
        if outliving is None or not outliving.earlier_key:
            return ()
        earlier, key = map(handover.secret_of, (outliving.earlier_key, outliving.key))
        try:
            inherited = await asyncio.to_thread(handover.claim, outliving.socket, earlier, key)
        except handover.NotHandedOver as error:
            log.warning("no sessions are left of the kernel that ended: %s", error)
            return ()
        self._zygote, kept = _Zygote.take_over(inherited)
        return kept

    def _live_zygote(self) -> _Zygote:
        earlier = self._zygote
        if earlier is None or earlier.ended.is_set():
            self._zygote = _Zygote.start(self._preload, self._directory, self._outliving, warm=self._warm)
            # What the sessions were whose workers ended with it.
            for ledger in list(earlier.ledgers) if earlier is not None else ():
                if ledger.is_in_use:
                    with contextlib.suppress(OSError):  # no more room
                        self._zygote.keep(ledger)
            return self._zygote
        return earlier

    async def start(
        self,
        uid: SessionUID,
        listener: Listener,
        setting: Setting = PLAIN_SETTING,
        limits: SessionLimits = NO_LIMITS,
    ) -> WorkerProcess:
        zygote = self._live_zygote()
        promised = self._promised.pop(uid, None)
        worker = promised if promised is not None and not promised.is_dead else self._spare()
        if worker is None:
            worker = await zygote.fork()
        zygote.data_bytes = zygote.data_bytes or rlimits.data_bytes(worker.pid)
        rlimits.apply(worker.pid, limits, zygote.data_bytes)
        worker.limits = limits
        worker.listen(listener)
        if setting != PLAIN_SETTING:
            worker.send(_settling(setting))
        self._refill()
        return worker

    def _spare(self) -> WorkerProcess | None:
        """A worker that is ready, if there is one. It is the caller's."""
        self._spares = [worker for worker in self._spares if not worker.is_dead]
        return self._spares.pop() if self._spares else None

    async def spawn(self, argv: Sequence[str], environment: dict[str, str], directory: str) -> Program:
        """Start a program that ends with the sessions, and outlives this process as they do.

        Raises:
            WorkerFailed: it could not be started; the reason says why.
        """
        return await self._live_zygote().spawn(argv, environment, directory)

    def inherited(self) -> dict[int, Program]:
        """The programs that an earlier daemon had started, by pid."""
        return dict(self._zygote.programs) if self._zygote is not None else {}

    def note(self, uid: SessionUID, *, starts: bool) -> Ledger | None:
        if self._outliving is None:
            return None
        if starts and (worker := self._spare()) is not None:
            self._promised[uid] = worker
            return worker.ledger
        try:
            return self._live_zygote().note()
        except OSError as error:
            log.warning("a session is not noted down until it has a worker: %s", error)
            return None

    def _refill(self) -> None:
        if self._refilling is None or self._refilling.done():
            self._refilling = asyncio.get_running_loop().create_task(self._make_spares())

    async def _make_spares(self) -> None:
        try:
            await asyncio.sleep(SPARE_SECONDS)
            while len(self._spares) < self._spare_count:
                worker = await self._live_zygote().fork()
                # A first run writes to some 500 shared pages, which are copied then, whatever its code.
                worker.send(_unasked("first run", "pass"))
                self._spares.append(worker)
        except WorkerFailed as error:
            # Whoever starts a session gets the same error as an answer.
            log.warning("no spare worker: %s", error)

    async def close(self) -> None:
        if self._refilling is not None:
            self._refilling.cancel()
            await asyncio.wait([self._refilling])
        if self._zygote is not None:
            await self._zygote.close()
            self._zygote = None
        if self._outliving is not None:
            self._outliving.socket.unlink(missing_ok=True)
        self._spares.clear()
        self._promised.clear()

    @property
    def features(self) -> tuple[str, ...]:
        return ("debugger",) if importlib.util.find_spec("debugpy") else ()

    @property
    def preloaded(self) -> tuple[Preloaded, ...]:
        zygote = self._zygote
        if zygote is None or not zygote.ready.done() or zygote.ready.exception() is not None:
            return ()
        return tuple(
            msgspec.structs.replace(module, changed=module.name in zygote.changed)
            for module in zygote.ready.result().preloaded
        )
