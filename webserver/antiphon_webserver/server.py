"""The web server as a whole: opened in order, told to the user, closed in order.

What belongs here: which part is given to which, the runtime file, signals. What must never come
here: what the parts do.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import secrets
import signal
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import Connection

from . import signin
from .archive import Archive
from .clients import Clients
from .compactor import Compactor
from .context import Context
from .errors import ServerError
from .expiry import Expiry
from .handover import take_up
from .http import Door, Proxies, Web, make_server
from .kernels import connector
from .metrics import Metrics
from .oidc import Provider
from .peers import Peers
from .presence import Presence
from .pulse import Pulse
from .recorder import Recorder
from .relay import Relay
from .secret import new_id
from .sessions import Sessions
from .settings import Settings, SettingsRefused, is_loopback
from .storage import servers
from .storage.database import open_database

BACKLOG = 128
"""Connections that wait to be accepted; as many as a reload of every open page brings at once."""

_log = logging.getLogger(__name__)


class CannotListen(ServerError):
    """The address or the port cannot be used; the sentence says why and what helps."""


class Runtime(msgspec.Struct, frozen=True, kw_only=True):
    """The runtime file: how programs of the same user on the same machine find the server."""

    url: str
    pid: int
    token: str
    account: str


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    url: str
    port: int
    context: Context


async def serve(settings: Settings, *, ready: Callable[[], None] = lambda: None) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        ready: called once the server answers and its runtime file is written; must not block.

    Raises:
        SettingsRefused: the settings are unsafe.
        CannotListen: the port is in use, or the address is not one of this machine.
        StorageError: the database cannot be opened.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        async with asyncio.timeout(None) as deadline, running(settings):
            ready()
            await stop.wait()
            deadline.reschedule(loop.time() + settings.shutdown_seconds)
    except TimeoutError:
        _log.error("the orderly end took longer than %g seconds and was cut short", settings.shutdown_seconds)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Running]:
    """A server that answers while the context lasts. Raises what ``serve`` raises."""
    settings.check()
    for warning in settings.warnings():
        _log.warning("%s", warning)
    tls = _tls(settings)
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    sockets = _listen(settings.host, settings.port)
    port = sockets[0].getsockname()[1]
    url = settings.public_url(port)
    async with AsyncExitStack() as stack:
        for each in sockets:
            stack.callback(each.close)
        metrics = Metrics()
        await stack.enter_async_context(Pulse(metrics.beat))
        database = await stack.enter_async_context(
            await open_database(settings.database_url, timed=metrics.timed)
        )
        id = new_id()
        await database.write(servers.enter, id, alone=database.is_sqlite)
        archive = Archive(database, id)
        relay = Relay(archive.publications, archive.entries)
        recorder = await stack.enter_async_context(
            Recorder(
                archive,
                relay,
                run_output_bytes=settings.run_output_bytes,
                worksheet_output_bytes=settings.worksheet_output_bytes,
            )
        )
        clients = Clients(archive)
        sessions = Sessions(connector(settings.kernel), archive, recorder, changed=clients.show_kernel)
        # Windows are told apart by numbers, at whatever server they are.
        presence = Presence(first=secrets.randbelow(2**20) * 2**20 + 1)
        peers = Peers(database, relay, sessions, presence, id)
        context = Context(
            database=database,
            sessions=sessions,
            relay=relay,
            public_url=url,
            server=id,
            lives=lambda: peers.lives,
            allowed=settings.allowed,
            signup=settings.signup,
            oidc=_provider(settings, url),
            oidc_signup=settings.oidc_signup,
            served=metrics.served,
        )
        recorder.unsent = partial(take_up, context)
        await stack.enter_async_context(sessions)
        await stack.enter_async_context(peers)
        await stack.enter_async_context(clients)
        await stack.enter_async_context(Compactor(database, time.time))
        await stack.enter_async_context(Expiry(database, relay))
        metrics.look_at(relay=relay, recorder=recorder, clients=clients, sessions=sessions, database=database)
        await stack.enter_async_context(context.audit.kept(database))
        await stack.enter_async_context(context.series.kept())
        web = Web(
            context=context,
            clients=clients,
            presence=presence,
            relay=relay,
            door=Door(settings.allowed_hosts(port), url),
            static=settings.static_folder,
            secure=urlsplit(url).scheme == "https",
            metrics=metrics,
            may_read_metrics=settings.metrics,
            metrics_token=settings.metrics_token,
            proxies=Proxies(settings.proxies),
            proxied=not (is_loopback(settings.host) or settings.tls_cert),
        )
        server = make_server(web, sockets, tls=tls)
        stack.push_async_callback(server.close_all_connections)
        stack.callback(server.stop)
        token = await database.write(_local_token, settings.account, id, context.now)
        runtime = Runtime(url=url, pid=os.getpid(), token=token, account=settings.account)
        stack.enter_context(_runtime_file(settings.runtime_file, runtime))
        yield Running(url=url, port=port, context=context)


def _provider(settings: Settings, url: str) -> Provider | None:
    if not settings.oidc_issuer:
        return None
    return Provider(settings.oidc_issuer, settings.oidc_client, settings.oidc_secret, f"{url}/oidc/return")


def _listen(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on every address of the host, all on one port.

    Raises:
        CannotListen: the operating system refuses.
    """
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, (address, *_) in dict.fromkeys(found):
            listening = socket.socket(family, socket.SOCK_STREAM)
            sockets.append(listening)
            listening.setblocking(False)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.bind((address, port or sockets[0].getsockname()[1]))
            listening.listen(BACKLOG)
    except OSError as error:
        for each in sockets:
            each.close()
        if error.errno == errno.EADDRINUSE:
            reason = f"Port {port} is in use by another program. Choose another, or 0 for any free one."
        elif error.errno == errno.EACCES:
            reason = f"Port {port} may not be used by this user. Choose one above 1023."
        else:
            reason = f"The address {host} cannot be used: {error.strerror or error}."
        raise CannotListen(reason) from error
    return sockets


def _tls(settings: Settings) -> ssl.SSLContext | None:
    """What TLS needs, if this server speaks it itself: 1.2 or newer, as Python has it.

    Raises:
        SettingsRefused: the certificate or its key cannot be used.
    """
    if settings.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except OSError as error:
        raise SettingsRefused(
            f"tls-cert: {settings.tls_cert} and {settings.tls_key} cannot be used: {error.strerror or error}."
        ) from error
    return context


def _local_token(connection: Connection, account: str, server: str, now: str) -> str:
    """The local account, and the token by which its programs come in without signing in."""
    person = signin.ensure_local_account(connection, account, now)
    return signin.issue_local_token(connection, person.name, server, now)


@contextmanager
def _runtime_file(path: Path, runtime: Runtime) -> Iterator[None]:
    """The file is there, whole and readable by this user only, while the context lasts."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(msgspec.json.encode(runtime))
    fresh.replace(path)
    try:
        yield
    finally:
        if _is_ours(path, runtime):
            path.unlink(missing_ok=True)


def _is_ours(path: Path, runtime: Runtime) -> bool:
    """Another server may have written its own file over ours."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Runtime) == runtime
    except (OSError, msgspec.DecodeError):
        return False
