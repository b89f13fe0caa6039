"""How a process ended, in words."""

from __future__ import annotations

import signal

import pytest

from antiphon_kernel.executors.deaths import reason_of
from antiphon_kernel.message import SessionLimits


def test_a_limit_of_cpu_time_is_told_with_its_value():
    assert reason_of(signal.SIGXCPU) == "killed by SIGXCPU (the limit of CPU time was reached)"
    limits = SessionLimits(cpu_seconds=90)
    assert reason_of(signal.SIGXCPU, limits) == "killed by SIGXCPU (the limit of CPU time, 90 s, was reached)"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (2 << 8, "its process exited with status 2 (os._exit)"),
        (
            70 << 8,
            "the code broke the process that it ran in, perhaps its file descriptors (status 70)",
        ),
        (signal.SIGKILL, "killed by SIGKILL (perhaps because memory ran out)"),
        (signal.SIGUSR1, "killed by SIGUSR1"),
        (40, "killed by signal 40"),
    ],
)
def test_status_is_told_in_words(status, reason):
    assert reason_of(status) == reason
