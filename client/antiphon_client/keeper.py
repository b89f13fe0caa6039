"""The kernel daemon of a data directory: found, started, kept running, ended.

It is a process of its own, in a session of its own: it outlives a web server that was killed, and the
next one finds it by its connection file.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from antiphon_client import processes, runtime
from antiphon_client.errors import ClientError

START_SECONDS = 60.0
"""On a busy machine with cold disks the daemon's zygote imports for several seconds."""

STOP_SECONDS = 10.0
START_POLL_SECONDS = 0.01
TAKEN_SECONDS = 0.25
"""Until a kernel is started once more where another one, that cannot be found yet, was starting."""

WATCH_POLL_SECONDS = 0.5

SHORT_LIFE_SECONDS = 10.0
SHORT_LIVES = 3
"""A kernel that ends that soon, that often in a row, is not started again: something is wrong with it."""


def find(data: Path) -> tuple[processes.Process, runtime.KernelFile] | None:
    """The running kernel daemon of ``data``. The caller closes the process. Raises ``UnsafeFile``."""
    file = runtime.read_kernel(data)
    process = processes.find(file.pid, "antiphon_kernel") if file else None
    return (process, file) if process and file else None


def make_way(data: Path) -> None:
    """Remove what is no connection file from its place. That of a kernel that was killed stays: with its
    key the next one gets the sessions that are left."""
    if runtime.read_kernel(data) is None:
        runtime.kernel_file(data).unlink(missing_ok=True)


def end_left(data: Path) -> int:
    """End the sessions of a kernel that was killed, which wait for another one; how many there were."""
    if runtime.read_kernel(data) is None:
        return 0
    words = [*command(runtime.kernel_file(data), "stop", ()), "--end-left"]
    try:
        ended = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=environment(),
            timeout=START_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ClientError(
            f"The sessions that a killed kernel left did not end in {START_SECONDS:g} s"
        ) from None
    if ended.returncode:
        raise ClientError(
            f"The sessions that a killed kernel left could not be ended: {ended.stderr.strip()}"
        )
    return int(ended.stdout)


def command(file: Path, started_by: str, options: Sequence[str]) -> list[str]:
    """The command line of a kernel daemon that writes its connection file to ``file``."""
    words = [sys.executable, "-m", "antiphon_kernel", "--connection-file", str(file)]
    return [*words, "--started-by", started_by, *options]


def environment() -> dict[str, str]:
    """This process's environment without its settings and secrets: code in sessions reads what the kernel
    has, and the kernel is told by options."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ANTIPHON_")}


class Keeper:
    """Sees to it that ``data`` has a kernel, from ``open`` to ``close``.

    A kernel that ``serve`` started is kept running and ended by ``close``, also one of an earlier
    ``serve`` that was killed. One that ``antiphon kernel`` runs is used and left alone.

    Args:
        options: further arguments of a kernel that is started.
        say: called with a sentence for the person at the terminal, from a thread.
    """

    def __init__(self, data: Path, options: Sequence[str], say: Callable[[str], None]) -> None:
        self._data = data
        self._log = data / "kernel.log"
        self._options = options
        self._say = say
        self._child: subprocess.Popen[bytes] | None = None
        self._process: processes.Process | None = None
        self._closing = threading.Event()
        self._watch = threading.Thread(target=self._keep, name="kernel keeper")

    def open(self) -> None:
        """Find the kernel or start one. ``ready`` must follow, and ``close`` in any case."""
        found = find(self._data)
        if found is None:
            self._start()
        else:
            self._take(*found)
        if found is not None and self._options:
            self._say(f"The kernel is running already; {self._options[0]} counts when it is started again.")

    def ready(self) -> None:
        """Return when the connection file is there, and watch over the kernel from then on.

        Raises:
            ClientError: the kernel ended or was not ready in time; names its log.
        """
        deadline = time.monotonic() + START_SECONDS
        while (found := find(self._data)) is None:
            taken = self._child is not None and self._child.poll() == os.EX_TEMPFAIL
            if taken and time.monotonic() < deadline and not self._closing.is_set():
                # The web server before this one was killed while its kernel started. That kernel can be
                # found soon; or it is killed too, so it is not enough to wait for it.
                if not self._closing.wait(TAKEN_SECONDS):
                    self._start()
                continue
            if self._child is None or self._child.poll() is not None:
                raise ClientError(
                    f"The kernel could not be started: {self._last_line()} The log is {self._log}"
                )
            if time.monotonic() >= deadline:
                raise ClientError(
                    f"The kernel was not ready after {START_SECONDS:g} s. The log is {self._log}"
                )
            self._closing.wait(START_POLL_SECONDS)
        self._take(*found)
        if self._process and not self._closing.is_set():
            self._watch.start()

    def close(self) -> bool:
        """End the kernel if it is ours to end; whether there is none any more."""
        self._closing.set()
        if self._watch.ident is not None:
            self._watch.join()
        if self._process:
            with self._process as process:
                process.stop(STOP_SECONDS)
            if self._child:
                self._child.wait()
            if find(self._data) is None:
                end_left(self._data)  # it was killed, and its file is still there
        left = find(self._data)
        if left:
            left[0].close()
        return left is None

    def _take(self, process: processes.Process, file: runtime.KernelFile) -> None:
        """This kernel is the one to keep, if it is ours to keep."""
        if self._process:
            self._process.close()
        self._process = process if file.started_by == "serve" else None
        if self._process is None:
            process.close()

    def _start(self) -> None:
        if self._process:
            self._process.close()
        make_way(self._data)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        with open(os.open(self._log, flags, 0o600), "ab") as output:
            self._child = subprocess.Popen(
                command(runtime.kernel_file(self._data), "serve", self._options),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment(),
                start_new_session=True,
            )
        self._process = processes.Process(self._child.pid)

    def _keep(self) -> None:
        """The thread: when the kernel has ended unasked, start another one."""
        short_lives = 0
        began = time.monotonic()
        while not self._closing.wait(WATCH_POLL_SECONDS):
            if self._process is None or not self._process.ended():
                continue
            short_lives = short_lives + 1 if time.monotonic() - began < SHORT_LIFE_SECONDS else 1
            if short_lives >= SHORT_LIVES:
                self._say(f"The kernel has ended {short_lives} times in a row. The log is {self._log}")
                return
            if self._child:
                self._child.wait()
            self._say("The kernel has ended. A new one is started, and goes on with the sessions it finds.")
            began = time.monotonic()
            self._start()

    def _last_line(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1].strip().rstrip(".") + "." if lines else "it said nothing."
