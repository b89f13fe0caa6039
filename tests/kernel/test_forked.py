"""What only workers that are processes can do, and what they must survive."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest

from antiphon_kernel.executors.forked import ForkedExecutor
from antiphon_kernel.executors.worker_process import REST_SECONDS, WorkerProcess
from antiphon_kernel.ledger import Ledger
from antiphon_kernel.link import Replied, encode_frame
from antiphon_kernel.message import (
    DisplayData,
    ErrorReply,
    ExecuteReply,
    ExecuteRequest,
    ExecuteResult,
    Header,
    InputRequest,
    Message,
    SessionUID,
    Stream,
)
from antiphon_kernel.session import Session
from antiphon_kernel.worker.rehearsal import FILLINGS
from antiphon_kernel.worker.turn import Turn, make_turn
from tests.deadline import DEADLINE

from .conftest import Driver, new_driver

pytestmark = pytest.mark.asyncio(loop_scope="module")


# --- output at the descriptors


async def test_descriptors_are_captured_in_the_order_of_the_calls(forked):
    outcome = await forked.run(
        "import os, subprocess, sys\n"
        "print('1')\n"
        "os.write(1, b'2\\n')\n"
        "print('3')\n"
        "subprocess.run(['echo', '4'])\n"
        "print('5')\n"
        "os.write(2, b'oh')\n"
        "os.system('echo 6')"
    )
    assert outcome.text() == "1\n2\n3\n4\n5\n6\n"
    assert outcome.text("stderr") == "oh"


async def test_shell_command_is_shown(forked):
    assert (await forked.run("!echo hello")).text().strip() == "hello"


async def test_c_code_is_captured_though_it_buffers(forked):
    code = "import ctypes; libc = ctypes.CDLL(None); libc.printf(b'a\\nno newline')"
    assert (await forked.run(code)).text() == "a\nno newline"


async def test_characters_cut_in_two_are_put_together(forked):
    code = (
        "import os, sys\nos.write(1, b'\\xc3'); print(end='x', file=sys.stderr)\n"
        "os.write(1, b'\\xa4'); os.write(1, b'\\xff!')"
    )
    outcome = await forked.run(code)
    assert outcome.text() == "ä\N{REPLACEMENT CHARACTER}!"
    assert outcome.text("stderr") == "x"


async def test_output_keeps_its_order_whatever_way_it_takes(forked):
    outcome = await forked.run(
        "import os, sys\n"
        "for i in range(50):\n"
        "    print('short')\n"
        "    print('x' * 5000)\n"
        "    print('oh', file=sys.stderr)\n"
        "    os.write(1, b'raw\\n')\n"
    )
    pieces = [(stream.name, line) for stream in outcome.all(Stream) for line in stream.text.splitlines()]
    once = [("stdout", "short"), ("stdout", "x" * 5000), ("stderr", "oh"), ("stdout", "raw")]
    assert pieces == 50 * once


async def test_lines_that_follow_each_other_closely_share_publications(forked):
    begin = time.perf_counter()
    outcome = await forked.run("for i in range(20_000): print(i)")
    seconds = time.perf_counter() - begin
    assert outcome.text() == "".join(f"{i}\n" for i in range(20_000))
    assert len(outcome.all(Stream)) <= seconds / REST_SECONDS + 2


async def test_progress_without_a_newline_shows_while_the_code_computes(forked):
    outcome = forked.begin("print('.', end='')\nwhile True: pass")
    await forked.until(lambda: outcome.text() == ".")
    forked.worker.interrupt()
    await forked.until(lambda: outcome.reply)


async def test_late_output_of_a_thread_keeps_its_request_while_another_runs(forked):
    first = await forked.run(
        "import threading\n"
        "go, done = threading.Semaphore(0), threading.Semaphore(0)\n"
        "def say():\n"
        "    for i in range(100):\n"
        "        go.acquire(); print('a', i); done.release()\n"
        "thread = threading.Thread(target=say)\n"
        "thread.start()"
    )
    second = await forked.run("for i in range(100):\n    print('b', i); go.release(); done.acquire()")
    assert first.text() == "".join(f"a {i}\n" for i in range(100))
    assert second.text() == "".join(f"b {i}\n" for i in range(100))


async def test_program_that_redirects_descriptor_1_can_print_what_it_caught(forked):
    outcome = await forked.run(
        "import os\n"
        "read, write = os.pipe(); own = os.dup(1); os.dup2(write, 1)\n"
        "os.system('echo caught')\n"
        "print('said', os.read(read, 100))\n"
        "os.dup2(own, 1); print('done')"
    )
    assert outcome.text() == "said b'caught\\n'\ndone\n"


async def test_closed_descriptors_leave_the_session_alive(forked):
    outcome = await forked.run("import os; os.close(1); os.close(2); print('still here')")
    assert outcome.text() == "still here\n"
    assert (await forked.run("6 * 7")).one(ExecuteResult).data["text/plain"] == "42"


async def test_output_of_a_background_process_belongs_to_the_last_request(forked):
    outcome = await forked.run(
        "import subprocess; p = subprocess.Popen('read x; echo late', shell=True, stdin=-1)"
    )
    second = await forked.run("p.stdin.close()")
    await forked.until(lambda: "late" in outcome.text() + second.text())
    assert second.text() == "late\n"


async def test_output_and_reply_keep_their_order_under_load(forked):
    outcome = await forked.run("import os\nfor i in range(5000): os.write(1, b'%d\\n' % i)")
    assert outcome.text() == "".join(f"{i}\n" for i in range(5000))


# --- death


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os; print('last'); os._exit(3)", "its process exited with status 3 (os._exit)"),
        (
            "import os; print('last'); os.kill(os.getpid(), 9)",
            "killed by SIGKILL (perhaps because memory ran out)",
        ),
        ("import os; print('last'); os.abort()", "killed by SIGABRT"),
        ("import ctypes; print('last'); ctypes.string_at(0)", "killed by SIGSEGV (segmentation fault"),
        ("import os; print('last'); os.kill(os.getpid(), 15)", "killed by SIGTERM"),
    ],
)
async def test_death_has_a_reason_and_loses_no_output(new_forked, code, reason):
    session = await new_forked()
    outcome = session.begin(code)
    assert (await session.death()).startswith(reason)
    assert outcome.text() == "last\n"


async def test_segmentation_fault_shows_where_it_was(new_forked):
    session = await new_forked()
    outcome = session.begin("import ctypes\nctypes.string_at(0)")
    await session.death()
    assert "Segmentation fault" in outcome.text("stderr")


async def test_output_at_a_descriptor_survives_death(new_forked):
    session = await new_forked()
    outcome = session.begin("import os; os.write(1, b'x' * 60000); os._exit(0)")
    await session.death()
    assert outcome.text() == "x" * 60000


async def test_worker_that_speaks_nonsense_is_ended(new_forked):
    session = await new_forked()
    session.begin(
        "import os, socket\n"
        "for name in os.listdir('/proc/self/fd'):\n"
        "    try: os.write(int(name), b'\\x00\\x00\\x00\\x01\\xc1') if int(name) > 2 else None\n"
        "    except OSError: pass\n"
    )
    assert (await session.death()).startswith("it sent what is not the protocol")


@pytest.mark.slow
async def test_worker_that_closes_its_link_is_ended(new_forked, monkeypatch):
    monkeypatch.setattr("antiphon_kernel.executors.worker_process.LEAVE_SECONDS", 0.2)
    session = await new_forked()
    session.begin("import os, time; os.closerange(3, 100); time.sleep(60)")
    assert await session.death() == "it closed its connection to the kernel"


async def test_death_leaves_other_sessions_alone(new_forked):
    doomed, other = await new_forked(), await new_forked()
    doomed.begin("import os; os._exit(1)")
    await doomed.death()
    assert (await other.run("1")).executed.status == "ok"
    other.worker.kill()
    await other.death()


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    async with asyncio.timeout(DEADLINE):
        await readable.wait()
    loop.remove_reader(descriptor)


@pytest.mark.parametrize(
    "end",
    [
        "",  # killed by the executor: so end a session that is closed, restarted, or over a limit
        "exit()",
        "import os; os.kill(os.getpid(), 9)",
        "import ctypes; ctypes.string_at(0)",
        "import os; os._exit(1)",
    ],
)
async def test_end_takes_the_whole_tree_along(new_forked, end):
    session = await new_forked()
    outcome = await session.run(
        "import os, subprocess, time\n"
        "plain = subprocess.Popen(['sleep', '60'])\n"
        "own = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
        "daemon = subprocess.run(\n"
        "    'setsid nohup sleep 60 >/dev/null 2>&1 & echo $!', shell=True, stdout=subprocess.PIPE).stdout\n"
        "read, write = os.pipe()\n"
        "if (child := os.fork()) == 0:\n"
        "    os.setsid()\n"
        "    if os.fork(): os._exit(0)\n"
        "    grandchild = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
        "    os.write(write, b'%d %d' % (os.getpid(), grandchild.pid)); os.close(write)\n"
        "    time.sleep(60)\n"
        "os.waitpid(child, 0)\n"
        "print(plain.pid, own.pid, int(daemon), os.read(read, 100).decode())"
    )
    pids = [int(word) for word in outcome.text().split()]
    assert len(pids) == 5
    pidfds = [os.pidfd_open(pid) for pid in pids]
    if end:
        session.begin(end)
    else:
        session.worker.kill()
    await session.death()
    for pidfd in pidfds:
        await _readable(pidfd)
        os.close(pidfd)


async def test_end_takes_a_process_along_that_is_a_new_one_all_the_time(new_forked):
    session = await new_forked()
    outcome = await session.run(
        "import os\nread, write = os.pipe()\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    while True:\n"
        "        if os.fork(): os._exit(0)\n"
        "os.close(write)\nprint(f'/proc/{os.getpid()}/fd/{read}')"
    )
    # The read end of a pipe of which every one of them holds the other: at its end all are gone.
    pipe = os.open(outcome.text().strip(), os.O_RDONLY)
    session.worker.kill()
    await session.death()
    await _readable(pipe)
    assert os.read(pipe, 1) == b""
    os.close(pipe)


# --- interrupt


@pytest.mark.parametrize(
    "code",
    [
        "import time\nprint('on')\ntime.sleep(60)",
        "print('on')\nwhile True: pass",
        "import asyncio\nprint('on')\nawait asyncio.sleep(60)",
        "import asyncio\nawait asyncio.sleep(0)\nprint('on')\nwhile True: pass",
        "import subprocess\nsubprocess.run('echo on; sleep 60', shell=True)",
        "import threading\nprint('on')\nthreading.Event().wait()",
        "while True: print('on')",
        "print('on')\ninput()",
    ],
)
async def test_interrupt_stops_the_code_and_not_the_session(forked, code):
    await forked.run("x = 1")
    outcome = forked.begin(code)
    await forked.until(lambda: outcome.text().endswith("\n"))
    forked.worker.interrupt()
    await forked.until(lambda: outcome.reply)
    assert outcome.executed.ename == "KeyboardInterrupt"
    assert (await forked.run("x")).one(ExecuteResult).data["text/plain"] == "1"


@pytest.mark.slow
async def test_interrupt_stops_a_shell_command(forked):
    outcome = forked.begin("!echo on; sleep 60")
    await forked.until(lambda: outcome.text())
    forked.worker.interrupt()
    await forked.until(lambda: outcome.reply)
    assert (await forked.run("1")).executed.status == "ok"


async def test_interrupt_stops_a_background_task_that_does_not_yield(forked):
    outcome = await forked.run(
        "import asyncio\n"
        "async def spin():\n    print('spinning')\n    while True: pass\n"
        "task = asyncio.create_task(spin())"
    )
    await forked.until(lambda: outcome.text() == "spinning\n")
    forked.worker.interrupt()
    assert (await forked.run("1")).executed.status == "ok"


@pytest.mark.slow
async def test_interrupts_at_any_moment_leave_the_session_alive(forked):
    for i in range(200):
        outcome = forked.begin("await asyncio.sleep(0)" if i % 2 else "import asyncio")
        if i % 3:
            forked.worker.interrupt()
        await forked.until(lambda outcome=outcome: outcome.reply)
        forked.worker.interrupt()
    assert (await forked.run("1")).executed.status == "ok"


@pytest.mark.slow
async def test_many_interrupts_hit_at_most_one_cell(forked):
    for _ in range(20):
        outcome = forked.begin("while True: print('x' * 1000)")
        await forked.until(outcome.text)
        for _ in range(5):
            forked.worker.interrupt()
        await forked.until(lambda outcome=outcome: outcome.reply)
        assert outcome.executed.ename == "KeyboardInterrupt"
        assert (await forked.run("2")).executed.status == "ok"


@pytest.mark.parametrize(
    "code",
    [
        "print('on')\nimport time; time.sleep(1000)",
        "while True: print('on')",
        "print('on')\nwhile True: display(1)",
        "print('on')\nimport asyncio; await asyncio.sleep(1000)",
        "print('on')\ninput('? ')",
    ],
)
async def test_traceback_of_an_interrupt_shows_no_frame_of_ours(forked, code):
    outcome = forked.begin(code)
    await forked.until(outcome.text)
    forked.worker.interrupt()
    await forked.until(lambda: outcome.reply)
    assert outcome.executed.ename == "KeyboardInterrupt"
    assert "antiphon_kernel" not in "".join(outcome.executed.traceback)


async def test_error_in_a_thread_shows_no_frame_of_ours(forked):
    code = "import threading\nt = threading.Thread(target=input); t.start(); t.join()"
    shown = (await forked.run(code)).text("stderr")
    assert "StdinNotImplementedError" in shown
    assert "antiphon_kernel" not in shown


async def test_error_in_a_background_task_shows_no_frame_of_ours(forked):
    outcome = await forked.run(
        "import asyncio, gc, sys\n"
        "async def fail(): sys.stdout.write(3)\n"
        "task = asyncio.create_task(fail())\n"
        "await asyncio.wait([task]); del task; gc.collect();"
    )
    shown = outcome.text("stderr")
    assert "TypeError" in shown
    assert "antiphon_kernel" not in shown


# --- input


async def test_input_waits_for_the_answer(forked):
    outcome = forked.begin("import getpass\n(input('name? '), getpass.getpass())")
    await forked.until(lambda: len(outcome.all(InputRequest)) == 1)
    assert outcome.all(InputRequest)[0] == InputRequest(prompt="name? ", password=False)
    forked.answer("Ada")
    await forked.until(lambda: len(outcome.all(InputRequest)) == 2)
    assert outcome.all(InputRequest)[1].password
    forked.answer("secret")
    await forked.until(lambda: outcome.reply)
    assert outcome.one(ExecuteResult).data["text/plain"] == "('Ada', 'secret')"


async def test_requests_that_arrive_before_the_answer_are_served_after_it(forked):
    outcome = forked.begin("x = input()")
    await forked.until(lambda: outcome.all(InputRequest))
    queued = forked.begin("x")
    forked.answer("1")
    await forked.until(lambda: queued.reply)
    assert queued.one(ExecuteResult).data["text/plain"] == "'1'"


async def test_answer_to_a_prompt_that_was_given_up_is_dropped(forked):
    outcome = forked.begin("input()")
    await forked.until(lambda: outcome.all(InputRequest))
    forked.worker.interrupt()
    await forked.until(lambda: outcome.reply)
    forked.answer("late")
    outcome = forked.begin("input()")
    await forked.until(lambda: outcome.all(InputRequest))
    forked.answer("in time")
    await forked.until(lambda: outcome.reply)
    assert outcome.one(ExecuteResult).data["text/plain"] == "'in time'"


# --- under a kernel that goes on for one that was killed


def _repeat(driver: Driver, parent: str) -> None:
    content = ExecuteRequest(code="count += 1")
    driver.worker.send(Message(header=Header(msg_id=parent, msg_type=content.msg_type), content=content))


async def test_the_last_request_is_answered_again_and_not_run_again(forked):
    await forked.run("count = 1")
    parent = forked.send(ExecuteRequest(code="count += 1; import time; time.sleep(0.05)"))
    _repeat(forked, parent)  # while it runs
    await forked.until(lambda: forked.replies.count(parent) == 2)
    _repeat(forked, parent)  # and afterwards
    await forked.until(lambda: forked.replies.count(parent) == 3)
    assert (await forked.run("count")).one(ExecuteResult).data["text/plain"] == "2"


async def test_an_open_question_is_asked_again(forked):
    parent = forked.send(ExecuteRequest(code="input('who? ')"))
    outcome = forked.outcome(parent)
    await forked.until(lambda: outcome.all(InputRequest))
    _repeat(forked, parent)
    await forked.until(lambda: len(outcome.all(InputRequest)) == 2)
    forked.answer("Ada")
    await forked.until(lambda: outcome.reply)
    assert outcome.one(ExecuteResult).data["text/plain"] == "'Ada'"


async def test_nothing_is_read_before_somebody_listens():
    ledger = Ledger(os.memfd_create("test"))
    ledger.begin(Session(uid=SessionUID("uid"), name="", nonce="n", created="", last_activity=""))
    record = ledger.read()
    with subprocess.Popen(["sleep", "60"]) as process:  # noqa: ASYNC220
        ours, theirs = socket.socketpair()
        (stdout, its_stdout), (stderr, its_stderr) = os.pipe(), os.pipe()
        worker = WorkerProcess(
            ours,
            {"stdout": stdout, "stderr": stderr},
            Turn(make_turn()),
            pid=process.pid,
            pidfd=os.pidfd_open(process.pid),
            ledger=ledger,
            on_death=lambda worker: None,
            earlier=record,
        )
        driver = Driver()
        driver.worker = worker
        with theirs:
            theirs.sendall(encode_frame(Replied(parent="a", content=ExecuteReply(status="ok"))))
            os.write(its_stdout, b"x")
            for _ in range(3):
                await asyncio.sleep(0)
            # Another daemon would find it there.
            assert not ledger.read().hearing
            assert select.select([ours, stdout], [], [], 0)[0] == [ours, stdout]
            worker.listen(driver.hear)
            await driver.until(lambda: driver.replies == ["a"] and driver.outcome("").text() == "x")
            worker.kill()
            await driver.death()
        for descriptor in (its_stdout, its_stderr):
            os.close(descriptor)
    ledger.end()


# --- the process


async def test_main_is_the_namespace(forked):
    outcome = await forked.run(
        "import pickle, sys\nclass C: pass\n"
        "isinstance(pickle.loads(pickle.dumps(C())), C), __name__, sys.argv, sys.path[0]"
    )
    assert outcome.one(ExecuteResult).data["text/plain"] == "(True, '__main__', [''], '')"


async def test_nothing_of_the_rehearsal_is_left(new_forked):
    session = await new_forked()
    outcome = await session.run("{n for n in globals() if n[0] != '_'}, _, len(In), Out")
    result = outcome.one(ExecuteResult)
    assert result.execution_count == 1
    assert result.data["text/plain"] == "({'In', 'Out', 'exit', 'get_ipython', 'open', 'quit'}, '', 2, {})"
    earlier = await session.run("[*get_ipython().history_manager.input_hist_raw[:-2], *In[:-2], _ii, _iii]")
    assert earlier.one(ExecuteResult).data["text/plain"] == "['', '', '', '']"
    assert (await session.run("7 * 8")).one(ExecuteResult).data["text/plain"] == "56"
    assert (await session.run("_")).one(ExecuteResult).data["text/plain"] == "56"


async def test_return_code_of_a_subprocess_is_its_own(forked):
    outcome = await forked.run("import subprocess; subprocess.run(['false']).returncode")
    assert outcome.one(ExecuteResult).data["text/plain"] == "1"


async def test_standard_input_is_empty(forked):
    outcome = await forked.run("import subprocess; subprocess.run(['cat'], capture_output=True).stdout")
    assert outcome.one(ExecuteResult).data["text/plain"] == "b''"


async def test_process_holds_nothing_but_its_own_descriptors(forked):
    outcome = await forked.run("import os; len([n for n in os.listdir('/proc/self/fd') if n != '0'])")
    # 1, 2 and 1 again, link, two read ends, turn, the event loop's epoll and pair, the listing itself.
    assert int(outcome.one(ExecuteResult).data["text/plain"]) == 11


@pytest.mark.slow
async def test_secrets_of_the_server_are_not_inherited(monkeypatch):
    monkeypatch.setenv("ANTIPHON_TOKEN", "secret")
    executor = ForkedExecutor(preload=(), spares=0)
    await executor.open()
    try:
        session = await new_driver(executor)
        outcome = await session.run("import os; [n for n in os.environ if 'ANTIPHON' in n or 'THREADS' in n]")
        assert outcome.one(ExecuteResult).data["text/plain"] == "[]"
    finally:
        await executor.close()


async def test_signals_are_as_a_program_expects_them(forked):
    outcome = await forked.run(
        "import signal\n"
        "kept = {n.name: h for n in signal.valid_signals() if isinstance(n, signal.Signals)"
        " and (h := signal.getsignal(n)) is not signal.SIG_DFL}\n"
        "sorted(kept), kept['SIGPIPE'] == signal.SIG_IGN, signal.pthread_sigmask(signal.SIG_BLOCK, ())"
    )
    # SIGFPE and the like are left to faulthandler, whose handlers Python does not see.
    names = "['SIGINT', 'SIGPIPE', 'SIGURG', 'SIGXCPU', 'SIGXFSZ']"
    assert outcome.one(ExecuteResult).data["text/plain"] == f"({names}, True, set())"


async def test_logging_begins_as_in_a_new_program(forked):
    outcome = await forked.run(
        "import logging, sys\n"
        "print(logging.getLogger().handlers, logging.getLogger().level == logging.WARNING)\n"
        "logging.basicConfig(stream=sys.stdout, format='%(levelname)s %(message)s')\n"
        "logging.warning('heard')"
    )
    assert outcome.text() == "[] True\nWARNING heard\n"


async def test_locks_are_free_and_threads_can_be_made(forked):
    outcome = await forked.run(
        "import logging, threading, queue, concurrent.futures\n"
        "with concurrent.futures.ThreadPoolExecutor(4) as pool:\n"
        "    list(pool.map(lambda i: logging.getLogger(str(i)).info('x'), range(20)))\n"
        "    list(pool.map(lambda m: __import__(m), ['wave', 'colorsys', 'mailbox', 'plistlib']))\n"
        "threading.active_count() == 1 and threading.current_thread() is threading.main_thread()"
    )
    assert outcome.one(ExecuteResult).data["text/plain"] == "True"


@pytest.mark.slow
async def test_a_worker_begins_where_it_was_told_with_what_is_preloaded(tmp_path):
    executor = ForkedExecutor(preload=("numpy",), spares=0, directory=str(tmp_path))
    await executor.open()
    try:
        sessions = [await new_driver(executor) for _ in range(2)]
        assert (await sessions[0].run("import os; print(os.getcwd())")).text() == f"{tmp_path}\n"
        code = (
            "import random, secrets, uuid, numpy\n"
            "print(random.random(), random.SystemRandom().random(), secrets.token_hex(), uuid.uuid1(),"
            " uuid.uuid4(), numpy.random.rand(), numpy.random.default_rng().random(),"
            " random.Random().random())"
        )
        first, second = [(await session.run(code)).text().split() for session in sessions]
        assert len(first) == 8
        assert all(a != b for a, b in zip(first, second, strict=True))
        # OpenBLAS has no thread before it is used, and then as many as it would have anywhere.
        count = "len(os.listdir('/proc/self/task'))"
        outcome = await sessions[0].run(
            f"import os\nprint({count}); a = numpy.ones((600, 600)); print((a @ a).sum()); print({count})"
        )
        before, total, after = outcome.text().split()
        assert (before, float(total)) == ("1", 600.0**3)
        assert int(after) == min(len(os.sched_getaffinity(0)), 64)
    finally:
        await executor.close()


@pytest.mark.slow
async def test_a_preloaded_module_that_changed_on_disk_is_told(tmp_path, monkeypatch):
    package = tmp_path / "fresh"
    package.mkdir()
    (package / "__init__.py").write_text("from . import part\n__version__ = '1.5'\n")
    (package / "part.py").write_text("value = 1\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    executor = ForkedExecutor(preload=("fresh",), spares=0)
    await executor.open()
    try:
        session = await new_driver(executor)
        (module,) = executor.preloaded
        assert (module.name, module.version, module.changed) == ("fresh", "1.5", False)
        assert module.file == str(package / "__init__.py")
        (package / "part.py").write_text("value = 22\n")
        async with asyncio.timeout(DEADLINE):
            while not executor.preloaded[0].changed:  # noqa: ASYNC110  # nobody waits for this news
                await asyncio.sleep(0.1)
        assert (await session.run("import fresh; print(fresh.part.value)")).text() == "1\n"
    finally:
        await executor.close()


async def test_fork_in_a_cell_prints_and_ends(forked):
    outcome = await forked.run(
        "import os\npid = os.fork()\n"
        "if pid == 0:\n    print('child')\nelse:\n    os.waitpid(pid, 0)\n    print('parent')"
    )
    assert outcome.text() == "child\nparent\n"
    assert (await forked.run("1")).executed.status == "ok"


@pytest.mark.slow
async def test_multiprocessing_works(forked):
    outcome = await forked.run(
        # One piece each: what two processes print in several would mix, here as in a terminal.
        "import multiprocessing\ndef double(x):\n    print(f'in {x}\\n', end='')\n    return 2 * x\n"
        "with multiprocessing.get_context('fork').Pool(2) as pool: print(pool.map(double, [1, 2]))"
    )
    assert "[2, 4]\n" in outcome.text()
    assert sorted(outcome.text().split("\n"))[-2:] == ["in 1", "in 2"]


async def test_display_beyond_the_limit_is_an_error_of_the_code(forked):
    outcome = await forked.run("display({'text/plain': 'x' * (65 * 1024 * 1024)}, raw=True)")
    assert outcome.all(DisplayData) == []
    assert outcome.executed.ename == "MessageTooLarge"


async def test_memory_counts_the_tree(forked, monkeypatch):
    monkeypatch.setattr("antiphon_kernel.worker.process.Gauge.SECONDS", 0.0)
    alone = forked.worker.usage().memory_bytes
    await forked.run(
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'x = b\"x\" * 50_000_000; print(1); input()'],"
        " stdin=-1, stdout=-1)\n"
        "child.stdout.readline()"
    )
    both = forked.worker.usage().memory_bytes
    assert 1_000_000 < alone < both - 50_000_000


async def test_memory_of_an_idle_session_is_a_fraction_of_what_it_shares(forked):
    outcome = await forked.run("print(open('/proc/self/statm').read())")
    resident = int(outcome.text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    memory = forked.worker.usage().memory_bytes
    assert 0 < memory < resident / 2


# --- many


@pytest.mark.slow
async def test_twenty_sessions_at_once(new_forked):
    sessions = await asyncio.gather(*(new_forked() for _ in range(20)))
    outcomes = await asyncio.gather(*(s.run(f"{i} * {i}") for i, s in enumerate(sessions)))
    assert [o.one(ExecuteResult).data["text/plain"] for o in outcomes] == [str(i * i) for i in range(20)]
    for session in sessions:
        session.worker.kill()
        await session.death()


@pytest.mark.slow
async def test_flood_of_one_session_leaves_another_answering(new_forked):
    flooding, other = await new_forked(), await new_forked()
    flood = flooding.begin("while True: print('x' * 500)")
    await flooding.until(flood.text)
    for i in range(20):
        async with asyncio.timeout(DEADLINE):
            assert (await other.run(str(i))).executed.status == "ok"
    for session in (flooding, other):
        session.worker.kill()
        await session.death()


async def test_requests_beyond_the_bound_are_refused(new_forked, monkeypatch):
    monkeypatch.setattr("antiphon_kernel.executors.worker_process.MAX_UNSENT_BYTES", 1_000_000)
    session = await new_forked()
    busy = session.begin("print('on')\nwhile True: pass")
    await session.until(busy.text)
    outcomes = [session.begin("#" * 400_000) for _ in range(5)]
    await session.until(lambda: outcomes[-1].reply)
    assert isinstance(outcomes[-1].reply, ErrorReply)
    assert outcomes[-1].reply.ename == "QueueFull"
    session.worker.kill()
    await session.death()


async def test_request_that_cannot_be_encoded_is_refused(forked):
    outcome = await forked.run("'\udc80'")
    assert isinstance(outcome.reply, ErrorReply)
    assert outcome.reply.ename == "MalformedMessage"


# --- the zygote


@pytest.mark.slow
@pytest.mark.parametrize("killed", ["zygote", "reaper"])
async def test_zygote_that_dies_takes_all_it_made_and_is_replaced(killed):
    executor = ForkedExecutor(preload=(), spares=0)
    await executor.open()
    try:
        first = await new_driver(executor)
        outcome = await first.run(
            "import os, subprocess\n"
            "own = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
            "read, write = os.pipe()\n"
            "if os.fork() == 0:\n"
            "    os.setsid()\n"
            "    if os.fork(): os._exit(0)\n"
            "    os.write(write, b'%d' % subprocess.Popen(['sleep', '1000'], start_new_session=True).pid)\n"
            "    os._exit(0)\n"
            "print(os.getppid(), own.pid, os.read(read, 100).decode())"
        )
        zygote, *left = map(int, outcome.text().split())
        ends = [os.pidfd_open(pid) for pid in (zygote, *left)]
        reaper = psutil.Process(zygote).ppid()
        os.kill(zygote if killed == "zygote" else reaper, signal.SIGKILL)
        assert (await first.death()).startswith("the zygote, from which sessions are forked, ended")
        for end in ends:
            await _readable(end)
            os.close(end)
        second = await new_driver(executor)
        assert (await second.run("1")).executed.status == "ok"
    finally:
        await executor.close()


@pytest.mark.slow
async def test_close_ends_every_session():
    executor = ForkedExecutor(preload=(), spares=1)
    await executor.open()
    sessions = [await new_driver(executor) for _ in range(2)]
    await executor.close()
    for session in sessions:
        assert session.died is not None


@pytest.mark.slow
async def test_preloaded_modules_are_shared_and_start_no_thread(caplog):
    executor = ForkedExecutor(preload=("numpy", "no_such_module", "matplotlib.pyplot"), spares=1)
    await executor.open()
    try:
        session = await new_driver(executor)
        assert [module.name for module in executor.preloaded] == ["numpy", "matplotlib.pyplot"]
        assert caplog.text == ""
        outcome = await session.run(
            "import sys, os; 'numpy' in sys.modules, len(os.listdir('/proc/self/task'))"
        )
        assert outcome.one(ExecuteResult).data["text/plain"] == "(True, 1)"
        figure = await session.run("import matplotlib.pyplot as plt; plt.plot([1]);")
        assert "image/png" in figure.one(DisplayData).data
        completion = await session.run(
            "from parso.cache import parser_cache\n"
            "any(str(path).endswith('builtins.pyi') for paths in parser_cache.values() for path in paths)"
        )
        assert completion.one(ExecuteResult).data["text/plain"] == "True"
    finally:
        await executor.close()


@pytest.mark.slow
async def test_process_is_as_it_was_before_the_rehearsal():
    script = (
        "import os, signal, sys, threading\n"
        "from antiphon_kernel.worker.rehearsal import rehearse\n"
        "from antiphon_kernel.worker.shell import Shell\n"
        "def state():\n"
        "    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGURG, signal.SIGXCPU)]\n"
        "    files = {n: os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') if n < '3'}\n"
        "    opened = len(os.listdir('/proc/self/fd'))\n"
        "    return handlers, files, opened, sys.stdout, sys.displayhook, print, threading.active_count()\n"
        "shell = Shell(resident=True); before = state(); rehearse(shell, completes=True)\n"
        "print(state() == before)"
    )
    done = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=subprocess.PIPE)
    told, _ = await done.communicate()
    assert told == b"True\n"


@pytest.mark.slow
async def test_gaps_between_the_objects_of_imports_are_filled():
    script = (
        "from antiphon_kernel.worker import rehearsal as r\n"
        "r.fill_gaps(); before = len(r._fillings); r.fill_gaps(); print(before, len(r._fillings))"
    )
    done = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=subprocess.PIPE)
    told, _ = await done.communicate()
    before, after = map(int, told.split())
    assert after < FILLINGS  # it ended because there were no more gaps
    assert after - before <= 2 * 32  # a pool for each size: nothing else was free
