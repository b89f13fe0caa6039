"""Sessions outlive a daemon that is killed: another one goes on with them."""

from __future__ import annotations

import asyncio
import os
import re
import select
import signal
import socket
from pathlib import Path

import pytest
import zmq
import zmq.asyncio

from antiphon_kernel import codec
from antiphon_kernel.client import KernelClient
from antiphon_kernel.errors import ConnectionLost
from antiphon_kernel.message import (
    ConnectionFile,
    CreateSessionRequest,
    Error,
    ErrorReply,
    ExecuteReply,
    ExecuteRequest,
    Header,
    InputRequest,
    Message,
    SessionUID,
    Status,
    Stream,
)
from antiphon_kernel.session import ADOPTED
from antiphon_kernel.signing import SharedKey
from antiphon_kernel.worker import handover
from tests.deadline import DEADLINE

from .daemons import Daemon

pytestmark = pytest.mark.slow


async def again(daemon: Daemon) -> None:
    await asyncio.to_thread(daemon.kill)
    daemon.start()


class Heard:
    """A follower of one feed, over any number of daemons."""

    def __init__(self, uid: SessionUID) -> None:
        self.uid = uid
        self.publications: list[Message] = []
        self.gone: list[tuple[int, int]] = []
        self.cursor = 0

    async def until(self, client: KernelClient, condition: str) -> None:
        """Follow until the text of the streams matches."""
        async with asyncio.timeout(DEADLINE):
            feed = client.follow(self.uid, self.cursor)
            try:
                async for batch in feed:
                    if batch.gone:
                        self.gone.append(batch.gone)
                    self.publications += batch.publications
                    self.cursor = self.publications[-1].header.number
                    if re.search(condition, self.words):
                        return
            finally:
                await feed.aclose()

    @property
    def words(self) -> str:
        return "".join(_word(message) for message in self.publications)

    def lines(self) -> list[str]:
        return "".join(
            message.content.text for message in self.publications if isinstance(message.content, Stream)
        ).split()

    def check_numbers(self) -> None:
        """Each number once, in order, and each that is missing told."""
        expected = 1
        gone = dict(self.gone)
        for message in self.publications:
            if expected in gone:
                expected = gone[expected] + 1
            assert message.header.number == expected
            expected += 1


def _word(message: Message) -> str:
    match message.content:
        case Stream(text=text):
            return text
        case Status(execution_state=state):
            return f"<{state}>"
        case ExecuteReply(status=status, evalue=evalue):
            return f"<reply {status} {evalue}>"
        case content:
            return f"<{content.msg_type}>"


COUNT = """
import time, os
for i in range(60):
    print(i, flush=True)
    time.sleep(0.02)
"""


async def test_code_goes_on_and_its_output_is_all_there(daemon: Daemon) -> None:
    async with await daemon.client() as client:
        uid = await client.create_session("mine")
        await client.execute(uid, "x = 41")
        heard = Heard(uid)
        client.submit(uid, ExecuteRequest(code=COUNT), msg_id="count")
        waiting = client.submit(uid, ExecuteRequest(code="x + 1"), msg_id="behind")
        await heard.until(client, r"\n5\n")
        await asyncio.to_thread(daemon.kill)
        with pytest.raises(ConnectionLost):
            await waiting
    daemon.start()
    async with await daemon.client() as client:
        (session,) = await client.list_sessions()
        assert (session.uid, session.name) == (uid, "mine")
        assert session.reason in (ADOPTED, "")
        # What waited in line was noted down, so it runs, once, though its client was cut off.
        await heard.until(client, r"<execute_result>[^$]*<idle>")
        reply = await client.execute(uid, "never run", msg_id="count")
        assert reply.status == "ok"
        assert (await client.execute(uid, "never run", msg_id="behind")).status == "ok"
        assert (await client.execute(uid, "x += 1; print(x)")).status == "ok"
    heard.check_numbers()
    lines = heard.lines()
    assert sorted(set(lines), key=int) == sorted(lines, key=int)
    if not heard.gone:
        assert lines == [str(i) for i in range(60)]


