"""Jupyter's kernels as sessions of a daemon: the provisioner under Jupyter's own managers and tests."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import jupyter_kernel_test
import nbclient
import nbformat
import pytest
import pytest_asyncio
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import AsyncKernelManager, start_new_kernel

from antiphon_kernel.client import KernelClient
from antiphon_kernel.connection import read_connection
from antiphon_kernel.errors import SessionClosed
from antiphon_kernel.jupyter import kernelspec, provisioner
from antiphon_kernel.jupyter.provisioner import AntiphonProvisioner
from antiphon_kernel.message import ConnectionFile
from antiphon_kernel.transports.zeromq import ZeroMQTransport
from tests.deadline import DEADLINE
from tests.kernel.jupyter_home import jupyter_home
from tests.kernel.jupyter_values import Values

SHARED = Path("kernels", "antiphon-shared")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The connection file of a daemon that nobody has started yet, and its kernelspec; it is ended after
    the tests. Our entry point is there as an installation would have it."""
    with jupyter_home(tmp_path_factory.mktemp("jupyter")) as file:
        yield file


def test_the_kernelspec_names_the_provisioner_and_its_daemon(daemon: Path) -> None:
    path = kernelspec.user_data_directory() / SHARED / "kernel.json"
    spec = json.loads(path.read_text())
    assert spec["display_name"] == "Antiphon (shared)"
    assert spec["metadata"]["kernel_provisioner"] == {
        "provisioner_name": "antiphon-provisioner",
        "config": {"connection_file": str(daemon)},
    }


class TestKernel(Values, jupyter_kernel_test.KernelTests):
    kernel_name = "antiphon-shared"


