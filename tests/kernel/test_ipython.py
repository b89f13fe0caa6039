"""What people know from IPython, in a worker of ours: magics, debuggers, display, help."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import pytest

from antiphon_kernel.message import DisplayData, Error, ExecuteResult, InputRequest, UpdateDisplayData
from tests.kernel.conftest import Driver, Outcome

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


async def dialogue(session: Driver, code: str, answers: Sequence[str]) -> Outcome:
    """Run code that asks, and answer each prompt as it comes."""
    outcome = session.begin(code)
    for number, answer in enumerate(answers, 1):
        await session.until(lambda number=number: len(outcome.all(InputRequest)) == number or outcome.reply)
        assert not outcome.reply, f"it ended before prompt {number}: {outcome.text()}"
        session.answer(answer)
    await session.until(lambda: outcome.reply)
    return outcome


def plain(text: str) -> str:
    """Without colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


async def result(session: Driver, code: str) -> dict[str, Any]:
    return (await session.run(code)).one(ExecuteResult).data


# --- debuggers that speak through input()


async def test_breakpoint_opens_a_debugger(forked: Driver) -> None:
    code = "def double(x):\n    breakpoint()\n    return 2 * x\ndouble(21)"
    outcome = await dialogue(forked, code, ["p x", "x = 50", "continue"])
    prompts = [prompt.prompt for prompt in outcome.all(InputRequest)]
    assert all("db" in prompt for prompt in prompts), prompts
    assert "21\n" in outcome.text()
    assert outcome.one(ExecuteResult).data["text/plain"] == "100"


async def test_debug_looks_at_the_last_error(forked: Driver) -> None:
    failed = await forked.run("def divide(a, b):\n    return a / b\ndivide(6, 0)")
    assert failed.one(Error).ename == "ZeroDivisionError"
    outcome = await dialogue(forked, "%debug", ["p (a, b)", "up", "where", "quit"])
    assert "(6, 0)" in outcome.text()
    assert "divide" in outcome.text()
    assert outcome.executed.status == "ok"


async def test_an_error_that_a_handler_takes_is_for_the_handler_to_show(forked: Driver) -> None:
    await forked.run(
        "def shown(shell, kind, error, tb, tb_offset=None): print('handled', error)\n"
        "get_ipython().set_custom_exc((ValueError,), shown)"
    )
    outcome = await forked.run("raise ValueError('mine')")
    assert outcome.text() == "handled mine\n"
    assert outcome.all(Error) == []
    reply = outcome.executed
    assert (reply.status, reply.ename, reply.evalue) == ("error", "ValueError", "mine")


async def test_quitting_a_debugger_ends_the_cell_and_not_the_session(forked: Driver) -> None:
    outcome = await dialogue(forked, "breakpoint()\nprint('not reached')", ["quit"])
    assert "not reached" not in outcome.text()
    assert (await result(forked, "6 * 7"))["text/plain"] == "42"


async def test_set_trace_of_pdb_steps(forked: Driver) -> None:
    outcome = await dialogue(
        forked,
        "import pdb\ndef f():\n    pdb.set_trace()\n    a = 1\n    return a\nf()",
        ["next", "next", "p a", "c"],
    )
    assert "1\n" in outcome.text()
    assert outcome.executed.status == "ok"


# --- magics


async def test_pip_is_that_of_the_session(forked: Driver) -> None:
    outcome = await forked.run("%pip --version")
    assert outcome.text().startswith("pip "), outcome.text()
    assert outcome.executed.status == "ok"


async def test_timeit_measures(forked: Driver) -> None:
    outcome = await forked.run("t = %timeit -o -n 10 -r 2 pass\nt.loops, t.repeat")
    assert "per loop" in outcome.text()
    assert outcome.one(ExecuteResult).data["text/plain"] == "(10, 2)"


async def test_capture_time_env_and_writefile(forked: Driver, tmp_path: Any) -> None:
    assert (await forked.run("%%capture kept\nprint('hidden')")).text() == ""
    assert (await result(forked, "kept.stdout"))["text/plain"] == "'hidden\\n'"
    assert "Wall time" in (await forked.run("%time sum(range(10))")).text()
    assert (await result(forked, "%env ANTIPHON_TEST=1\nimport os; os.environ['ANTIPHON_TEST']"))[
        "text/plain"
    ] == "'1'"
    await forked.run(f"%%writefile {tmp_path}/made.py\nvalue = 6 * 7")
    assert (await result(forked, f"%run {tmp_path}/made.py\nvalue"))["text/plain"] == "42"


async def test_shell_commands_and_cells_of_bash(forked: Driver) -> None:
    assert (await forked.run("!echo from $((6 * 7))")).text().split() == ["from", "42"]
    assert (await result(forked, "lines = !printf 'a\\nb\\n'\nlines.nlstr"))["text/plain"] == "'a\\nb'"
    assert (await forked.run("%%bash\nfor i in 1 2; do echo $i; done")).text() == "1\n2\n"