async def test_a_subshell_goes_on_and_so_does_its_queue(daemon: Daemon) -> None:
    async with await daemon.client() as client:
        uid = await client.create_session()
        await client.execute(uid, "x = 41")
        subshell = await client.create_subshell(uid)
        heard = Heard(uid)
        client.submit(uid, ExecuteRequest(code=COUNT), msg_id="count", subshell_id=subshell)
        client.submit(uid, ExecuteRequest(code="print(input('who? '))"), msg_id="ask", subshell_id=subshell)
        client.submit(uid, ExecuteRequest(code="x += 1"), msg_id="behind", subshell_id=subshell)
        await heard.until(client, r"\n5\n")
    await again(daemon)
    async with await daemon.client() as client:
        assert await client.list_subshells(uid) == (subshell,)
        await heard.until(client, "<input_request>")
        await client.answer(uid, heard.publications[-1].header.msg_id, "ada")
        for msg_id in ("count", "ask", "behind"):
            assert (await client.execute(uid, "never run", msg_id=msg_id)).status == "ok"
        code = "import threading; assert x == 42; print(threading.current_thread().name)"
        reply = await client.execute(uid, code, subshell_id=subshell)
        assert reply.status == "ok", reply
        await heard.until(client, f"subshell {subshell}\n")
        assert (await client.execute(uid, "assert x == 42")).status == "ok"
    heard.check_numbers()
    lines = heard.lines()
    assert lines[-3:] == ["ada", "subshell", subshell]
    if not heard.gone:
        assert lines[:-3] == [str(i) for i in range(60)]


async def test_a_request_of_before_is_refused_by_the_next_daemon_byte_for_byte(daemon: Daemon) -> None:
    async with await daemon.client() as client:
        uid = await client.create_session()
        content = ExecuteRequest(code="x = globals().get('x', 0) + 1")
        header = Header(msg_id="overheard", msg_type=content.msg_type, session=uid)
        signer = SharedKey((await daemon.connection()).key.encode())
        frames = codec.encode(Message(header=header, content=content), "request", signer)
        assert (await ask(daemon, frames, signer)).content == ExecuteReply(status="ok", execution_count=1)
    await again(daemon)
    next_signer = SharedKey((await daemon.connection()).key.encode())
    refusal = (await ask(daemon, frames, next_signer)).content
    assert isinstance(refusal, ErrorReply)
    assert refusal.ename == "BadSignature"
    # Under the new key it is the run that it was.
    frames = codec.encode(Message(header=header, content=content), "request", next_signer)
    assert (await ask(daemon, frames, next_signer)).content == ExecuteReply(status="ok", execution_count=1)
    async with await daemon.client() as client:
        assert (await client.execute(uid, "assert x == 1")).status == "ok"


async def ask(daemon: Daemon, frames: list[bytes], signer: SharedKey) -> Message:
    """The answer to these frames, whoever made them."""
    with zmq.asyncio.Context() as context, context.socket(zmq.DEALER) as dealer:
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.connect((await daemon.connection()).requests)
        await dealer.send_multipart(frames)
        async with asyncio.timeout(DEADLINE):
            return codec.decode(await dealer.recv_multipart(), "reply", signer)


async def test_a_session_outlives_several_daemons(daemon: Daemon) -> None:
    async with await daemon.client() as client:
        uid = await client.create_session()
        await client.execute(uid, "x = 1")
    for _ in range(3):
        await again(daemon)
        async with await daemon.client() as client:
            assert (await client.execute(uid, "x += 1")).status == "ok"
            new = await client.create_session()
            assert (await client.execute(new, "1")).status == "ok"
    async with await daemon.client() as client:
        assert (await client.execute(uid, "assert x == 4")).status == "ok"
        assert len(await client.list_sessions()) == 4
    code, _ = await asyncio.to_thread(daemon.end)
    assert code == 0
    assert os.listdir(daemon.directory) == ["kernel.lock"]


async def test_a_session_is_made_once_though_the_request_is_repeated(daemon: Daemon) -> None:
    async with await daemon.client() as client:
        made = await client.submit(SessionUID(""), CreateSessionRequest(), msg_id="make")
        await client.execute(SessionUID(made.uid), "1")
    await again(daemon)
    async with await daemon.client() as client:
        assert await client.submit(SessionUID(""), CreateSessionRequest(), msg_id="make") == made
        assert len(await client.list_sessions()) == 1


async def test_a_session_without_its_place_for_jupyter_goes_on_and_says_so(daemon: Daemon) -> None:
    async with await daemon.client() as client:
        uid = await client.create_session()
        await client.execute(uid, "x = 42")
        opened = await client.export_session(uid, ConnectionFile(key="secret"))
    await asyncio.to_thread(daemon.kill)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((opened.ip, opened.shell_port))
        taken.listen()
        daemon.start()
        async with await daemon.client() as client:
            heard = Heard(uid)
            await heard.until(client, "<error>")
            content = heard.publications[-1].content
            assert isinstance(content, Error)
            assert content.ename == "ExportFailed"
            assert content.evalue.startswith("Jupyter's clients find the session no longer: not with this")
            assert not (await client.session_info(uid)).exported
            assert (await client.execute(uid, "assert x == 42")).status == "ok"


