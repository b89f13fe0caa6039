"""Sessions that are other kernels outlive a daemon that is killed, as others do."""

from __future__ import annotations

import asyncio
import os
import select
from pathlib import Path

import pytest
from jupyter_client.asynchronous.client import AsyncKernelClient

from antiphon_kernel.message import ExecuteReply, ExecuteRequest, InputRequest, SessionUID, Setting
from tests.deadline import DEADLINE

from .daemons import Daemon
from .test_foreign import installed
from .test_outliving import Heard, again

__all__ = ["installed"]  # a fixture: the kernels there are

pytestmark = pytest.mark.slow


async def ended(pid: int) -> None:
    """Wait for the end of a process."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        found = await asyncio.to_thread(select.select, [pidfd], [], [], DEADLINE)
        assert found[0]
    finally:
        os.close(pidfd)


def connection_files() -> list[Path]:
    return list(Path(os.environ["JUPYTER_RUNTIME_DIR"]).glob("kernel-antiphon-*.json"))


@pytest.mark.parametrize(
    ("kernel", "before", "after"),
    [("ipython-test", "x = 41", "print(x + 1)"), ("bash-test", "x=41", "echo $((x + 1))")],
)
async def test_variables_are_there(daemon: Daemon, kernel: str, before: str, after: str) -> None:
    async with await daemon.client() as client:
        uid = await client.create_session("mine", Setting(kernel=kernel))
        reply = await client.execute(uid, before, timeout=DEADLINE)
        assert reply.status == "ok", (reply, daemon.log.read_text())
        told = await client.kernel_info(uid)
        heard = Heard(uid)
        await heard.until(client, "<reply ok >")
    for _ in range(2):
        await again(daemon)
        async with await daemon.client() as client:
            assert (await client.execute(uid, after, timeout=DEADLINE)).status == "ok"
            heard.publications.clear()
            await heard.until(client, r"42\n.*<reply ok >")
            assert heard.gone  # told as lost: nobody can know that nothing was
            assert (await client.kernel_info(uid)).language_info == told.language_info
    async with await daemon.client() as client:
        pid = (await client.session_info(uid)).pid
        await client.close_session(uid)
        await ended(pid)
    async with asyncio.timeout(DEADLINE):
        while connection_files():  # noqa: ASYNC110  # another process removes it
            await asyncio.sleep(0.01)


async def test_running_code_goes_on_and_can_be_interrupted(daemon: Daemon, tmp_path: Path) -> None:
    go = tmp_path / "go"
    code = (
        f"import os, time\nprint('on')\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)\nprint('end')"
    )
    async with await daemon.client() as client:
        uid = await client.create_session("", Setting(kernel="ipython-test"))
        heard = Heard(uid)
        client.submit(uid, ExecuteRequest(code=code), msg_id="long")
        client.submit(uid, ExecuteRequest(code="y = 1"), msg_id="behind")
        await heard.until(client, "on\n")
    await again(daemon)
    async with await daemon.client() as client:
        info = await client.session_info(uid)
        assert (info.execution_state, info.running) == ("busy", "long")
        go.touch()
        assert (await client.execute(uid, "never run", msg_id="long", timeout=DEADLINE)).status == "ok"
        assert (await client.execute(uid, "never run", msg_id="behind", timeout=DEADLINE)).status == "ok"
        go.unlink()
        client.submit(uid, ExecuteRequest(code=code), msg_id="endless")
        await heard.until(client, r"end\n(?s:.*)on\n")
    await again(daemon)
    async with await daemon.client() as client:
        await client.interrupt(uid)
        reply = await client.execute(uid, "never run", msg_id="endless", timeout=DEADLINE)
        assert reply.ename == "KeyboardInterrupt"
        assert (await client.execute(uid, "assert y == 1", timeout=DEADLINE)).status == "ok"


async def test_questions_are_asked_of_the_next_daemon(daemon: Daemon, tmp_path: Path) -> None:
    go = tmp_path / "go"
    code = (
        f"import os, time\nprint('on')\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)\n"
        "print(input('who? ') + '!')"
    )
    uid, _ = await started(daemon)
    heard = Heard(uid)
    async with await daemon.client() as client:
        client.submit(uid, ExecuteRequest(code=code), msg_id="ask")
        client.submit(uid, ExecuteRequest(code="y = 1"), msg_id="behind")
        await heard.until(client, "on\n")
    await again(daemon)
    async with await daemon.client() as client:
        await client.session_info(uid)
        go.touch()
        await heard.until(client, "<input_request>")
    await again(daemon)
    async with await daemon.client() as client:
        await heard.until(client, "<input_answered><input_request>")
        question = heard.publications[-1]
        assert question.content == InputRequest(prompt="who? ")
        await client.answer(uid, question.header.msg_id, "ada")
        await heard.until(client, "ada!\n.*<reply ok >")
        assert (await client.execute(uid, "never run", msg_id="ask", timeout=DEADLINE)).status == "ok"
        assert (await client.execute(uid, "assert y == 1", timeout=DEADLINE)).status == "ok"
        client.submit(uid, ExecuteRequest(code="input('more? ')"), msg_id="more")
        heard.publications.clear()
        await heard.until(client, "<input_request>")
    await again(daemon)
    async with await daemon.client() as client:
        await client.interrupt(uid)
        reply = await client.execute(uid, "never run", msg_id="more", timeout=DEADLINE)
        assert reply.ename == "KeyboardInterrupt"


async def test_a_reply_that_nobody_heard_is_told_as_lost(daemon: Daemon, tmp_path: Path) -> None:
    go = tmp_path / "go"
    code = f"import os, time\nprint('on')\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)\nx = 42"
    async with await daemon.client() as client:
        uid = await client.create_session("", Setting(kernel="ipython-test"))
        heard = Heard(uid)
        client.submit(uid, ExecuteRequest(code=code), msg_id="long")
        await heard.until(client, "on\n")
    await asyncio.to_thread(daemon.kill)
    (file,) = connection_files()
    stranger = AsyncKernelClient(connection_file=str(file))
    stranger.load_connection_file()
    stranger.start_channels(hb=False)
    go.touch()
    await stranger.kernel_info(reply=True, timeout=DEADLINE)  # it is done
    stranger.stop_channels()
    stranger.context.destroy(linger=0)
    daemon.start()
    async with await daemon.client() as client:
        reply = await client.execute(uid, "never run", msg_id="long", timeout=DEADLINE)
        assert isinstance(reply, ExecuteReply)
        assert reply.ename == "WorkerFailed"
        assert reply.evalue == "the kernel daemon was killed, and the reply is lost"
        assert (await client.execute(uid, "assert x == 42", timeout=DEADLINE)).status == "ok"


async def test_one_that_cannot_be_spoken_to_any_more_is_ended_and_says_so(daemon: Daemon) -> None:
    uid, pid = await started(daemon)
    await asyncio.to_thread(daemon.kill)
    for file in connection_files():
        file.unlink()
    daemon.start()
    async with await daemon.client() as client:
        info = await client.session_info(uid)
        assert info.execution_state == "dead"
        assert "as the kernel was killed too" in info.reason
        await ended(pid)
        await client.restart_session(uid, timeout=DEADLINE)
        assert (await client.execute(uid, "1", timeout=DEADLINE)).status == "ok"


async def test_without_another_daemon_it_ends(directory: Path) -> None:
    daemon = Daemon(directory, "--outlive", "0.3")
    _, pid = await started(daemon)
    await asyncio.to_thread(daemon.kill)
    await ended(pid)
    daemon.close()


async def started(daemon: Daemon) -> tuple[SessionUID, int]:
    """A session that is ipykernel, and its process."""
    async with await daemon.client() as client:
        uid = await client.create_session("", Setting(kernel="ipython-test"))
        assert (await client.execute(uid, "1", timeout=DEADLINE)).status == "ok"
        return uid, (await client.session_info(uid)).pid
