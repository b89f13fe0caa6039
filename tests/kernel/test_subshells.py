"""Subshells: what runs beside the main line, in threads of a worker that is a process."""

from __future__ import annotations

import random

import pytest

from antiphon_kernel.message import (
    CommOpen,
    CompleteReply,
    CompleteRequest,
    DisplayData,
    Error,
    ExecuteInput,
    ExecuteResult,
    HistoryReply,
    HistoryRequest,
    InputRequest,
    InspectReply,
    InspectRequest,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

WAIT = "import threading; event = threading.Event()\nprint('begun')\nassert event.wait(20)\nprint('ended')"
"""Runs until something else says ``event.set()``."""


async def test_what_runs_in_a_subshell_does_not_wait_and_sees_the_same_names(forked):
    long = forked.begin(WAIT)
    await forked.until(lambda: long.text() == "begun\n")
    beside = await forked.run("print('beside'); y = 6 * 7; event.set()\ny", subshell="s")
    await forked.until(lambda: long.reply)
    assert long.text() == "begun\nended\n"
    assert beside.text() == "beside\n"
    assert beside.one(ExecuteResult).data == {"text/plain": "42"}
    assert (await forked.run("y")).one(ExecuteResult).data == {"text/plain": "42"}


async def test_completion_and_inspection_do_not_wait_behind_code_that_computes(forked):
    await forked.run("spam_and_eggs = 1; run = True")
    long = forked.begin("print('begun')\nwhile run: pass")
    await forked.until(lambda: long.text() == "begun\n")
    completed = await forked.ask(CompleteRequest(code="spam_", cursor_pos=5), "s")
    inspected = await forked.ask(InspectRequest(code="spam_and_eggs", cursor_pos=3), "s")
    assert isinstance(completed, CompleteReply)
    assert isinstance(inspected, InspectReply)
    assert ("spam_and_eggs" in completed.matches, inspected.found) == (True, True)
    assert long.reply is None
    await forked.run("run = False", subshell="s")
    await forked.until(lambda: long.reply)


async def test_completion_bears_names_that_come_and_go_meanwhile(forked):
    await forked.run("spam_and_eggs = 1; run = True; error = None")
    long = forked.begin(
        "print('begun')\nn = 0\nwhile run:\n    n += 1\n    globals()[f'x{n}'] = n\n"
        "    if n > 200: del globals()[f'x{n - 200}']"
    )
    await forked.until(lambda: long.text() == "begun\n")
    for _ in range(20):
        completed = await forked.ask(CompleteRequest(code="spam_", cursor_pos=5), "aside")
        inspected = await forked.ask(InspectRequest(code="spam_and_eggs", cursor_pos=3), "aside")
        assert isinstance(completed, CompleteReply)
        assert isinstance(inspected, InspectReply)
    await forked.run("run = False", subshell="s")
    await forked.until(lambda: long.reply)
    assert long.executed.status == "ok"


async def test_an_object_that_fails_to_tell_its_names_breaks_nothing(forked):
    await forked.run(
        "class Bad:\n    def __dir__(self): raise SystemError('no')\n"
        "    def __getattr__(self, name): raise MemoryError(name)\n"
        "    def __repr__(self): raise OSError('no')\nbad = Bad()"
    )
    completed = await forked.ask(CompleteRequest(code="bad.", cursor_pos=4), "aside")
    inspected = await forked.ask(InspectRequest(code="bad", cursor_pos=3), "aside")
    assert isinstance(completed, CompleteReply)
    assert (completed, type(inspected)) == (
        CompleteReply(matches=(), cursor_start=4, cursor_end=4),
        InspectReply,
    )


async def test_cells_beside_each_other_have_numbers_results_and_errors_of_their_own(forked):
    await forked.run("import threading\nboth, x, n = threading.Barrier(2), 0, 0")
    pairs = [
        (
            forked.begin("_ = both.wait(20)\n'main'"),
            forked.begin("_ = both.wait(20)\n1 / 0\n'never'", subshell="s"),
        )
        for _ in range(20)
    ]
    await forked.until(lambda: all(main.reply and beside.reply for main, beside in pairs))
    for main, beside in pairs:
        assert main.one(ExecuteResult).data == {"text/plain": "'main'"}
        assert main.executed.status == "ok"
        assert beside.executed.ename == beside.one(Error).ename == "ZeroDivisionError"
    inputs = [outcome.one(ExecuteInput).execution_count for pair in pairs for outcome in pair]
    assert sorted(inputs) == list(range(2, 42))
    assert all(
        main.one(ExecuteResult).execution_count == main.executed.execution_count == n
        for (main, _), n in zip(pairs, inputs[::2], strict=True)
    )
    history = await forked.ask(HistoryRequest(hist_access_type="range", start=2))
    assert isinstance(history, HistoryReply)
    assert all(("main" in str(text)) == (line in inputs[::2]) for _, line, text in history.history)


async def test_await_compiles_in_both_lines_at_once(forked):
    await forked.run("import asyncio, threading; both = threading.Barrier(2)")
    code = "both.wait(20)\n" + "await asyncio.sleep(0)\n" * 200 + "'done'"
    pairs = [(forked.begin(code), forked.begin(code, subshell="s")) for _ in range(5)]
    await forked.until(lambda: all(main.reply and beside.reply for main, beside in pairs))
    assert {outcome.executed.status for pair in pairs for outcome in pair} == {"ok"}


async def test_a_page_asked_for_in_one_line_is_in_the_reply_of_that_cell(forked):
    await forked.run("import threading; shown, read = threading.Event(), threading.Event()")
    main = forked.begin("get_ipython().set_next_input('next'); shown.set(); _ = read.wait(20)")
    beside = await forked.run("_ = shown.wait(20)", subshell="s")
    await forked.run("read.set()", subshell="s")
    await forked.until(lambda: main.reply)
    assert [part["text"] for part in main.executed.payload] == ["next"]
    assert beside.executed.payload == ()


async def test_both_lines_can_ask_at_once_and_get_their_own_answers(forked):
    main = forked.begin("a = input('main? ')")
    await forked.until(lambda: main.all(InputRequest))
    beside = forked.begin("b = input('beside? ')", subshell="s")
    await forked.until(lambda: beside.all(InputRequest))
    forked.answer("2", "s")
    await forked.until(lambda: beside.reply)
    forked.answer("1")
    await forked.until(lambda: main.reply)
    assert (await forked.run("a, b")).one(ExecuteResult).data == {"text/plain": "('1', '2')"}


async def test_display_comms_and_the_current_parent_belong_to_the_request(forked):
    long = forked.begin(WAIT)
    await forked.until(lambda: long.text() == "begun\n")
    beside = await forked.run(
        "import comm\n"
        "display('shown')\n"
        "comm.create_comm(target_name='t')\n"
        "print(get_ipython().kernel.get_parent()['header']['msg_id'])",
        subshell="s",
    )
    assert beside.one(DisplayData).data["text/plain"] == "'shown'"
    assert beside.one(CommOpen).target_name == "t"
    assert beside.text() == "request-2\n"
    await forked.run("event.set()", subshell="s")
    await forked.until(lambda: long.reply)
    assert long.all(DisplayData) == []


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "import asyncio; await asyncio.sleep(100)",
        "input('? ')",
        "import asyncio\nasync def spin():\n    while True: pass\nawait asyncio.create_task(spin())",
        "for i in range(10**12): print(i, end='\\r')",
        "import time; time.sleep(100)",
        "import subprocess; subprocess.run('sleep 100; true', shell=True)",
        "import subprocess; subprocess.run(['sleep', '100'], capture_output=True)",
        "import asyncio, time\nasync def nap(): time.sleep(100)\nawait asyncio.create_task(nap())",
        "import asyncio\np = await asyncio.create_subprocess_exec('sleep', '100')\nawait p.wait()",
    ],
    ids=[
        "computing",
        "awaiting",
        "asking",
        "task",
        "printing",
        "sleeping",
        "program",
        "program and its output",
        "sleeping in a task",
        "awaiting a program",
    ],
)
async def test_interrupt_of_a_subshell_stops_that_one_alone(forked, code):
    long = forked.begin(WAIT)
    await forked.until(lambda: long.text() == "begun\n")
    beside = forked.begin(f"print('on')\n{code}", subshell="s")
    await forked.until(lambda: beside.text().startswith("on\n"))
    if "input" in code:
        await forked.until(lambda: beside.all(InputRequest))
    while beside.reply is None:
        forked.interrupt("s")
        await forked.run("", subshell="other")
    assert beside.executed.ename == "KeyboardInterrupt"
    assert (await forked.run("event.set(); 'works'", subshell="s")).one(ExecuteResult)
    await forked.until(lambda: long.reply)
    assert long.executed.status == "ok"


