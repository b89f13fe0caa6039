"""Real daemons for tests: started, killed, started again."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

from antiphon_kernel.client import KernelClient
from antiphon_kernel.connection import Connection, read_connection
from antiphon_kernel.transports.zeromq import ZeroMQTransport
from tests.deadline import DEADLINE


class Daemon:
    """A daemon process; ended by the test's end at the latest. What it says goes into a file, because
    its zygote may outlive it and would hold a pipe open."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        self.file = directory / "kernel.json"
        self.log = directory.with_name(directory.name + ".log")
        self.process: subprocess.Popen[bytes]
        self.start(*options)

    def start(self, *options: str) -> None:
        """Start it, also after another one was killed there."""
        command = [sys.executable, "-m", "antiphon_kernel", "--runtime-dir", self.directory, "--preload", ""]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*command, *options], stderr=log)

    async def connection(self) -> Connection:
        """That of this process, as soon as it is ready; a killed one may have left its own."""
        return await asyncio.to_thread(self._wait)

    def _wait(self) -> Connection:
        deadline = time.monotonic() + DEADLINE
        while not self.file.exists() or read_connection(self.file).pid != self.process.pid:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return read_connection(self.file)

    async def says(self, words: str) -> None:
        """Wait until it has said so in its log."""
        await asyncio.to_thread(self._wait_for, words)

    def _wait_for(self, words: str) -> None:
        deadline = time.monotonic() + DEADLINE
        while words not in self.log.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    async def client(self) -> KernelClient:
        connection = await self.connection()
        return KernelClient(ZeroMQTransport.to(connection), "ada")

    def kill(self) -> None:
        """As -9 does."""
        self.process.kill()
        self.process.wait(DEADLINE)

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """In order; its exit code and all that it said."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(DEADLINE)
        text = self.log.read_text()
        return code, text

    def close(self) -> None:
        """End it; if it was killed, end what outlives it, by one that is told to take it over."""
        if self.process.poll() is not None and self.file.exists():
            self.start()
            self._wait()
        self.end()
        self.log.unlink(missing_ok=True)