async def test_who_and_history_know_the_session(forked: Driver) -> None:
    await forked.run("answer = 42")
    assert "answer" in (await forked.run("%who")).text()
    assert "answer = 42" in (await forked.run("%history")).text()
    assert (await result(forked, "In[1]"))["text/plain"] == "'answer = 42'"


async def test_autoreload_takes_up_a_changed_module(forked: Driver, tmp_path: Any) -> None:
    module = tmp_path / "changing.py"
    module.write_text("def value(): return 1\n")
    await forked.run(f"import sys; sys.path.insert(0, {str(tmp_path)!r})")
    assert (await forked.run("%load_ext autoreload\n%autoreload 2\nimport changing")).executed.status == "ok"
    assert (await result(forked, "changing.value()"))["text/plain"] == "1"
    module.write_text("def value(): return 22222\n")
    assert (await result(forked, "changing.value()"))["text/plain"] == "22222"


# --- await, display, help, errors


async def test_await_at_the_top(forked: Driver) -> None:
    code = "import asyncio\nasync def six(): return 6\nsum(await asyncio.gather(*(six() for _ in range(7))))"
    assert (await result(forked, code))["text/plain"] == "42"


async def test_background_task_goes_on_between_cells(forked: Driver) -> None:
    await forked.run(
        "import asyncio\nseen = []\nready = asyncio.Event()\n"
        "async def watch():\n    await ready.wait()\n    seen.append('went on')\n"
        "task = asyncio.create_task(watch())"
    )
    assert (await result(forked, "ready.set()\nawait task\nseen"))["text/plain"] == "['went on']"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("from IPython.display import HTML; HTML('<b>x</b>')", "text/html"),
        ("from IPython.display import Markdown; Markdown('*x*')", "text/markdown"),
        ("from IPython.display import Latex; Latex('$x$')", "text/latex"),
        (
            "from IPython.display import SVG; SVG('<svg xmlns=\"http://www.w3.org/2000/svg\"/>')",
            "image/svg+xml",
        ),
        ("from IPython.display import JSON; JSON({'a': [1]})", "application/json"),
        ("from IPython.display import Javascript; Javascript('1')", "application/javascript"),
        (
            "from IPython.display import Image; Image(b'\\x89PNG\\r\\n\\x1a\\n' + bytes(20), width=1)",
            "image/png",
        ),
        ("from IPython.display import IFrame; IFrame('about:blank', 1, 1)", "text/html"),
        ("import pandas; pandas.DataFrame({'a': [1]})", "text/html"),
    ],
)
async def test_objects_show_themselves(forked: Driver, code: str, kind: str) -> None:
    data = await result(forked, code)
    assert kind in data
    json.dumps(data)


async def test_mimebundles_and_formatters_of_the_user(forked: Driver) -> None:
    bundle = "class B:\n    def _repr_mimebundle_(self, **k): return {'text/x-own': 'mine'}\nB()"
    assert (await result(forked, bundle))["text/x-own"] == "mine"
    formatter = (
        "class C: pass\n"
        "get_ipython().display_formatter.formatters['text/html'].for_type(C, lambda c: '<i>C</i>')\nC()"
    )
    assert (await result(forked, formatter))["text/html"] == "<i>C</i>"


async def test_display_handle_is_updated_from_a_later_cell(forked: Driver) -> None:
    first = await forked.run("handle = display('one', display_id=True)")
    later = await forked.run("handle.update('two')")
    (shown,), (updated,) = first.all(DisplayData), later.all(UpdateDisplayData)
    assert shown.transient == updated.transient
    assert updated.data["text/plain"] == "'two'"


async def test_help_and_source_go_to_the_pager(forked: Driver) -> None:
    await forked.run("def documented():\n    '''What it does.'''\n    return 1")
    for code, word in (("documented?", "What it does."), ("documented??", "return 1")):
        outcome = await forked.run(code)
        (page,) = outcome.executed.payload
        assert page["source"] == "page"
        assert word in plain(page["data"]["text/plain"])


async def test_tracebacks_are_coloured_and_name_the_cell(forked: Driver) -> None:
    error = (await forked.run("def deep(n):\n    return 1 / n\n\ndeep(0)")).one(Error)
    text = "\n".join(error.traceback)
    assert "\x1b[" in text
    assert "Cell In[1], line 4" in plain(text)
    assert "deep(0)" in plain(text)
    assert "antiphon_kernel" not in text


async def test_plot_is_drawn_at_the_end_of_its_cell(forked: Driver) -> None:
    outcome = await forked.run(
        "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.title('x');"
    )
    (figure,) = outcome.all(DisplayData)
    assert "image/png" in figure.data


async def test_get_ipython_is_the_session_s_own(forked: Driver) -> None:
    assert (await result(forked, "get_ipython().user_ns is globals()"))["text/plain"] == "True"
    assert (await result(forked, "from IPython import get_ipython as g; g() is get_ipython()"))[
        "text/plain"
    ] == "True"