async def test_an_interrupt_stops_a_background_task_that_keeps_a_request_from_running(forked):
    first = await forked.run(
        "import asyncio\nasync def spin():\n    print('spins')\n    while True: pass\n"
        "task = asyncio.create_task(spin())",
        subshell="s",
    )
    await forked.until(lambda: first.text() == "spins\n")
    second = forked.begin("task.done()", subshell="s")
    while second.reply is None:
        forked.interrupt("s")
        await forked.run("", subshell="other")
    if second.executed.status == "error":  # it had just begun
        second = await forked.run("task.done()", subshell="s")
    assert second.one(ExecuteResult).data == {"text/plain": "True"}


async def test_an_interrupt_hits_no_thread_that_the_subshell_starts(forked):
    code = (
        "import threading\ndone = threading.Event()\nthreading.excepthook = lambda args: done.set()\n"
        "print('on')\nwhile not done.is_set():\n    threading.Thread(target=int).start()"
    )
    for _ in range(20):
        beside = forked.begin(code, subshell="s")
        await forked.until(lambda beside=beside: beside.text() == "on\n")
        forked.interrupt("s")
        await forked.until(lambda beside=beside: beside.reply)
        assert beside.executed.ename == "KeyboardInterrupt"


async def test_a_bare_thread_belongs_to_the_cell_that_starts_it(forked):
    code = (
        "import _thread, threading\ngo, done = threading.Event(), threading.Event()\n"
        "def late(word, *, mark):\n    go.wait(20)\n    print(word + mark)\n    done.set()\n"
        "_ = _thread.start_new_thread(late, ('late',), {'mark': '!'})\n"
        "try: _thread.start_new_thread(None, ())\nexcept TypeError as error: print(error)"
    )
    for subshell in ("s", ""):
        beside = await forked.run(code, subshell=subshell)
        other = await forked.run("go.set(); print(done.wait(20))")
        await forked.until(lambda beside=beside: "late" in beside.text())
        assert (beside.text(), other.text()) == ("first arg must be callable\nlate!\n", "True\n")


