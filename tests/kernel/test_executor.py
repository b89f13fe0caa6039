"""The list of checks that every executor passes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from antiphon_kernel.executors import Executor
from antiphon_kernel.message import (
    ClearOutput,
    CompleteReply,
    CompleteRequest,
    DisplayData,
    Error,
    ErrorReply,
    ExecuteInput,
    ExecuteRequest,
    ExecuteResult,
    InspectReply,
    InspectRequest,
    UpdateDisplayData,
)

from .conftest import Driver, new_driver

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_print_is_published_as_a_stream(session):
    outcome = await session.run("print('a', 'b'); print('c', end='')")
    assert outcome.text() == "a b\nc"
    assert outcome.executed.status == "ok"


async def test_print_behaves_as_python_s_own(session):
    outcome = await session.run(
        "import inspect, io\n"
        "file = io.StringIO(); print(1, 2, sep='-', end='!', file=file)\n"
        "print(file.getvalue(), None, sep=None, end=None)\n"
        "print(inspect.signature(print), print.__name__, print.__module__)\n"
        "for bad in ({'sep': 1}, {'end': b''}, {'other': 1}):\n"
        "    try: print('unseen', **bad)\n"
        "    except TypeError: print('refused')"
    )
    assert outcome.text() == (
        "1-2! None\n(*args, sep=' ', end='\\n', file=None, flush=False) print builtins\n" + 3 * "refused\n"
    )


async def test_lines_of_threads_are_not_mixed(session):
    outcome = await session.run(
        "import threading\n"
        "def say(word):\n    for i in range(200): print(word, word, word)\n"
        "threads = [threading.Thread(target=say, args=(w,)) for w in 'abc']\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()"
    )
    assert sorted(outcome.text().splitlines()) == [f"{w} {w} {w}" for w in "abc" for _ in range(200)]


LATE = {
    "thread": "threading.Thread(target=late).start()",
    "thread of a thread": "threading.Thread(target=threading.Thread(target=late).start).start()",
    "timer": "threading.Timer(0, late).start()",
    "pool of an earlier cell": "pool.submit(late)",
    "map of such a pool": "pool.map(lambda _: late(), [0])",
    "thread of asyncio": "import asyncio; asyncio.get_running_loop().run_in_executor(None, late)",
    "task": (
        "import asyncio\nasync def task():\n"
        "    while not go.is_set(): await asyncio.sleep(0)\n    late()\n"
        "_ = asyncio.create_task(task())"
    ),
    "log": "threading.Thread(target=late, args=(log.warning,)).start()",
}


@pytest.mark.parametrize("code", LATE.values(), ids=LATE)
async def test_what_outlives_its_cell_speaks_for_the_request_that_started_it(session, code):
    await session.run(
        "import concurrent.futures, logging, sys, threading\n"
        "go, gone = threading.Event(), threading.Event()\n"
        "log = logging.Logger('late')  # of this session: the process may have others\n"
        "log.addHandler(logging.StreamHandler(sys.stdout))\n"
        "def late(say=print):\n    go.wait(20); say('late'); gone.set()\n"
        "pool = concurrent.futures.ThreadPoolExecutor(1); pool.submit(int).result()"
    )
    first = await session.run(code)
    second = await session.run(
        "import asyncio\ngo.set()\nwhile not gone.is_set(): await asyncio.sleep(0)\nprint('second')"
    )
    await session.until(first.text)
    assert (first.text(), second.text()) == ("late\n", "second\n")


async def test_a_thread_begins_with_the_context_that_python_gives_it(session):
    outcome = await session.run(
        "import decimal, threading\ndecimal.getcontext().prec = 5\n"
        "thread = threading.Thread(target=lambda: print(decimal.getcontext().prec))\n"
        "thread.start(); thread.join()"
    )
    assert outcome.text() == "28\n"


async def test_stderr_is_its_own_stream(session):
    outcome = await session.run("import sys; print('oh', file=sys.stderr)")
    assert (outcome.text("stdout"), outcome.text("stderr")) == ("", "oh\n")


async def test_code_is_published_before_what_it_says(session):
    outcome = await session.run("print(1)")
    assert outcome.events[0].content == ExecuteInput(code="print(1)", execution_count=1)


async def test_value_of_the_last_expression_is_the_result(session):
    outcome = await session.run("x = 20\nx + 1")
    assert outcome.one(ExecuteResult) == ExecuteResult(execution_count=1, data={"text/plain": "21"})


async def test_semicolon_hides_the_result(session):
    assert (await session.run("1;")).all(ExecuteResult) == []


async def test_names_last_from_cell_to_cell(session):
    await session.run("x = 6")
    assert (await session.run("x * 7")).one(ExecuteResult).data == {"text/plain": "42"}


async def test_execution_is_counted(session):
    assert (await session.run("1")).executed.execution_count == 1
    assert (await session.run("1")).executed.execution_count == 2


async def test_silent_code_is_neither_published_nor_counted(session):
    outcome = await session.run("5", silent=True)
    assert outcome.events == []
    assert (await session.run("1")).executed.execution_count == 1


async def test_error_is_published_and_repeated_in_the_reply(session):
    outcome = await session.run("1 / 0")
    error = outcome.one(Error)
    assert (error.ename, error.evalue) == ("ZeroDivisionError", "division by zero")
    assert "1" in error.traceback[-2]
    assert outcome.executed.status == "error"
    assert outcome.executed.traceback == error.traceback


@pytest.mark.parametrize(
    ("code", "ename"),
    [
        ("def", "SyntaxError"),
        ("  1\n x", "IndentationError"),
        ("%nothing", "UsageError"),
        ("raise ExceptionGroup('g', [ValueError(1)])", "ExceptionGroup"),
        ("import sys; sys.exit(3)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("class E(Exception):\n    def __str__(self): raise ValueError\nraise E", "E"),
    ],
)
@pytest.mark.filterwarnings("ignore:To exit")
async def test_error_of_any_kind_is_one_error(session, code, ename):
    outcome = await session.run(code)
    assert outcome.one(Error).ename == ename
    assert outcome.executed.ename == ename
    assert (await session.run("1")).executed.status == "ok"


async def test_lone_surrogates_become_escapes(session):
    outcome = await session.run("print('\\udc80'); raise ValueError('\\udc81')")
    assert outcome.text() == "\\udc80\n"
    assert outcome.one(Error).evalue == "\\udc81"


async def test_top_level_await_and_the_loop_go_on_between_cells(session):
    await session.run("import asyncio; task = asyncio.create_task(asyncio.sleep(0, 'done'))")
    assert (await session.run("await task")).one(ExecuteResult).data["text/plain"] == "'done'"


async def test_subshell_works_while_the_main_line_awaits(session):
    main = session.begin(
        "import asyncio; event = asyncio.Event(); loop = asyncio.get_running_loop(); await event.wait()"
    )
    await session.until(lambda: main.all(ExecuteInput))
    asked = await session.ask(CompleteRequest(code="asynci", cursor_pos=6), "s")
    assert asked.matches == ("asyncio",)
    beside = await session.run("print('beside'); loop.call_soon_threadsafe(event.set);", subshell="s")
    await session.until(lambda: main.reply)
    assert (main.text(), beside.text(), main.executed.status) == ("", "beside\n", "ok")


async def test_interrupt_of_a_subshell_that_awaits(session):
    beside = session.begin("import asyncio; print('on'); await asyncio.sleep(100)", subshell="s")
    await session.until(lambda: beside.text() == "on\n")
    while beside.reply is None:
        session.interrupt("s")
        await session.run("")
    assert beside.executed.ename == "KeyboardInterrupt"
    session.delete("s")


async def test_display_and_its_update_share_an_id(session):
    outcome = await session.run(
        "from IPython.display import HTML, clear_output\n"
        "handle = display(HTML('<b>1</b>'), display_id='d')\n"
        "handle.update(HTML('<b>2</b>'))\n"
        "clear_output(wait=True)"
    )
    shown, updated = outcome.one(DisplayData), outcome.one(UpdateDisplayData)
    assert shown.data["text/html"] == "<b>1</b>"
    assert updated.data["text/html"] == "<b>2</b>"
    assert shown.transient == updated.transient == {"display_id": "d"}
    assert outcome.one(ClearOutput) == ClearOutput(wait=True)


async def test_display_holds_only_what_json_holds(session):
    outcome = await session.run(
        "display({'image/png': b'\\x00', 'application/json': {1: (2, {3}), 'big': 2**70}}, raw=True)"
    )
    assert outcome.one(DisplayData).data == {
        "image/png": "AA==",
        "application/json": {"1": [2, [3]], "big": str(2**70)},
    }


async def test_number_that_json_lacks_is_null(session):
    outcome = await session.run("display({'application/json': [float('nan'), float('inf')]}, raw=True)")
    assert outcome.one(DisplayData).data == {"application/json": [None, None]}


async def test_hook_for_results_is_changed_for_one_cell(session):
    outcome = await session.run("import sys\nsys.displayhook = lambda value: print('mine', value)\n1")
    assert outcome.text() == "mine 1\n"
    assert (await session.run("2")).one(ExecuteResult).data == {"text/plain": "2"}


async def test_long_text_of_an_error_is_cut(session):
    error = (await session.run("raise ValueError('x' * 1_000_000)")).one(Error)
    assert error.evalue == "x" * 65536 + "… (1000000 characters)"
    assert max(map(len, error.traceback)) < 70_000


async def test_error_that_has_no_text_and_exits_is_answered(session):
    code = "class E(Exception):\n    def __str__(self): raise SystemExit('no')\nraise E"
    reply = await session.request(ExecuteRequest(code=code))
    assert reply.reply == ErrorReply(ename="WorkerFailed", evalue="SystemExit: no")
    assert (await session.run("1")).executed.status == "ok"


async def test_magics_work(session):
    assert (await session.run("%%capture said\nprint(1)")).text() == ""
    assert (await session.run("said.stdout")).one(ExecuteResult).data["text/plain"] == r"'1\n'"


async def test_user_expressions_are_answered_one_by_one(session):
    reply = await session.ask(ExecuteRequest(code="x = 1", user_expressions={"a": "x", "b": "y"}))
    assert reply.user_expressions["a"]["data"] == {"text/plain": "1"}
    assert reply.user_expressions["b"]["ename"] == "NameError"


async def test_question_mark_gives_a_page(session):
    outcome = await session.run("len?")
    (page,) = outcome.executed.payload
    assert page["source"] == "page"
    assert "number of items" in page["data"]["text/plain"]


async def test_completion_counts_code_points(session):
    await session.run("wörter = 1")
    reply = await session.ask(CompleteRequest(code="'😀'; wört", cursor_pos=9))
    assert isinstance(reply, CompleteReply)
    assert reply.matches == ("wörter",)
    assert (reply.cursor_start, reply.cursor_end) == (5, 9)


async def test_completion_of_nothing_is_empty(session):
    reply = await session.ask(CompleteRequest(code="zzzz", cursor_pos=99))
    assert reply == CompleteReply(matches=(), cursor_start=4, cursor_end=4)


async def test_inspection_finds_the_object(session):
    reply = await session.ask(InspectRequest(code="len(x)", cursor_pos=2))
    assert isinstance(reply, InspectReply)
    assert reply.found
    assert "number of items" in reply.data["text/plain"]


async def test_inspection_of_an_unknown_name_finds_nothing(session):
    assert await session.ask(InspectRequest(code="nix", cursor_pos=1)) == InspectReply(found=False)


async def test_output_of_a_thread_goes_to_the_request_that_started_it(session):
    first = await session.run(
        "import threading\n"
        "go = threading.Event()\n"
        "thread = threading.Thread(target=lambda: (go.wait(10), print('late')))\n"
        "thread.start()"
    )
    second = await session.run("go.set(); thread.join()")
    await session.run("pass")
    assert (first.text(), second.text()) == ("late\n", "")


async def test_output_of_a_task_goes_to_the_request_that_started_it(session):
    first = await session.run(
        "import asyncio\n"
        "go = asyncio.Event()\n"
        "async def say():\n    await go.wait()\n    print('late')\n"
        "task = asyncio.create_task(say())"
    )
    second = await session.run("go.set(); await task")
    assert (first.text(), second.text()) == ("late\n", "")


async def test_interrupt_reaches_code_that_awaits(session):
    outcome = session.begin(
        "import asyncio\n"
        "try:\n    print('on')\n    await asyncio.sleep(60)\nfinally:\n    print('cleaned up')"
    )
    await session.until(lambda: outcome.text().endswith("\n"))
    session.worker.interrupt()
    await session.until(lambda: outcome.reply)
    assert outcome.executed.ename == "KeyboardInterrupt"
    assert outcome.text() == "on\ncleaned up\n"
    assert (await session.run("2")).executed.status == "ok"


async def test_cancellation_by_the_code_itself_is_no_interrupt(session):
    outcome = await session.run(
        "import asyncio\n"
        "try:\n"
        "    async with asyncio.timeout(0): await asyncio.sleep(60)\n"
        "except TimeoutError: print('timeout')\n"
        "task = asyncio.create_task(asyncio.sleep(60)); task.cancel()\n"
        "await task"
    )
    assert outcome.text() == "timeout\n"
    assert outcome.executed.ename == "CancelledError"


@pytest.mark.parametrize(
    "code",
    [
        "input('? ')",
        "import sys; sys.stdout.write(3)",
        "import threading\nthread = threading.Thread(target=print); thread.start(); thread.start()",
        "import asyncio\nasync def fail(): 1 / 0\nawait asyncio.create_task(fail())",
        "display({'text/plain': ''}, raw=True, metadata=3)",
    ],
)
async def test_traceback_shows_no_frame_of_ours(session, code):
    outcome = await session.run(code, allow_stdin=False)
    assert outcome.executed.traceback
    assert "antiphon_kernel" not in "".join(outcome.executed.traceback)


async def test_interrupt_when_idle_does_nothing(session):
    session.worker.interrupt()
    assert (await session.run("await asyncio.sleep(0) if 0 else 3")).executed.status == "ok"


async def test_input_that_nobody_can_answer_is_an_error(session):
    outcome = await session.run("input('name? ')", allow_stdin=False)
    assert outcome.executed.ename == "StdinNotImplementedError"


async def test_exit_ends_the_session_with_a_reason(session):
    outcome = await session.run("print('bye'); exit()")
    assert outcome.executed.status == "ok"
    assert await session.death() == "ended by exit()"


async def test_kill_ends_the_session_with_a_reason(session):
    outcome = session.begin("import asyncio\nprint('on')\nawait asyncio.sleep(60)")
    await session.until(lambda: outcome.text())
    session.worker.kill()
    assert await session.death() == "killed on request"
    session.worker.send(None)
    session.worker.interrupt()
    session.worker.kill()


async def test_use_is_told_where_a_session_has_a_process(forked):
    await forked.run("import time\nwhile time.process_time() < 0.05: pass")
    used = forked.worker.usage()
    assert used.cpu_seconds >= 0.02
    assert used.processes == 1


@pytest.mark.slow
async def test_figure_is_shown_without_being_asked_for(session):
    code = "import matplotlib.pyplot as plt\nplt.plot([1, 2]);"
    for _ in range(2):
        assert "image/png" in (await session.run(code)).one(DisplayData).data


@pytest.mark.slow
async def test_table_is_html(session):
    outcome = await session.run("import pandas\npandas.DataFrame({'a': [1]})")
    assert "<table" in outcome.one(ExecuteResult).data["text/html"]


# --- what is said of the inline executor in docs/architecture.md


@pytest_asyncio.fixture(loop_scope="module")
async def inline(inline_executor: Executor) -> AsyncIterator[Driver]:
    driver = await new_driver(inline_executor)
    yield driver
    driver.worker.kill()
    await driver.death()


async def test_inline_cannot_ask(inline):
    assert (await inline.run("input()", allow_stdin=True)).executed.ename == "StdinNotImplementedError"


async def test_inline_takes_the_output_back(inline):
    assert (await inline.run("import io, sys; sys.stdout = io.StringIO(); print('lost')")).text() == ""
    assert (await inline.run("print('back')")).text() == "back\n"


async def test_inline_tells_no_memory(inline):
    assert inline.worker.usage()[0] == 0


async def test_what_a_cell_sets_in_its_context_holds_for_the_next(session):
    await session.run("import decimal, contextvars; v = contextvars.ContextVar('v', default='old')")
    await session.run("decimal.getcontext().prec = 3; token = v.set('new')")
    assert (await session.run("decimal.Decimal(1) / 3")).one(ExecuteResult).data[
        "text/plain"
    ] == "Decimal('0.333')"
    assert (await session.run("v.get()")).one(ExecuteResult).data["text/plain"] == "'new'"
    assert (await session.run("v.reset(token); v.get()")).one(ExecuteResult).data["text/plain"] == "'old'"


@pytest.mark.slow
async def test_plots_can_be_asked_for_inline(session):
    outcome = await session.run("%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]);")
    assert outcome.executed.status == "ok"
    assert "image/png" in outcome.one(DisplayData).data


async def test_windows_are_refused_with_a_reason(session):
    assert "no screen" in (await session.run("get_ipython().enable_gui('qt')")).one(Error).evalue


async def test_libraries_know_that_there_is_a_notebook(session):
    outcome = await session.run("type(get_ipython()).__name__, 'IPKernelApp' in get_ipython().config")
    assert outcome.one(ExecuteResult).data["text/plain"] == "('ZMQInteractiveShell', False)"
