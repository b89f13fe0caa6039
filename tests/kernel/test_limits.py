"""What a session may use: the rules by themselves, and each of them at a real worker."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from antiphon_kernel.client import KernelClient
from antiphon_kernel.errors import MalformedMessage
from antiphon_kernel.executors import Usage
from antiphon_kernel.executors.forked import ForkedExecutor
from antiphon_kernel.executors.inline import InlineExecutor
from antiphon_kernel.limits import GRACE_SECONDS, Cull, End, Guard, Tell, duration_text, lowered
from antiphon_kernel.link import Died, Published, Replied, Started
from antiphon_kernel.message import (
    NO_LIMITS,
    Content,
    CreateSubshellRequest,
    DisplayData,
    ExecuteReply,
    ExecuteRequest,
    ExecuteResult,
    Header,
    InputRequest,
    Message,
    SessionLimits,
    SessionUID,
    Stream,
)
from antiphon_kernel.service import Service
from antiphon_kernel.session import Event, Session, apply, open_session
from antiphon_kernel.transports.inprocess import InProcessTransport

from .conftest import Driver, new_driver

USED = Usage(memory_bytes=2**20, cpu_seconds=1.0, processes=1)


class Life:
    """A session, moved by hand, and its guard."""

    def __init__(self, limits: SessionLimits) -> None:
        self.guard = Guard(limits, 0.0)
        outcome = open_session(SessionUID("u"), "", "n", "0", limits=limits)
        self.session: Session = outcome.session
        self.publications: list[Content] = []
        self.moves = 0
        self.move([Started(pid=1)])

    def move(self, event: Event) -> None:
        self.moves += 1
        outcome = apply(self.session, event, str(self.moves))
        self.session = outcome.session
        self.publications += [publication.content for publication in outcome.publications]

    def begin(self, msg_id: str, line: str = "") -> None:
        header = Header(msg_id=msg_id, msg_type="x", subshell_id=line)
        self.move(Message(header=header, content=ExecuteRequest(code="1")))

    def end(self, msg_id: str) -> None:
        self.move([Replied(parent=msg_id, content=ExecuteReply(status="ok"))])

    def look(self, now: float, used: Usage = USED) -> Any:
        return self.guard.look(self.session, used, now)


def test_a_client_may_lower_a_limit_and_not_raise_it() -> None:
    kernel = SessionLimits(memory_bytes=100, run_seconds=0)
    wanted = SessionLimits(memory_bytes=50, run_seconds=60)
    assert lowered(kernel, wanted) == wanted
    assert lowered(kernel, NO_LIMITS) == kernel
    with pytest.raises(MalformedMessage, match="101 is more than the kernel's limit 100") as caught:
        lowered(kernel, SessionLimits(memory_bytes=101))
    assert caught.value.field == "content.limits.memory_bytes"


def test_without_limits_nothing_follows() -> None:
    life = Life(NO_LIMITS)
    assert life.look(10**9, Usage(2**60, 1e9, 10**6)) is None


def test_cpu_time_over_its_limit_is_told_once_and_ends_after_the_grace() -> None:
    life = Life(SessionLimits(cpu_seconds=10))
    life.begin("a")
    assert life.look(1, USED._replace(cpu_seconds=9.9)) is None
    assert life.look(2, USED._replace(cpu_seconds=10.5)) == Tell("out of CPU time: used 10 s, limit 10 s")
    assert life.look(3, USED._replace(cpu_seconds=11.0)) is None
    verdict = life.look(4, USED._replace(cpu_seconds=10.5 + GRACE_SECONDS))
    assert verdict == End("out of CPU time: used 16 s, limit 10 s; it did not stop")
    life.guard.renew()
    assert life.look(5, USED) is None


def test_time_counts_for_each_run_anew() -> None:
    life = Life(SessionLimits(run_seconds=10))
    life.begin("a")
    life.begin("b")
    assert life.look(0) is None
    assert life.look(9) is None
    assert life.look(10) == Tell("out of time: this run took 10 s, limit 10 s", "")
    life.end("a")
    assert life.look(11) is None
    assert life.look(20) is None
    assert life.look(21) == Tell("out of time: this run took 10 s, limit 10 s", "")
    assert life.look(21 + GRACE_SECONDS) == End(
        "out of time: this run took 15 s, limit 10 s; it did not stop"
    )


def test_time_of_a_subshell_s_run_counts_for_itself() -> None:
    life = Life(SessionLimits(run_seconds=10))
    life.begin("a")
    life.look(0)
    life.move(
        Message(header=Header(msg_id="make", msg_type="x", session="u"), content=CreateSubshellRequest())
    )
    [name] = life.session.subshells
    life.begin("b", name)
    life.look(5)
    assert life.look(10) == Tell("out of time: this run took 10 s, limit 10 s", "")
    life.end("a")
    assert life.look(14) is None
    assert life.look(15) == Tell("out of time: this run took 10 s, limit 10 s", name)
    assert life.look(15 + GRACE_SECONDS) == End(
        "out of time: this run took 15 s, limit 10 s; it did not stop"
    )


def test_processes_over_their_limit_are_told_and_a_runaway_ends_at_once() -> None:
    life = Life(SessionLimits(processes=10))
    assert life.look(0, USED._replace(processes=10)) is None
    assert life.look(1, USED._replace(processes=11)) == Tell("too many processes: 11, limit 10")
    assert life.look(2, USED._replace(processes=9)) is None
    assert life.look(3, USED._replace(processes=12)) == Tell("too many processes: 12, limit 10")
    assert isinstance(life.look(3 + GRACE_SECONDS, USED._replace(processes=12)), End)
    assert life.look(4, USED._replace(processes=21)) == End("too many processes: 21, limit 10")


def test_an_idle_session_is_culled_and_a_busy_one_is_not() -> None:
    life = Life(SessionLimits(idle_seconds=7200))
    life.look(0)
    assert life.look(7199) is None
    assert life.look(7200) == Cull("idle for 2 h")
    life.begin("a")
    assert life.look(7300) is None
    assert life.look(99_000) is None
    life.end("a")
    assert life.look(99_100) is None
    assert life.guard.idle_seconds(life.session, 99_200) == 100
    assert life.look(99_100 + 7200) == Cull("idle for 2 h")


def test_an_open_prompt_is_not_idle() -> None:
    life = Life(SessionLimits(idle_seconds=10))
    life.begin("a")
    life.move([Published(parent="a", content=InputRequest(prompt="?"))])
    life.look(0)
    assert life.look(100) is None


def test_output_of_a_background_task_is_work() -> None:
    life = Life(SessionLimits(idle_seconds=10))
    for now in range(0, 100, 9):
        life.move([Published(parent="a", content=Stream(name="stdout", text="."))])
        assert life.look(now) is None


def test_a_thread_that_computes_is_work_and_a_little_time_is_not() -> None:
    life = Life(SessionLimits(idle_seconds=100))
    for now in range(0, 1000, 10):
        assert life.look(now, USED._replace(cpu_seconds=1 + now * 0.02)) is None
    for now in range(1000, 1090, 10):
        assert life.look(now, USED._replace(cpu_seconds=21 + (now - 1000) * 0.001)) is None
    assert life.look(1100, USED._replace(cpu_seconds=21.1)) == Cull("idle for 1.7 min")


def test_a_dead_session_is_idle() -> None:
    life = Life(SessionLimits(idle_seconds=10))
    life.move([Died(reason="gone")])
    life.look(0)
    assert isinstance(life.look(10, Usage()), Cull)


@pytest.mark.parametrize(
    ("seconds", "text"), [(45, "45 s"), (90, "1.5 min"), (7200, "2 h"), (3 * 86400, "3 d"), (0.4, "0 s")]
)
def test_a_duration_is_told_in_its_largest_unit(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


# --- output


def streams(life: Life) -> list[tuple[str, str]]:
    return [(s.name, s.text) for s in life.publications if isinstance(s, Stream)]


def test_output_beyond_the_limit_is_left_out_and_counted() -> None:
    life = Life(SessionLimits(output_bytes=10))
    life.begin("a")
    life.move([Published(parent="a", content=Stream(name="stdout", text="12345"))])
    life.move([Published(parent="a", content=Stream(name="stdout", text="678ä0123"))])
    life.move([Published(parent="a", content=Stream(name="stdout", text="more"))])
    life.move([Published(parent="a", content=DisplayData(data={"text/plain": "x"}))])
    life.end("a")
    first, rest, notice, total = streams(life)
    assert (first, rest) == (("stdout", "12345"), ("stdout", "678ä"))
    assert notice[0] == total[0] == "stderr"
    assert "reached the limit of output, 10 bytes" in notice[1]
    assert total[1].endswith(" bytes of output were left out.]\n")
    assert not [p for p in life.publications if isinstance(p, DisplayData)]
    life.begin("b")
    life.move([Published(parent="b", content=Stream(name="stdout", text="again"))])
    assert streams(life)[-1] == ("stdout", "again")


def test_output_that_just_fits_is_whole() -> None:
    life = Life(SessionLimits(output_bytes=5))
    life.begin("a")
    life.move([Published(parent="a", content=Stream(name="stdout", text="12345"))])
    life.end("a")
    assert streams(life) == [("stdout", "12345")]


# --- at a worker


async def stopped(session: Driver, code: str, line: str = "") -> ExecuteReply:
    """Tell the code that prints "on" of a limit; the reply."""
    outcome = session.begin(code, subshell=line)
    await session.until(outcome.text)
    session.worker.stop("too much of it", line)
    await session.until(lambda: outcome.reply)
    return outcome.executed


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    "code",
    [
        "print('on')\nwhile True: pass",
        "print('on')\nimport time; time.sleep(60)",
        "print('on')\nimport asyncio; await asyncio.sleep(60)",
        "print('on')\nimport subprocess; subprocess.run(['sleep', '60'])",
    ],
)
@pytest.mark.parametrize("line", ["", "s"])
async def test_a_limit_stops_the_code_and_names_itself(forked: Driver, code: str, line: str) -> None:
    reply = await stopped(forked, code, line)
    assert (reply.ename, reply.evalue) == ("LimitReached", "too much of it")
    assert "antiphon_kernel" not in "".join(reply.traceback).replace("antiphon_kernel.worker.stage.", "")
    assert (await forked.run("1")).executed.status == "ok"


@pytest.mark.asyncio(loop_scope="module")
async def test_code_can_save_what_it_has_at_a_limit(forked: Driver) -> None:
    code = "try:\n    print('on')\n    while True: pass\nexcept KeyboardInterrupt as e:\n    kept = e.args"
    assert (await stopped(forked, code)).status == "ok"
    assert (await forked.run("kept")).one(ExecuteResult).data["text/plain"] == "('too much of it',)"


@pytest.mark.asyncio(loop_scope="module")
async def test_an_interrupt_after_a_limit_is_an_interrupt(forked: Driver) -> None:
    await stopped(forked, "print('on')\nwhile True: pass")
    outcome = forked.begin("print('on')\nwhile True: pass")
    await forked.until(outcome.text)
    forked.worker.interrupt()
    await forked.until(lambda: outcome.reply)
    assert outcome.executed.ename == "KeyboardInterrupt"


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("line", ["", "s"])
async def test_a_limit_in_process_stops_what_waits(inline_executor: Any, line: str) -> None:
    session = await new_driver(inline_executor)
    other = session.begin("import asyncio\nprint('on')\nawait asyncio.sleep(60)", subshell="other")
    await session.until(other.text)
    reply = await stopped(session, "print('on')\nimport asyncio; await asyncio.sleep(60)", line)
    assert (reply.ename, reply.evalue) == ("LimitReached", "too much of it")
    assert other.reply is None
    session.worker.kill()


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
async def test_limits_of_time_and_output_hold_in_process() -> None:
    limits = SessionLimits(run_seconds=1, output_bytes=10)
    async with (
        asyncio.timeout(30),
        Service(InlineExecutor(), session_limits=limits) as service,
        KernelClient(InProcessTransport(service), "ada") as client,
    ):
        uid = await client.create_session()
        subshell = await client.create_subshell(uid)
        for line in ("", subshell):
            code = "print('x' * 100)\nimport asyncio; await asyncio.sleep(60)"
            reply = await client.execute(uid, code, subshell_id=line)
            assert reply.ename == "LimitReached"
            assert reply.evalue.startswith("out of time: this run took ")
        feed = await client.feed_since(uid, 0)
        texts = [p.content.text for p in feed.publications if isinstance(p.content, Stream)]
        assert texts.count("x" * 10) == 2
        assert sum("reached the limit of output, 10 bytes" in text for text in texts) == 2


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
async def test_the_operating_system_tells_of_cpu_time(forked_executor: ForkedExecutor) -> None:
    session = await new_driver(forked_executor, SessionLimits(cpu_seconds=1))
    reply = (await session.run("while True: pass")).executed
    assert (reply.ename, reply.evalue) == ("LimitReached", "out of CPU time: used 1 s, limit 1 s")
    session.worker.kill()
    await session.death()


@pytest.mark.asyncio(loop_scope="module")
async def test_more_memory_at_once_than_allowed_is_an_error_of_the_code(
    forked_executor: ForkedExecutor,
) -> None:
    session = await new_driver(forked_executor, SessionLimits(memory_bytes=100 * 2**20))
    reply = (await session.run("x = bytearray(4 * 2**30)")).executed
    assert reply.ename == "MemoryError"  # the session adds the limit: test_session.py
    assert (await session.run("x = bytearray(50 * 2**20)")).executed.status == "ok"
    threads = (
        "import threading\ngo = threading.Event()\n"
        "threads = [threading.Thread(target=go.wait) for _ in range(16)]\n"
        "for t in threads: t.start()\n"
        "import numpy\nnumpy.ones((500, 500)) @ numpy.ones((500, 500)); go.set()"
    )
    assert (await session.run(threads)).executed.status == "ok"
    session.worker.kill()
    await session.death()


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
async def test_a_death_by_the_limit_of_cpu_time_names_its_value(forked_executor: ForkedExecutor) -> None:
    session = await new_driver(forked_executor, SessionLimits(cpu_seconds=1))
    session.begin("import signal; signal.signal(signal.SIGXCPU, signal.SIG_DFL)\nwhile True: pass")
    assert await session.death() == "killed by SIGXCPU (the limit of CPU time, 1 s, was reached)"
