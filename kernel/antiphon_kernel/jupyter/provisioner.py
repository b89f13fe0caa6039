"""A kernel provisioner: Jupyter's kernels as sessions of a daemon that runs already.

The one file that imports jupyter_client, which imports it by an entry point
(``jupyter_client.kernel_provisioners``). To Jupyter a session is a process: it lives as long as it is
*exported* (``SessionInfo.exported``), which a shutdown, a restart and the worker's death end. What
starts it again restarts the session: the feed, its numbers and the five addresses stay.

Each call connects to the daemon anew, which costs a millisecond: Jupyter's managers call from more
than one event loop, and between the calls of a blocking one none runs.

Source: jupyter_client's document "Customizing the kernel's runtime environment with provisioners".
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import msgspec
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase
from traitlets import Unicode

from ..client import KernelClient
from ..connection import Connection, UnsafePath, private_directory, read_connection
from ..errors import ConnectionLost, ExportFailed, KernelError, SessionClosed, UnknownSession
from ..message import ConnectionFile, SessionInfo, SessionUID, Setting
from ..transports.zeromq import ZeroMQTransport

HERE_SECONDS = 5.0
"""For a daemon to say that it is there."""

START_SECONDS = 60.0
"""For a daemon to start: on a busy machine with cold disks it imports for several seconds."""

EXPORT_SECONDS = 5.0
"""For the addresses of a kernel that was shut down to be free for the next one."""

RIVAL_SECONDS = 15.0
"""For a daemon that somebody else is starting at the same time."""

LINGER_SECONDS = 1.0
"""How long a session whose worker has ended still counts as a process that lives. A real one takes a
while to end, and ``jupyter console`` reads replies, that to ``exit`` too, only from what lives."""

POLL_SECONDS = 0.02

_SESSION_VARIABLES = ("JPY_SESSION_NAME",)
"""What of Jupyter's environment belongs to one kernel. The rest would be the daemon's, whose it is not."""


class AntiphonProvisioner(KernelProvisionerBase):
    """Satisfies jupyter_client's interface of that name."""

    connection_file = Unicode(
        help="The connection file of the daemon; where there is none, one is started and writes it."
    ).tag(config=True)

    uid = SessionUID("")
    _over = True
    _directory = ""

    # --- What Jupyter asks of a process ---------------------------------------------------------

    @property
    def has_process(self) -> bool:
        return self.uid != ""

    async def poll(self) -> int | None:
        """None while it lives, then 0; 1 if the daemon is gone and no other one can be started.

        One that is started in the place of a daemon which was killed goes on with the session.
        """
        if self._over or not self.uid:
            return 0
        try:
            try:
                return await self._status()
            except ConnectionLost as error:
                self.log.warning("the Antiphon kernel is out of reach: %s", error)
                # One that ended in order has taken its file along, and its sessions.
                if not os.path.exists(self.connection_file):  # noqa: ASYNC240  # one look
                    return 1
                await self._ensure_daemon()
                return await self._status()
        except (SessionClosed, UnknownSession):
            return 0
        except (KernelError, UnsafePath, OSError) as error:
            self.log.warning("the Antiphon kernel cannot be had again: %s", error)
            return 1

    async def _status(self) -> int | None:
        async with self._daemon() as client:
            info = await client.session_info(self.uid)
            return None if info.exported or _just_ended(info) else 0

    async def wait(self) -> int | None:
        while (status := await self.poll()) is None:  # noqa: ASYNC110  # the daemon is another process
            await asyncio.sleep(POLL_SECONDS)
        return status

    async def send_signal(self, signum: int) -> None:
        """SIGINT interrupts; a signal that would end a process ends the kernel."""
        if signum == signal.SIGINT:
            async with self._daemon() as client:
                await client.interrupt(self.uid)
        elif signum in (signal.SIGTERM, signal.SIGKILL, signal.SIGHUP):
            await self.kill()
        elif signum != 0:
            self.log.warning("a session has no use for signal %s", signum)

    async def kill(self, restart: bool = False) -> None:
        """It is over for Jupyter. What runs ends with the ``cleanup`` or the ``launch_kernel`` that follows,
        of which only those know which one it is."""
        self._over = True

    async def terminate(self, restart: bool = False) -> None:
        self._over = True

    async def cleanup(self, restart: bool = False) -> None:
        self._over = True
        if restart or not self.uid:
            return
        with contextlib.suppress(KernelError, UnsafePath):
            async with self._daemon() as client:
                await client.close_session(self.uid)
        self.uid = SessionUID("")

    # --- Start ----------------------------------------------------------------------------------

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        return {"cmd": [], **await super().pre_launch(**kwargs)}

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Make the session or, if it is there, restart it; open it to Jupyter's clients.

        Raises:
            RuntimeError: no daemon answers and none could be started, or it refused; a sentence says why.
        """
        self._directory = _absolute(kwargs.get("cwd") or ".")
        environment = kwargs.get("env") or {}
        names = (*_SESSION_VARIABLES, *(self.kernel_spec.env if self.kernel_spec else ()))
        setting = Setting(
            directory=self._directory,
            environment={name: environment[name] for name in names if name in environment}
            | {"JPY_PARENT_PID": str(os.getpid())},  # as Jupyter itself tells the kernels that it starts
        )
        try:
            await self._ensure_daemon()
            async with self._daemon() as client:
                try:
                    await self._ensure_session(client, setting)
                    opened = await self._export(client)
                except SessionClosed:  # just now, by a client of its own
                    self.uid = SessionUID("")
                    await self._ensure_session(client, setting)
                    opened = await self._export(client)
        except (KernelError, UnsafePath, OSError) as error:
            raise RuntimeError(f"No Antiphon session could be made: {error}") from error
        self._over = False
        self.connection_info = cast(
            KernelConnectionInfo, msgspec.structs.asdict(opened) | {"key": opened.key.encode()}
        )
        return self.connection_info

    async def _ensure_session(self, client: KernelClient, setting: Setting) -> None:
        if self.uid:
            try:
                await client.restart_session(self.uid)
                return
            except (SessionClosed, UnknownSession):
                pass  # shut down by a client, or the daemon is another one
        self.uid = await client.create_session(f"Jupyter {self.kernel_id[:8]}", setting)

    async def _export(self, client: KernelClient) -> ConnectionFile:
        wanted = self._wanted()
        deadline = asyncio.get_running_loop().time() + EXPORT_SECONDS
        while True:
            try:
                return await client.export_session(self.uid, wanted)
            except ExportFailed:
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(POLL_SECONDS)

    def _wanted(self) -> ConnectionFile:
        manager = self.parent
        if manager is None:
            raise ConnectionLost("a provisioner works for a kernel manager, and has none")
        if manager.transport == "ipc":
            manager.write_connection_file()  # chooses the names of the sockets, which we would not
        info = manager.get_connection_info()
        return ConnectionFile(
            transport=info["transport"],
            ip=info["ip"],
            shell_port=info["shell_port"],
            control_port=info["control_port"],
            iopub_port=info["iopub_port"],
            stdin_port=info["stdin_port"],
            hb_port=info["hb_port"],
            key=info["key"].decode(),
            signature_scheme=info["signature_scheme"],
            kernel_name=manager.kernel_name,
        )

    # --- For a manager that takes over ----------------------------------------------------------

    async def get_provisioner_info(self) -> dict[str, Any]:
        info: dict[str, Any] = await super().get_provisioner_info()
        return info | {"uid": self.uid, "connection_file": self.connection_file}

    async def load_provisioner_info(self, provisioner_info: dict[str, Any]) -> None:
        await super().load_provisioner_info(provisioner_info)
        self.uid = SessionUID(provisioner_info["uid"])
        self.connection_file = provisioner_info["connection_file"]
        self._over = False

    def resolve_path(self, path: str) -> str | None:
        """The file that code in the session's first directory means by ``path``, if it is there."""
        found = Path(self._directory, Path(path).expanduser())
        return found.as_posix() if found.exists() else None

    # --- The daemon -----------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _daemon(self) -> AsyncIterator[KernelClient]:
        connection = read_connection(Path(self.connection_file))
        async with KernelClient(ZeroMQTransport.to(connection), username="jupyter") as client:
            yield client

    async def _is_there(self) -> bool:
        try:
            connection = read_connection(Path(self.connection_file))
            if not _is_running(connection):
                return False
            async with KernelClient(ZeroMQTransport.to(connection)) as client:
                await client.kernel_info(timeout=HERE_SECONDS)
        except ConnectionLost:
            return False
        return True

    async def _ensure_daemon(self) -> None:
        """Find the daemon or start one. It stays when Jupyter ends: the next kernel is there at once.

        Raises:
            ConnectionLost: it ended, or was not ready in time; names its log.
        """
        if await self._is_there():
            return
        path = Path(self.connection_file)
        daemon, log = _start_daemon(path)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + START_SECONDS
        while not await self._is_there():
            if daemon.poll() is not None:
                # Perhaps it met another one that is just starting, which has the directory then.
                deadline = min(deadline, loop.time() + RIVAL_SECONDS)
            if loop.time() > deadline:
                raise ConnectionLost(f"the Antiphon kernel could not be started; its log is {log}")
            await asyncio.sleep(POLL_SECONDS)