async def test_an_interrupt_hits_no_bare_thread_that_the_subshell_starts(forked):
    code = (
        "import _thread, sys\nhit = []\nsys.unraisablehook = hit.append\n"
        "print('on')\nwhile not hit:\n    _thread.start_new_thread(int, ())"
    )
    for _ in range(20):
        beside = forked.begin(code, subshell="s")
        await forked.until(lambda beside=beside: beside.text() == "on\n")
        forked.interrupt("s")
        await forked.until(lambda beside=beside: beside.reply)
        assert beside.executed.ename == "KeyboardInterrupt"


@pytest.mark.slow
async def test_hundreds_of_interrupts_and_limits_of_subshells_leave_the_worker_alive(forked):
    codes = [
        "while True: pass",
        "while True: print('x')",
        "import time; time.sleep(1000)",
        "import asyncio; await asyncio.sleep(1000)",
        "import threading\nwhile True: threading.Thread(target=int).start()",
        "try:\n    while True: pass\nfinally: 1 / 0",
        "input('?')",
        "1",
    ]
    rounds = random.Random(5)
    for _ in range(100):
        subshell, code = rounds.choice("abc"), rounds.choice(codes)
        beside = forked.begin(code, subshell=subshell)
        while beside.reply is None:
            for _ in range(rounds.choice([1, 1, 3])):
                if rounds.random() < 0.3:
                    forked.worker.stop("too much", subshell)
                else:
                    forked.interrupt(subshell)
            await forked.run("", subshell="other")
        names = ("", "KeyboardInterrupt", "LimitReached", "ZeroDivisionError")
        assert beside.executed.ename in names, beside.executed


async def test_interrupt_of_a_subshell_ends_a_command(forked):
    # Once it has begun: while IPython starts it, an interrupt meets an UnboundLocalError of IPython's. One
    # that comes later it counts as the command's own.
    beside = forked.begin("!echo there; sleep 100", subshell="s")
    await forked.until(lambda: "there" in beside.text())
    forked.interrupt("s")
    await forked.until(lambda: beside.reply)


async def test_interrupt_of_a_subshell_leaves_the_processes_of_others(forked):
    main = forked.begin("import subprocess\nprint('on')\nsubprocess.run(['sleep', '100']).returncode")
    await forked.until(lambda: main.text() == "on\n")
    beside = forked.begin("import subprocess\nprint('on')\nsubprocess.run(['sleep', '100'])", subshell="s")
    await forked.until(lambda: beside.text() == "on\n")
    while beside.reply is None:
        forked.interrupt("s")
        await forked.run("", subshell="other")
    assert beside.executed.ename == "KeyboardInterrupt"
    assert main.reply is None
    while main.reply is None:
        forked.worker.interrupt()
        await forked.run("", subshell="other")
    assert main.executed.ename == "KeyboardInterrupt"


