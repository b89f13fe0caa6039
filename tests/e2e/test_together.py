"""Typing together: the page's own editing, against a real server, over a network that loses things."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import AntiphonServer

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.slow
def test_eight_people_at_one_cell_end_with_the_same_text(shared_server: AntiphonServer) -> None:
    shared_server.antiphon("worksheets", "create", "together")
    sheets = json.loads(shared_server.antiphon("worksheets", "--json").stdout)
    (worksheet,) = (sheet["id"] for sheet in sheets if sheet["title"] == "together")
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "page.py"), "run", "test", "tests/live/together.test.ts"],
        env={
            **os.environ,
            "ANTIPHON_URL": shared_server.url,
            "ANTIPHON_TOKEN": shared_server.token,
            "ANTIPHON_WORKSHEET": worksheet,
        },
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