_started: list[subprocess.Popen[bytes]] = []
"""Daemons that this process has started: they are its children, and their end is for it to collect."""


def _just_ended(info: SessionInfo) -> bool:
    if info.execution_state != "dead":
        return False
    age = datetime.now(UTC) - datetime.fromisoformat(info.last_activity)
    return age.total_seconds() < LINGER_SECONDS


def _absolute(path: str | os.PathLike[str]) -> str:
    return os.path.abspath(path)


def _start_daemon(path: Path) -> tuple[subprocess.Popen[bytes], Path]:
    """The process, and where it logs."""
    log = private_directory(path.parent) / "kernel.log"
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    with open(os.open(log, flags, 0o600), "ab") as output:
        daemon = subprocess.Popen(  # our own interpreter and program
            [sys.executable, "-P", "-m", "antiphon_kernel", "--connection-file", str(path)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=path.parent,
            env=_environment(),
            start_new_session=True,
        )
    _started.append(daemon)
    return daemon, log


def _is_running(connection: Connection) -> bool:
    for daemon in _started:
        daemon.poll()
    try:
        os.kill(connection.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _environment() -> dict[str, str]:
    """This process's, without what is Jupyter's own: people of many sessions can read the daemon's."""
    ours = ("JPY_", "JUPYTERHUB_", "JUPYTER_TOKEN")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}