async def test_a_zygote_killed_under_the_next_daemon_leaves_nothing(daemon: Daemon) -> None:
    async with await daemon.client() as client:
        uid = await client.create_session()
        code = (
            "import os, subprocess\n"
            "print(os.getppid(), subprocess.Popen(['sleep', '1000'], start_new_session=True).pid)"
        )
        await client.execute(uid, code)
        heard = Heard(uid)
        await heard.until(client, r"\d+ \d+\n")
    zygote, program = map(int, heard.lines())
    end = os.pidfd_open(program)
    await again(daemon)
    async with await daemon.client() as client:
        os.kill(zygote, signal.SIGKILL)
        await heard.until(client, "<dead>")
        assert (await client.session_info(uid)).reason.startswith("the zygote, from which")
        assert await asyncio.to_thread(select.select, [end], [], [], DEADLINE) != ([], [], [])
        os.close(end)
        await client.restart_session(uid)
        assert (await client.execute(uid, "1")).status == "ok"


async def test_a_worker_that_died_meanwhile_says_so(daemon: Daemon) -> None:
    async with await daemon.client() as client:
        uid = await client.create_session()
        info = await client.session_info(uid)
        heard = Heard(uid)
        client.submit(uid, ExecuteRequest(code="print('here', flush=True); import time; time.sleep(600)"))
        await heard.until(client, "here")
        pid = (await client.session_info(uid)).pid
        assert info.uid == uid
    await asyncio.to_thread(daemon.kill)
    os.kill(pid, signal.SIGSEGV)
    daemon.start()
    async with await daemon.client() as client:
        await heard.until(client, "<dead>")
        assert "killed by SIGSEGV" in (await client.session_info(uid)).reason
        assert "<reply error killed by SIGSEGV" in heard.words
        await client.restart_session(uid)
        assert (await client.execute(uid, "1")).status == "ok"


async def test_a_dead_session_is_still_there_to_be_restarted(daemon: Daemon) -> None:
    async with await daemon.client() as client:
        uid = await client.create_session("mine")
        await client.execute(uid, "import os; os._exit(3)")
        reason = (await client.session_info(uid)).reason
    await again(daemon)
    async with await daemon.client() as client:
        info = await client.session_info(uid)
        assert (info.execution_state, info.reason, info.name) == ("dead", reason, "mine")
        await client.restart_session(uid)
        assert (await client.execute(uid, "1")).status == "ok"


async def test_an_open_question_is_asked_again(daemon: Daemon) -> None:
    async with await daemon.client() as client:
        uid = await client.create_session()
        heard = Heard(uid)
        client.submit(uid, ExecuteRequest(code="print(input('who? '))"), msg_id="ask")
        await heard.until(client, "<input_request>")
    await again(daemon)
    async with await daemon.client() as client:
        await heard.until(client, "<input_answered><input_request>")
        question = heard.publications[-1]
        assert question.content == InputRequest(prompt="who? ")
        await client.answer(uid, question.header.msg_id, "ada")
        await heard.until(client, "ada\n.*<idle>")
        assert (await client.execute(uid, "", msg_id="ask")).status == "ok"


async def test_a_large_output_half_read_is_a_gap_and_what_follows_is_whole(daemon: Daemon) -> None:
    code = """
from IPython.display import display
for i in range(300):
    display({"text/plain": str(i) + "." * 1_000_000}, raw=True)
    print(i, flush=True)
"""
    async with await daemon.client() as client:
        uid = await client.create_session()
        heard = Heard(uid)
        client.submit(uid, ExecuteRequest(code=code), msg_id="large")
        await heard.until(client, r"\b3\n")
    await again(daemon)
    async with await daemon.client() as client:
        await heard.until(client, "<reply ok >")
        assert (await client.execute(uid, "1")).status == "ok"
    heard.check_numbers()
    lines = heard.lines()
    assert len(lines) == len(set(lines))
    assert lines[-1] == "299"


