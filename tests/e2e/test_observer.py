"""The observer of the tutorial: ten lines, pyzmq, the UID of a session."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import AntiphonServer

DOCS = Path(__file__).parent.parent.parent / "docs"
SCRIPT = (DOCS / "observe.py").read_text(encoding="utf-8")


def test_tutorial_shows_the_script_whole() -> None:
    assert SCRIPT in (DOCS / "tutorial.md").read_text(encoding="utf-8")


def test_script_is_ten_lines() -> None:
    code = [line for line in SCRIPT.splitlines() if line and not line.startswith('"""')]
    assert len(code) <= 10


@pytest.mark.slow
def test_script_prints_what_another_client_runs(shared_server: AntiphonServer) -> None:
    shared_server.antiphon("worksheets", "create", "observed")
    shared_server.antiphon("run", "-w", "observed", "-c", "pass")
    sessions = json.loads(shared_server.antiphon("sessions", "--json").stdout)
    (uid,) = (session["uid"] for session in sessions if session["title"] == "observed")
    feed = json.loads((shared_server.data / "kernel.json").read_text())["feed"]
    with subprocess.Popen(
        [sys.executable, str(DOCS / "observe.py"), feed, uid], stdout=subprocess.PIPE, text=True
    ) as observer:
        assert observer.stdout is not None
        try:
            # A SUB socket hears nothing until its subscription has arrived: the first beacon tells.
            shared_server.antiphon("run", "-s", uid, "-c", "pass")
            first = observer.stdout.readline()
            shared_server.antiphon("run", "-s", uid, "-c", "print('call', 'and', 'response')")
            heard = [first, *iter_until(observer, "call and response")]
        finally:
            observer.kill()
    number, msg_type, content = heard[-1].split(" ", 2)
    assert int(number) > 0
    assert msg_type == "stream"
    assert json.loads(content) == {"name": "stdout", "text": "call and response\n"}


def iter_until(observer: subprocess.Popen[str], word: str) -> list[str]:
    lines = []
    assert observer.stdout is not None
    for line in observer.stdout:
        lines.append(line)
        if word in line:
            break
    return lines