class TestWelcome(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = "antiphon-shared"
    support_iopub_welcome = True

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        # The test may be over, and its context closed, before the heartbeat's thread has made its socket.
        cls.kc.start_channels = partial(cls.kc.start_channels, hb=False)


class Exported:
    """A session of the daemon that ``antiphon kernel connect`` opens to clients which have not started it.
    Mixed in with Jupyter's tests, which start a kernel otherwise."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.manager, starter = start_new_kernel(kernel_name="antiphon-shared")  # and the daemon, if need be
        starter.stop_channels()
        spec = json.loads((kernelspec.user_data_directory() / SHARED / "kernel.json").read_text())
        daemon = spec["metadata"]["kernel_provisioner"]["config"]["connection_file"]
        uid = asyncio.run(cls.create(Path(daemon)))
        file = kernelspec.runtime_directory() / "exported.json"
        options = ["--kernel", daemon, "--file", str(file), uid]
        cls.door = subprocess.Popen(
            [sys.executable, "-P", "-m", "antiphon_kernel.jupyter", "connect", *options],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert cls.door.stdout is not None
        assert "is open to Jupyter" in cls.door.stdout.readline()
        cls.kc = BlockingKernelClient(connection_file=str(file))
        cls.kc.load_connection_file()
        cls.kc.start_channels()
        cls.kc.wait_for_ready(timeout=DEADLINE)
        # What the feed says of a session that has just begun is no part of a test's first answer.
        cls.kc.execute_interactive("pass", timeout=DEADLINE)

    @staticmethod
    async def create(daemon: Path) -> str:
        async with KernelClient(ZeroMQTransport.to(read_connection(daemon))) as client:
            return await client.create_session("exported")

    @classmethod
    def tearDownClass(cls) -> None:
        cls.kc.shutdown()  # closes the session, and with it the door
        cls.kc.stop_channels()
        with cls.door:
            assert cls.door.wait(DEADLINE) == 0
        cls.manager.shutdown_kernel(now=True)


class TestExported(Exported, Values, jupyter_kernel_test.KernelTests):
    pass


class Started:
    """A kernel under Jupyter's manager, and its session as the daemon sees it."""

    def __init__(self, manager: AsyncKernelManager, daemon: KernelClient) -> None:
        self.manager = manager
        self.daemon = daemon
        self.client = manager.client()

    @property
    def provisioner(self) -> AntiphonProvisioner:
        assert isinstance(self.manager.provisioner, AntiphonProvisioner)
        return self.manager.provisioner

    async def run(self, code: str) -> dict:
        async with asyncio.timeout(DEADLINE):
            msg_id = self.client.execute(code, user_expressions={"value": "value"})
            while (reply := await self.client.get_shell_msg())["parent_header"].get("msg_id") != msg_id:
                pass
            return reply["content"]

    async def value(self, code: str) -> str:
        reply = await self.run(f"value = {code}")
        return reply["user_expressions"]["value"]["data"]["text/plain"]


@pytest_asyncio.fixture
async def kernel(daemon: Path, tmp_path: Path) -> AsyncIterator[Started]:
    manager = AsyncKernelManager(kernel_name="antiphon-shared")
    await manager.start_kernel(cwd=str(tmp_path), env=os.environ | {"JPY_SESSION_NAME": "a.ipynb"})
    try:
        async with KernelClient(ZeroMQTransport.to(read_connection(daemon))) as client:
            kernel = Started(manager, client)
            kernel.client.start_channels()
            try:
                await kernel.client.wait_for_ready(timeout=DEADLINE)
                yield kernel
            finally:
                kernel.client.stop_channels()
    finally:
        await manager.shutdown_kernel(now=True)


async def test_a_kernel_is_a_session_in_its_directory(kernel: Started, tmp_path: Path) -> None:
    pid = await kernel.value("__import__('os').getpid()")  # once it answers, its worker is known
    info = await kernel.daemon.session_info(kernel.provisioner.uid)
    assert info.exported
    assert pid == str(info.pid)
    assert await kernel.value("__import__('os').getcwd()") == repr(str(tmp_path))
    assert await kernel.value("__import__('os').environ['JPY_SESSION_NAME']") == "'a.ipynb'"
    assert await kernel.value("'IPKernelApp' in get_ipython().config") == "True"
    assert await kernel.manager.is_alive()


@pytest.mark.parametrize("now", [True, False])
async def test_a_restart_keeps_session_feed_clients_and_directory(kernel, tmp_path, now) -> None:
    await kernel.run("value = 1")
    uid = kernel.provisioner.uid
    before = await kernel.daemon.session_info(uid)
    await kernel.manager.restart_kernel(now=now)
    after = await kernel.daemon.session_info(uid)
    assert kernel.provisioner.uid == uid
    assert after.latest > before.latest
    assert after.pid != before.pid
    assert (await kernel.run("value"))["ename"] == "NameError"
    assert await kernel.value("__import__('os').getcwd()") == repr(str(tmp_path))


@pytest.mark.parametrize("now", [True, False])
async def test_a_shutdown_closes_the_session_and_leaves_the_daemon(kernel: Started, now: bool) -> None:
    uid = kernel.provisioner.uid
    await kernel.manager.shutdown_kernel(now=now)
    assert not await kernel.manager.is_alive()
    with pytest.raises(SessionClosed):
        await kernel.daemon.session_info(uid)
    await kernel.daemon.kernel_info()


@pytest.mark.parametrize("code", ["import os; os._exit(3)", "exit()"])
async def test_a_dead_worker_is_a_dead_kernel_that_can_be_started_again(kernel: Started, code: str) -> None:
    await kernel.run(code)
    async with asyncio.timeout(DEADLINE):
        await kernel.provisioner.wait()
    assert not await kernel.manager.is_alive()
    await kernel.manager.restart_kernel(now=True)
    assert await kernel.manager.is_alive()
    assert await kernel.value("40 + 2") == "42"


async def test_an_ended_kernel_lives_until_its_last_reply_can_be_read(
    kernel: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provisioner, "LINGER_SECONDS", 3600.0)
    assert (await kernel.run("exit"))["payload"] == [{"source": "ask_exit", "keepkernel": False}]
    async with asyncio.timeout(DEADLINE):
        while (await kernel.daemon.session_info(kernel.provisioner.uid)).exported:  # noqa: ASYNC110
            await asyncio.sleep(provisioner.POLL_SECONDS)
    assert await kernel.provisioner.poll() is None
    monkeypatch.setattr(provisioner, "LINGER_SECONDS", 0.0)
    assert await kernel.provisioner.poll() == 0


@pytest.mark.parametrize("restart", [True, False])
async def test_what_a_client_shut_down_is_started_again_at_the_same_place(kernel, restart: bool) -> None:
    uid = kernel.provisioner.uid
    kernel.client.shutdown(restart=restart)
    async with asyncio.timeout(DEADLINE):
        await kernel.provisioner.wait()
    await kernel.manager.restart_kernel(now=True)
    assert (kernel.provisioner.uid == uid) is restart
    assert await kernel.value("40 + 2") == "42"


async def test_after_the_daemons_death_the_same_clients_go_on(kernel, daemon: Path) -> None:
    assert await kernel.value("41") == "41"
    pid, uid = read_connection(daemon).pid, kernel.provisioner.uid
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(DEADLINE):
        assert await kernel.manager.is_alive()
    assert read_connection(daemon).pid != pid
    assert kernel.provisioner.uid == uid
    assert await kernel.value("value + 1") == "42"
    async with asyncio.timeout(DEADLINE):
        while (await kernel.client.get_iopub_msg())["content"].get("code") != "value = value + 1":
            pass


async def test_a_daemon_that_ended_in_order_is_not_started_again_by_a_look(kernel, daemon: Path) -> None:
    os.kill(read_connection(daemon).pid, signal.SIGTERM)
    async with asyncio.timeout(DEADLINE):
        assert await kernel.provisioner.wait() in (0, 1)
        while daemon.exists():  # noqa: ASYNC110, ASYNC240  # another process removes it
            await asyncio.sleep(provisioner.POLL_SECONDS)
    assert await kernel.provisioner.poll() == 1
    await kernel.manager.restart_kernel(now=True)
    assert await kernel.value("40 + 2") == "42"


@pytest.mark.parametrize("by", ["interrupt_kernel", "signal_kernel"])
async def test_an_interrupt_stops_the_run(kernel: Started, by: str) -> None:
    running = asyncio.create_task(kernel.run("print('on'); import time; time.sleep(600)"))
    async with asyncio.timeout(DEADLINE):
        while (await kernel.client.get_iopub_msg())["msg_type"] != "stream":
            pass
    await getattr(kernel.manager, by)(*[signal.SIGINT] if by == "signal_kernel" else [])
    assert (await running)["ename"] == "KeyboardInterrupt"


async def test_sockets_by_ipc(daemon: Path, tmp_path: Path) -> None:
    manager = AsyncKernelManager(kernel_name="antiphon-shared", transport="ipc", ip=str(tmp_path / "k"))
    await manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=DEADLINE)
    finally:
        client.stop_channels()
        await manager.shutdown_kernel()


async def test_what_cannot_be_opened_is_refused_with_the_reason(kernel: Started) -> None:
    uid = kernel.provisioner.uid
    for connection, reason in (
        (ConnectionFile(key=""), "key"),
        (ConnectionFile(key="k", ip="0.0.0.0"), "loopback"),  # noqa: S104
        (ConnectionFile(key="another"), "another key"),
    ):
        with pytest.raises(Exception, match=reason):
            await kernel.daemon.export_session(uid, connection)


def test_nbclient_runs_a_notebook() -> None:
    cells = [
        nbformat.v4.new_code_cell(source) for source in ("import numpy as np", "np.arange(3).sum().item()")
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, kernel_name="antiphon-shared", timeout=60).execute()
    assert notebook.cells[1].outputs[0]["data"]["text/plain"] == "3"
