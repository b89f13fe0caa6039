"""What a usage_reply tells, from the texts that the system gives."""

from __future__ import annotations

import pytest

from antiphon_kernel.jupyter import usage
from antiphon_kernel.message import SessionInfo


def test_memory_of_the_machine() -> None:
    text = "MemTotal:  1000 kB\nMemFree:  100 kB\nMemAvailable:  250 kB\nHugePages_Total:  0\nnonsense\n"
    assert usage.host_memory(text) == {
        "total": 1_024_000,
        "free": 102_400,
        "available": 256_000,
        "used": 768_000,
        "percent": 75.0,
    }
    assert usage.host_memory("") == {}


def test_ticks_of_the_machine() -> None:
    assert usage.host_cpu("cpu  10 1 5 80 4 0 0 0 7 0\ncpu0 1 1 1 1\n") == (16, 100)


def test_processor_time_is_that_since_the_last_question(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 10.0, 12.0, 14.0])
    monkeypatch.setattr(usage.time, "monotonic", lambda: next(times))
    meter = usage.Meter()

    def cpu(pid: int, seconds: float) -> float:
        info = SessionInfo(uid="u", name="", execution_state="busy", latest=1, pid=pid, cpu_seconds=seconds)
        return meter.reply(info)["kernel_cpu"]

    assert cpu(7, 3.0) == 0.0  # nothing to compare it with
    assert cpu(7, 5.0) == 100.0
    assert cpu(8, 0.5) == 0.0  # restarted
