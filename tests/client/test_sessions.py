"""What ``antiphon sessions info`` says."""

from __future__ import annotations

from antiphon_client.commands.sessions import description
from antiphon_client.model import Limits, Preloaded, SessionDetails, Use

OF = {"uid": "u", "title": "Weather", "owner": "ada", "worksheet": None}


def test_a_session_is_described_with_its_limits() -> None:
    use = Use(
        memory_bytes=12 * 2**20,
        cpu_seconds=3.14,
        processes=2,
        waiting=1,
        idle_seconds=300,
        last_activity="",
        limits=Limits(
            memory_bytes=2**30, run_seconds=90, processes=1000, output_bytes=10 * 2**20, idle_seconds=7200
        ),
        preloaded=(
            Preloaded(name="numpy", version="2.4.1", file="/n.py"),
            Preloaded(name="lab", version="1", file="/lab.py", changed=True),
        ),
    )
    assert description(SessionDetails(**OF, state="idle", use=use)) == [
        ("Session", "u"),
        ("Title", "Weather"),
        ("State", "idle"),
        ("Memory", "12 MiB of 1 GiB"),
        ("CPU time", "3.1 s"),
        ("Processes", "2 of 1000"),
        ("Waiting", "1"),
        ("One run", "at most 1.5 min"),
        ("Output", "at most 10 MiB of one run"),
        ("Idle", "5 min, ends after 2 h"),
        ("Preloaded", "numpy 2.4.1 (/n.py)"),
        ("Preloaded", "lab 1 (/lab.py, changed on disk since: the session has what was there before)"),
    ]


def test_a_session_that_is_over_says_why() -> None:
    lines = description(SessionDetails(**OF, state="closed", reason="idle for 2 h"))
    assert lines[-1] == ("State", "closed: idle for 2 h")
