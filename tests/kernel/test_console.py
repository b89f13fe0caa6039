"""``jupyter console`` in a terminal, as people have it: on a kernel of its own, on a daemon's session."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tests.deadline import DEADLINE
from tests.kernel.jupyter_home import jupyter_home

COLOUR = r"(?:\x1b\[[\d;?]*[a-zA-Z])*"
PROMPT = re.compile(rf"In \[{COLOUR}(\d+){COLOUR}\]")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with jupyter_home(tmp_path_factory.mktemp("jupyter")) as file:
        yield file


class Console:
    """A console in a terminal of 120 columns.

    The program draws each line anew as it is typed. So what is waited for must not be in what was typed.
    """

    def __init__(self, kernel: str, directory: Path) -> None:
        # prompt_toolkit asks a terminal where its cursor is, and this one does not say.
        terminal = {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
        # The entry point of our provisioner is on this process's path alone.
        environment = os.environ | terminal | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self.child = pexpect.spawn(
            sys.executable,
            # It waits a second to hear whether a line is complete and five for completions: too little on a
            # busy machine.
            [
                *("-m", "jupyter_console", "--kernel", kernel),
                f"--ZMQTerminalInteractiveShell.kernel_is_complete_timeout={DEADLINE}",
                f"--ZMQCompleter.timeout={DEADLINE}",
            ],
            env=environment,
            cwd=str(directory),
            encoding="utf-8",
            timeout=DEADLINE,
            dimensions=(40, 120),
        )

    def prompt(self) -> int:
        """Wait for a prompt that can be typed at; its number."""
        self.child.expect(PROMPT)
        return int(self.child.match[1])

    def run(self, code: str, shows: str) -> None:
        """Type a line, see what it shows, and have the next prompt."""
        self.child.send(code + "\r")
        self.child.expect(shows)
        self.prompt()


@pytest.fixture(params=["antiphon", "antiphon-shared"])
def console(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Console]:
    console = Console(request.param, tmp_path)
    try:
        assert console.prompt() == 1
        yield console
    finally:
        console.child.close(force=True)


def test_a_console_runs_completes_asks_and_is_interrupted(console: Console, tmp_path: Path) -> None:
    child = console.child
    console.run("6 * 7", rf"Out\[{COLOUR}1{COLOUR}\].*42")
    console.run("import os; os.getcwd()", re.escape(str(tmp_path)))
    console.run("1 / (2 - 2)", "ZeroDivisionError.*division by zero")

    console.run("zebra_stripes = 'str' + 'iped'; zebra_stripes", "striped")
    child.send("zebra_str\t")
    child.expect("zebra_stripes")
    console.run("", "striped")

    child.send("'hello ' + input('na' + 'me? ')\r")
    child.expect(r"name\? ")
    console.run("ada", "hello ada")

    child.send("import time; print('go' + 'ing'); time.sleep(600)\r")
    child.expect("going")
    # Pressed again when nothing is heard, as people do: once, on a busy machine, the first was not.
    for _ in range(5):
        child.sendintr()
        if child.expect(["KeyboardInterrupt", pexpect.TIMEOUT], timeout=10) == 0:
            break
    console.prompt()
    console.run("'still ' + 'there'", "still there")

    child.send("exit\r")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
