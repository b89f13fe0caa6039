"""The settings of a web server: what can be said (``SERVER``), and one frozen value, handed down.

What belongs here: the settings, their defaults, and the checks that need no network. What must never
come here: reading the environment, the command line or a file (``antiphon_kernel.settings`` does, for an
entry point).
"""

from __future__ import annotations

import ipaddress
import os
import stat
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qs, urlsplit

import msgspec

from antiphon_kernel.settings import Setting, one_of, size

from .errors import ServerError
from .model import SignUp

DEFAULT_PORT = 8750
LOOPBACK = "127.0.0.1"

SECRET_CHARS = 16
"""A secret has at least so many characters: a shorter one can be guessed over the network."""

WELL_KNOWN = ("antiphon", "changeme", "change-me", "default", "password", "postgres", "secret")
"""Words that stand in examples in the place of a secret."""

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

Readers: TypeAlias = Literal["local", "token", "open"]


class SettingsRefused(ServerError):
    """These settings would be unsafe or make no sense; the message is a sentence for the operator."""


def port(text: str) -> int:
    """A TCP port, 0 for any free one."""
    if not text.isdecimal() or int(text) > 65535:
        raise ValueError(f"{text!r} is not a port from 0 to 65535")
    return int(text)


def network(text: str) -> Network:
    """An address such as 10.0.0.7, or a network such as 10.0.0.0/24."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise ValueError(f"{text!r} is not an address such as 10.0.0.7 or a network as 10.0.0.0/24") from None


SERVER: tuple[Setting, ...] = (
    Setting(
        name="port",
        metavar="PORT",
        parse=port,
        default=str(DEFAULT_PORT),
        help="Port to listen on; 0 for any free one.",
    ),
    Setting(
        name="host",
        metavar="ADDRESS",
        default=LOOPBACK,
        help="Address to listen on; another than loopback needs TLS or a proxy.",
    ),
    Setting(
        name="url",
        metavar="URL",
        otherwise="http://HOST:PORT",
        help="Where people reach the server, behind a proxy or with TLS.",
    ),
    Setting(
        name="allow-host",
        metavar="HOST:PORT",
        many=True,
        otherwise="those of loopback and of the URL",
        help="A further name that requests may give the server.",
    ),
    Setting(
        name="proxy",
        metavar="ADDRESS",
        parse=network,
        many=True,
        otherwise="none",
        help="Address or network of a proxy whose X-Forwarded-For is believed.",
    ),
    Setting(
        name="tls-cert",
        metavar="FILE",
        parse=Path,
        otherwise="plain HTTP",
        help="Certificate chain, PEM, to speak TLS without a proxy.",
    ),
    Setting(name="tls-key", metavar="FILE", parse=Path, help="Private key of the certificate, PEM."),
    Setting(
        name="signup",
        metavar="WHO",
        parse=one_of("closed", "invite", "open"),
        default="closed",
        help="Who may sign up: nobody (closed), whoever an admin invites (invite), or all (open).",
    ),
    Setting(
        name="oidc-issuer",
        metavar="URL",
        otherwise="none",
        help="OpenID provider at which people sign in; needs oidc-client and oidc-secret.",
    ),
    Setting(name="oidc-client", metavar="ID", help="This server's client id at the provider."),
    Setting(name="oidc-secret", metavar="SECRET", secret=True, help="Its secret at the provider."),
    Setting(
        name="oidc-signup",
        metavar="WHO",
        parse=one_of("closed", "open"),
        default="closed",
        help="Whom the provider knows: gets an account (open), or needs one already (closed).",
    ),
    Setting(
        name="database",
        metavar="URL",
        otherwise="an SQLite file in the data directory",
        help="Database; an address with a password cannot be a flag.",
    ),
    Setting(
        name="kernel",
        metavar="FILE",
        otherwise="the one of the data directory",
        help='Connection file of the kernel to use; "inprocess" for one inside the web server.',
    ),
    Setting(
        name="run-output-bytes",
        metavar="SIZE",
        parse=size,
        default="256M",
        help="The most output that is kept of one run; 0 for no limit. It says what it cuts.",
    ),
    Setting(
        name="worksheet-output-bytes",
        metavar="SIZE",
        parse=size,
        default="4G",
        help="The most output that is kept of one worksheet; 0 for no limit. It says what it cuts.",
    ),
    Setting(
        name="file-bytes",
        metavar="SIZE",
        parse=size,
        default="2G",
        help="The largest file that is brought to a session; 0 for no limit.",
    ),
    Setting(
        name="metrics",
        metavar="WHO",
        parse=one_of("local", "token", "open"),
        default="local",
        help="Who may read /metrics: local programs, whoever has the token, or all (open).",
    ),
    Setting(
        name="metrics-token",
        metavar="TOKEN",
        secret=True,
        otherwise="none",
        help="The bearer token for /metrics.",
    ),
    Setting(
        name="log-format",
        metavar="FORM",
        parse=one_of("text", "json"),
        default="text",
        help="Form of the log's lines: text or json.",
    ),
    Setting(
        name="log-level",
        metavar="LEVEL",
        parse=one_of("debug", "info", "warning", "error"),
        default="info",
        help="From which level on the log is written.",
    ),
)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a web server must know before it starts. ``SERVER`` says what most of it means.

    Args:
        data: the folder that holds the database and the runtime file; made with mode 0700.
        kernel: the connection file of the kernel daemon, which may appear later; or None for a
            kernel inside this process, without ZeroMQ.
        database: an SQLAlchemy URL; empty for an SQLite file in ``data``.
        account: the local account; the owner of the token in the runtime file.
        static: the folder of the built page; None for the one inside the package.
        signup: who may make an account: nobody but an admin, who has an invitation, or anybody.
        shutdown_seconds: how long an orderly end may take.
    """

    data: Path
    kernel: Path | None
    account: str
    host: str = LOOPBACK
    port: int = DEFAULT_PORT
    proxies: tuple[Network, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    database: str = ""
    url: str = ""
    hosts: tuple[str, ...] = ()
    run_output_bytes: int = 256 * 2**20
    worksheet_output_bytes: int = 4 * 2**30
    file_bytes: int = 2 * 2**30
    metrics: Readers = "local"
    metrics_token: str = ""
    static: Path | None = None
    signup: SignUp = "closed"
    oidc_issuer: str = ""
    oidc_client: str = ""
    oidc_secret: str = ""
    oidc_signup: bool = False
    shutdown_seconds: float = 8.0

    @classmethod
    def of(cls, told: Mapping[str, Any], *, data: Path, account: str) -> Settings:
        """The settings that the values of ``SERVER`` ask for."""
        kernel = told["kernel"]
        return cls(
            data=data,
            kernel=None if kernel == "inprocess" else Path(kernel) if kernel else data / "kernel.json",
            account=account,
            host=told["host"],
            port=told["port"],
            proxies=told["proxy"],
            tls_cert=told["tls_cert"],
            tls_key=told["tls_key"],
            database=told["database"] or "",
            url=told["url"] or "",
            hosts=told["allow_host"],
            signup=told["signup"],
            oidc_issuer=told["oidc_issuer"] or "",
            oidc_client=told["oidc_client"] or "",
            oidc_secret=told["oidc_secret"] or "",
            oidc_signup=told["oidc_signup"] == "open",
            run_output_bytes=told["run_output_bytes"],
            worksheet_output_bytes=told["worksheet_output_bytes"],
            file_bytes=told["file_bytes"],
            metrics=told["metrics"],
            metrics_token=told["metrics_token"] or "",
        )

    @property
    def database_url(self) -> str | Path:
        return self.database or self.data / "antiphon.sqlite"

    @property
    def allowed(self) -> dict[str, int]:
        """The limits that an admin is shown, by name."""
        return {
            "run_output_bytes": self.run_output_bytes,
            "worksheet_output_bytes": self.worksheet_output_bytes,
            "file_bytes": self.file_bytes,
        }

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
        names = [f"{name}:{port}" for name in ("localhost", LOOPBACK, "[::1]")]
        names.append(urlsplit(self.public_url(port)).netloc)
        return frozenset(name.lower() for name in (*names, *self.hosts))

    def check(self) -> None:
        """Refuse what is unsafe.

        Raises:
            SettingsRefused: an address that others can reach without TLS or a proxy, half of what TLS
                needs, a secret that is none, a data directory that others can enter.
        """
        self._check_address()
        self._check_tls()
        self._check_secrets()
        self._check_oidc()
        if self.data.is_dir() and self.data.stat().st_mode & 0o077:
            raise SettingsRefused(
                f"data: {self.data} can be reached by other users. Repair it with: chmod 700 {self.data}"
            )

    def warnings(self) -> list[str]:
        """What is allowed, and which people should know; sentences."""
        found = []
        if os.geteuid() == 0:
            found.append(
                "Antiphon runs as root, and so does the code of everybody who may run cells. "
                "Give it a user of its own."
            )
        public = urlsplit(self.url)
        if public.scheme == "http" and not is_loopback(public.hostname or ""):
            found.append(f"url: {self.url} is not https: passwords and outputs can be read on the way.")
        return found

    def _check_address(self) -> None:
        if not 0 <= self.port <= 65535:
            raise SettingsRefused(f"port: {self.port} is not between 0 and 65535.")
        public = urlsplit(self.url)
        if self.url and (public.scheme not in ("http", "https") or not public.netloc):
            raise SettingsRefused(f"url: {self.url} is not an address such as https://lab.example.")
        if self.url and public.path not in ("", "/"):
            raise SettingsRefused(f"url: {self.url} has a path; Antiphon needs a host name of its own.")
        if not (is_loopback(self.host) or self.proxies or self.tls_cert):
            raise SettingsRefused(
                f"host: {self.host} can be reached from other machines, and whoever signs in can run "
                "programs as you. Put a proxy with TLS before Antiphon and name it (--proxy ADDRESS), or "
                "give Antiphon a certificate (--tls-cert and --tls-key)."
            )

    def _check_tls(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise SettingsRefused("tls-cert and tls-key: TLS needs both.")
        if self.tls_key is None:
            return
        if urlsplit(self.url).scheme != "https":
            raise SettingsRefused("url: with TLS, say the https:// address that the certificate is for.")
        try:
            mode = self.tls_key.stat().st_mode
        except OSError as error:
            raise SettingsRefused(f"tls-key: {self.tls_key} cannot be used: {error.strerror}.") from error
        if mode & (stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP):
            raise SettingsRefused(
                f"tls-key: {self.tls_key} can be read by other users. Repair: chmod 600 {self.tls_key}"
            )

    def _check_oidc(self) -> None:
        if not self.oidc_issuer:
            return
        if not (self.oidc_client and self.oidc_secret):
            raise SettingsRefused("oidc-issuer: a provider needs oidc-client and oidc-secret as well.")
        issuer = urlsplit(self.oidc_issuer)
        if issuer.scheme != "https" and not is_loopback(issuer.hostname or ""):
            raise SettingsRefused(f"oidc-issuer: {self.oidc_issuer} is not https.")
        for module in ("authlib", "httpx2"):
            if find_spec(module) is None:
                raise SettingsRefused('oidc-issuer: install what it needs: pip install "antiphon[oidc]"')

    def _check_secrets(self) -> None:
        if self.metrics == "token" and not self.metrics_token:
            raise SettingsRefused("metrics-token: metrics are for whoever has the token, and there is none.")
        if self.metrics_token and len(self.metrics_token) < SECRET_CHARS:
            raise SettingsRefused(f"metrics-token: it has less than {SECRET_CHARS} characters.")
        parts = urlsplit(self.database)
        password = parts.password or (parse_qs(parts.query).get("password") or [""])[0]
        if password.lower() in WELL_KNOWN:
            raise SettingsRefused("database: its password is one that everybody tries first.")


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
