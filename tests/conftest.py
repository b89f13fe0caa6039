"""What tests of several parts share: a real ``antiphon serve``, alone in a data directory of its own."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

READY_SECONDS = 60.0
"""For a machine that runs other tests at the same time; an idle one needs about two."""


class AntiphonServer:
    """``antiphon serve`` as a process, with its kernel daemon, on a free port.

    ``url``, ``token`` and ``data`` are what the command's own runtime file tells. The port stays the same
    over a restart, so that a page can find the server again.
    """

    def __init__(self, *options: str) -> None:
        # Short, and not pytest's: a Unix socket's path must fit into 107 bytes.
        self.home = Path(tempfile.mkdtemp(prefix="antiphon-"))
        self.data = self.home / "data"
        self.options = options
        self.port = 0
        self.env = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("ANTIPHON_", "XDG_"))
            },
            "HOME": str(self.home),
            # What jedi and matplotlib have worked out once.
            "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
            "ANTIPHON_DATA": str(self.data),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it and wait for its one line. Fails with what it said instead."""
        with (self.home / "serve.err").open("a") as errors:
            self.process = subprocess.Popen(
                [*self.command("serve"), "--port", str(self.port), "--no-browser", *self.options],
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], READY_SECONDS)
        self.line = self.process.stdout.readline() if readable else ""
        if "ready" not in self.line:
            self.stop()
            pytest.fail(f"antiphon serve did not start: {self.line}{self.said()}")
        self.port = urlsplit(self.url).port or 0

    def command(self, *words: str) -> list[str]:
        """The command line of ``antiphon`` with ``words``."""
        return [sys.executable, "-m", "antiphon_client", *words]

    def antiphon(self, *words: str, input: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
        """Run ``antiphon`` with ``words`` as this server's own user."""
        return subprocess.run(
            self.command(*words),
            env={**self.env, **env},
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            timeout=READY_SECONDS,
            check=False,
        )

    @property
    def errors(self) -> str:
        """What it wrote to stderr: nothing, if all went well. That it was root it may say."""
        lines = (self.home / "serve.err").read_text().splitlines(keepends=True)
        return "".join(line for line in lines if "Antiphon runs as root" not in line)

    def said(self) -> str:
        """What it wrote to stderr and to its logs, for the message of a failure."""
        logs = sorted(self.data.glob("*.log"))
        return "\n".join([self.errors, *(log.read_text() for log in logs)])

    def _runtime(self) -> dict[str, Any]:
        found = json.loads((self.data / "server.json").read_text())
        assert isinstance(found, dict)
        return found

    @property
    def url(self) -> str:
        return str(self._runtime()["url"])

    @property
    def token(self) -> str:
        return str(self._runtime()["token"])

    @property
    def kernel_pid(self) -> int:
        """0 while there is none."""
        file = self.data / "kernel.json"
        return int(json.loads(file.read_text())["pid"]) if file.exists() else 0

    def login_link(self, account: str = "") -> str:
        """A new one-time login link; for another account, which is made if it is not there."""
        words = ["accounts", "create", account] if account else ["login", "--link"]
        answer = self.antiphon(*words)
        if account and "there is an account of this name" in answer.stderr:
            answer = self.antiphon("accounts", "link", account)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout.strip()

    def kill(self) -> None:
        """kill -9 the web server. The kernel daemon goes on."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self._close_pipe()

    def restart(self) -> None:
        """Start again on the same data and port, after ``kill`` or ``stop``."""
        self.start()

    def stop(self) -> None:
        """End the web server in order, with what it started."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(READY_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._close_pipe()

    def _close_pipe(self) -> None:
        if self.process is not None and self.process.stdout is not None:
            self.process.stdout.close()

    def remove(self) -> None:
        """End everything, the kernel of a killed server as well, and delete the data."""
        self.stop()
        self.antiphon("stop")
        shutil.rmtree(self.home, ignore_errors=True)


@pytest.fixture
def antiphon_server() -> Iterator[AntiphonServer]:
    """A running ``antiphon serve`` for this test alone, which may kill it."""
    server = AntiphonServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def shared_server() -> Iterator[AntiphonServer]:
    """A running ``antiphon serve`` for all tests that leave it as it is, with worksheets of their own."""
    server = AntiphonServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()
