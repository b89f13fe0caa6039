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
from sqlalchemy import create_engine

from antiphon_client.client import Client
from antiphon_webserver.storage.migrations import bring_up_to_date
from tests.deadline import DEADLINE


class AntiphonServer:
    """``antiphon serve`` as a process, with its kernel daemon, on a free port.

    ``url``, ``token`` and ``data`` are what the command's own runtime file tells. The port stays the same
    over a restart, so that a page can find the server again.

    Args:
        preload: whether its kernel imports numpy, pandas and matplotlib before the first session, which takes
            more than all the rest of a start.
    """

    def __init__(self, *options: str, preload: bool = False) -> None:
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
            **({} if preload or "--kernel" in options else {"ANTIPHON_PRELOAD": ""}),
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
        readable, _, _ = select.select([self.process.stdout], [], [], DEADLINE)
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
            timeout=DEADLINE,
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
        with Client(self.url, self.token) as client:
            if not account:
                return client.account_link().url
            if any(each.name == account for each in client.account_list()):
                return client.account_link(account).url
            return client.account_create(account).link.url

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
                self.process.wait(DEADLINE)
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
        if self.process is None or self.process.returncode:
            self.antiphon("stop")
        shutil.rmtree(self.home, ignore_errors=True)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with its tables, to be copied: all the migrations take as long as many a test."""
    path = tmp_path_factory.mktemp("sqlite") / "template.sqlite"
    path.touch(mode=0o600)
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        bring_up_to_date(connection)
    engine.dispose()
    return path


def put_database(template: Path, data: Path) -> None:
    """Make a data directory in which a server finds its database."""
    data.mkdir(mode=0o700)
    shutil.copy(template, data / "antiphon.sqlite")


@pytest.fixture
def antiphon_server(sqlite_template: Path) -> Iterator[AntiphonServer]:
    """A running ``antiphon serve`` for this test alone, which may kill it."""
    server = AntiphonServer()
    put_database(sqlite_template, server.data)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def shared_server() -> Iterator[AntiphonServer]:
    """A running ``antiphon serve`` for all tests that leave it as it is, with worksheets of their own."""
    server = AntiphonServer(preload=True)
    try:
        server.start()
        yield server
    finally:
        server.remove()
