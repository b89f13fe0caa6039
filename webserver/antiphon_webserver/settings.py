"""The settings of a web server: one frozen value, made by an entry point and handed down.

What belongs here: the settings, their defaults, and the checks that need no network. What must
never come here: reading the environment, the command line or a file; entry points do that.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from .errors import ServerError

DEFAULT_PORT = 8750


class SettingsRefused(ServerError):
    """These settings would be unsafe or make no sense; the message is a sentence for the operator."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a web server must know before it starts.

    Args:
        data: the folder that holds the database and the runtime file; made with mode 0700.
        kernel: the connection file of the kernel daemon, which may appear later; or None for a
            kernel inside this process, without ZeroMQ.
        host: the address to listen on. Anything but loopback needs ``allow_remote``.
        port: the port to listen on; 0 for any free one.
        database: an SQLAlchemy URL; empty for an SQLite file in ``data``.
        url: where people reach the server when that is not ``http://host:port`` (behind a proxy).
        hosts: further names, with their port, that a request's ``Host`` may have.
        account: the local account; the owner of the token in the runtime file.
        static: the folder of the built page; None for the one inside the package.
        shutdown_seconds: how long an orderly end may take.
    """

    data: Path
    kernel: Path | None
    account: str
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    allow_remote: bool = False
    database: str = ""
    url: str = ""
    hosts: tuple[str, ...] = ()
    static: Path | None = None
    shutdown_seconds: float = 8.0

    @property
    def database_url(self) -> str | Path:
        return self.database or self.data / "antiphon.sqlite"

    @property
    def runtime_file(self) -> Path:
        return self.data / "server.json"

    @property
    def static_folder(self) -> Path:
        return self.static or Path(__file__).parent / "static"

    def public_url(self, port: int) -> str:
        """Where people reach the server that listens on ``port``."""
        if self.url:
            return self.url.rstrip("/")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{port}"

    def allowed_hosts(self, port: int) -> frozenset[str]:
        """Every value of ``Host`` that is answered, in lower case.

        A page of another name that resolves to this machine (DNS rebinding) sends its own name.
        """
        names = [f"{name}:{port}" for name in ("localhost", "127.0.0.1", "[::1]")]
        names.append(urlsplit(self.public_url(port)).netloc)
        return frozenset(name.lower() for name in (*names, *self.hosts))

    def check(self) -> None:
        """Refuse what is unsafe.

        Raises:
            SettingsRefused: a port out of range, or an address that others can reach without
                ``allow_remote``.
        """
        if not 0 <= self.port <= 65535:
            raise SettingsRefused(f"port: {self.port} is not between 0 and 65535.")
        if not self.allow_remote and not _is_loopback(self.host):
            raise SettingsRefused(
                f"host: {self.host} can be reached from other machines, and whoever signs in can run "
                "programs as you. Put a proxy with TLS before Antiphon, or allow it (--allow-remote)."
            )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