async def test_a_stranger_at_the_socket_gets_nothing_and_disturbs_nothing(daemon: Daemon) -> None:
    path = daemon.directory / "handover.sock"
    intruder = f"""
import socket, threading
said = []
sockets = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(80)]
def intrude():
    for s in sockets:
        s.settimeout(120)
        try:
            s.connect({str(path)!r})
        except OSError:
            continue
    for s in sockets:
        try:
            said.append(s.recv(1000))
        except OSError:
            said.append(b"")
thread = threading.Thread(target=intrude, daemon=True)
thread.start()
x = 1
"""
    async with await daemon.client() as client:
        uid = await client.create_session()
        assert (await client.execute(uid, intruder)).status == "ok"
    await asyncio.to_thread(daemon.kill)
    # Not of the zygote's family: it gets a challenge that it cannot answer.
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:
        stranger.setblocking(False)
        for _ in range(1000):
            try:
                stranger.connect(str(path))
                break
            except BlockingIOError:
                await asyncio.sleep(0.01)
        daemon.start()
        async with await daemon.client() as client:
            assert (await client.execute(uid, "thread.join(60); assert x == 1")).status == "ok"
            reply = await client.execute(uid, "", user_expressions={"said": "b''.join(said)"})
            assert reply.user_expressions["said"]["data"]["text/plain"] == "b''"


async def test_who_does_not_know_the_secret_is_refused(daemon: Daemon, directory: Path) -> None:
    async with await daemon.client() as client:
        uid = await client.create_session()
        await client.execute(uid, "x = 1")
    await asyncio.to_thread(daemon.kill)
    with pytest.raises(handover.NotHandedOver):
        await asyncio.to_thread(
            handover.claim, directory / "handover.sock", handover.secret_of(b"wrong"), bytes(32)
        )
    daemon.start()
    async with await daemon.client() as client:
        assert (await client.execute(uid, "assert x == 1")).status == "ok"


async def test_an_impostor_at_the_socket_is_found_out(directory: Path) -> None:
    path = directory / "handover.sock"
    with handover.listen(path) as listener:

        def impostor() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.send(handover.encode(handover.Challenge(bytes(16))))
                connection.recv(1000)
                connection.send(handover.encode(handover.Proof(bytes(32), 1, ())))

        pretending = asyncio.to_thread(impostor)
        claiming = asyncio.to_thread(handover.claim, path, bytes(32), bytes(32))
        _, error = await asyncio.gather(pretending, claiming, return_exceptions=True)
    assert isinstance(error, handover.NotHandedOver)


async def test_without_another_daemon_all_end(directory: Path) -> None:
    daemon = Daemon(directory, "--outlive", "0.3")
    async with await daemon.client() as client:
        uid = await client.create_session()
        await client.execute(uid, "1")
        pid = (await client.session_info(uid)).pid
    pidfd = os.pidfd_open(pid)
    await asyncio.to_thread(daemon.kill)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(pidfd, ended.set)
    async with asyncio.timeout(DEADLINE):
        await ended.wait()
    asyncio.get_running_loop().remove_reader(pidfd)
    os.close(pidfd)
    daemon.start()
    async with await daemon.client() as client:
        assert await client.list_sessions() == ()
    daemon.close()


GATE = """
import os
with open(os.environ["GATE"]):  # a pipe with a name: waits until somebody opens the other end
    pass
"""


async def test_a_session_made_before_a_worker_can_be_goes_on(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    (tmp_path / "gatekeeper.py").write_text(GATE)
    monkeypatch.setenv("GATE", str(gate))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    daemon = Daemon(directory, "--preload", "gatekeeper")
    async with await daemon.client() as client:
        uid = await client.create_session("mine")
        waiting = client.submit(uid, ExecuteRequest(code="print('ran')"), msg_id="early")
        assert (await client.session_info(uid)).execution_state == "starting"
        await asyncio.to_thread(daemon.kill)
        with pytest.raises(ConnectionLost):
            await waiting
    daemon.start()
    await asyncio.to_thread(gate.write_text, "")
    async with await daemon.client() as client:
        (session,) = await client.list_sessions()
        assert (session.uid, session.name) == (uid, "mine")
        heard = Heard(uid)
        await heard.until(client, r"ran\n.*<reply ok >")
        assert (await client.execute(uid, "never run", msg_id="early")).status == "ok"
    daemon.close()


async def test_a_session_whose_zygote_was_killed_outlives_the_daemon_too(daemon: Daemon) -> None:
    async with await daemon.client() as client:
        uid = await client.create_session("mine")
        await client.execute(uid, "import os; print(os.getppid())")
        heard = Heard(uid)
        await heard.until(client, r"\d+\n")
        os.kill(int(heard.lines()[0]), signal.SIGKILL)
        await heard.until(client, "<dead>")
        reason = (await client.session_info(uid)).reason
        other = await client.create_session()
        assert (await client.execute(other, "1")).status == "ok"
    await again(daemon)
    async with await daemon.client() as client:
        info = await client.session_info(uid)
        assert (info.execution_state, info.reason, info.name) == ("dead", reason, "mine")
        await client.restart_session(uid)
        assert (await client.execute(uid, "1")).status == "ok"