@pytest.mark.parametrize("subshell", ["", "s"])
async def test_sleep_is_python_s_own(forked, subshell):
    outcome = await forked.run(
        "import time, pickle\nbefore = time.monotonic()\n"
        "for seconds in (0, 0.0, 0.01, False, 0.02): time.sleep(seconds)\n"
        "def refused(seconds):\n    try: time.sleep(seconds)\n"
        "    except Exception as e: return type(e).__name__\n"
        "time.monotonic() - before >= 0.03, pickle.loads(pickle.dumps(time.sleep)) is time.sleep, "
        "[refused(s) for s in (-1, float('nan'), 'x', None)]",
        subshell=subshell,
    )
    errors = "['ValueError', 'ValueError', 'TypeError', 'TypeError']"
    assert outcome.one(ExecuteResult).data == {"text/plain": f"(True, True, {errors})"}


async def test_a_late_interrupt_shortens_no_later_sleep(forked):
    for _ in range(20):
        short = forked.begin("import time; time.sleep(0.001)", subshell="s")
        forked.interrupt("s")
        await forked.until(lambda short=short: short.reply)
    slept = await forked.run(
        "before = time.monotonic(); time.sleep(0.2); time.monotonic() - before >= 0.2", subshell="s"
    )
    assert slept.one(ExecuteResult).data == {"text/plain": "True"}


@pytest.mark.parametrize("interrupted", [False, True])
async def test_code_that_is_traced_goes_on_after_a_subshell(forked, interrupted):
    """Python 3.11 enters no function in a traced thread while an exception for another thread is due."""
    beside = forked.begin("print('on')\n" + ("while True: pass" if interrupted else ""), subshell="s")
    await forked.until(lambda: beside.text() == "on\n")
    if interrupted:
        forked.interrupt("s")
    await forked.until(lambda: beside.reply)
    traced = "import sys\ndef f(): return 1\nsys.settrace(lambda *event: None)\nf()\nsys.settrace(None)"
    assert (await forked.run(traced)).executed.status == "ok"


async def test_interrupts_while_it_prints_cut_no_frame(forked):
    for _ in range(50):
        beside = forked.begin("import sys\nwhile True: print('x' * 50, file=sys.stderr)", subshell="s")
        await forked.until(lambda beside=beside: beside.text("stderr"))
        forked.interrupt("s")
        await forked.until(lambda beside=beside: beside.reply)
        assert beside.executed.ename == "KeyboardInterrupt"
        assert set(beside.text("stderr").split()) == {"x" * 50}


async def test_interrupt_of_the_main_line_leaves_the_subshell(forked):
    beside = forked.begin(WAIT, subshell="s")
    await forked.until(lambda: beside.text() == "begun\n")
    main = forked.begin("print('on')\nwhile True: pass")
    await forked.until(lambda: main.text() == "on\n")
    forked.worker.interrupt()
    await forked.until(lambda: main.reply)
    assert main.executed.ename == "KeyboardInterrupt"
    await forked.run("event.set()")
    await forked.until(lambda: beside.reply)
    assert beside.executed.status == "ok"


async def test_a_subshell_has_a_loop_whose_tasks_go_on_between_its_cells_and_end_with_it(forked):
    await forked.run(
        "import asyncio, threading\nended = threading.Event()\n"
        "async def wait():\n    try: await asyncio.sleep(100)\n    finally: ended.set()\n"
        "task = asyncio.create_task(wait())",
        subshell="s",
    )
    again = await forked.run("threading.current_thread().name, task.done()", subshell="s")
    assert again.one(ExecuteResult).data == {"text/plain": "('subshell s', False)"}
    forked.delete("s")
    assert (await forked.run("ended.wait(20)")).one(ExecuteResult).data == {"text/plain": "True"}


async def test_what_c_code_writes_is_the_main_line_s_while_that_runs(forked):
    beside = await forked.run("import os; os.write(1, b'one\\n')", subshell="s")
    long = forked.begin(WAIT)
    await forked.until(lambda: long.text() == "begun\n")
    second = await forked.run("os.write(1, b'two\\n'); print('three'); event.set()", subshell="s")
    await forked.until(lambda: long.reply)
    assert beside.text() == "one\n"
    assert (long.text(), second.text()) == ("begun\ntwo\nended\n", "three\n")


async def test_exit_in_a_subshell_ends_the_session(new_forked):
    driver = await new_forked()
    await driver.run("exit()", subshell="s")
    assert await driver.death() == "ended by exit()"


async def test_a_cell_in_a_subshell_may_fork(forked):
    outcome = await forked.run(
        "import os\npid = os.fork()\n"
        "print('child' if pid == 0 else 'parent')\nif pid: _ = os.waitpid(pid, 0)",
        subshell="s",
    )
    assert sorted(outcome.text().split()) == ["child", "parent"]
    assert (await forked.run("6 * 7", subshell="s")).one(ExecuteResult)
