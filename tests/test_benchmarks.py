"""Each measure runs, in small. What it measures is nobody's test: see ``make bench``."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.limits import tornado
from benchmarks.measures import MEASURES
from benchmarks.result import LIMIT, Bench, Quantity, Result
from benchmarks.system import Heard
from benchmarks.systems import jupyter_web

SMALL = 0.001


@pytest.mark.slow
@pytest.mark.parametrize("name", MEASURES)
def test_measure_runs(name: str) -> None:
    bench = Bench(SMALL)
    result = MEASURES[name](bench)
    assert result.quantities
    for quantity in result.quantities:
        assert quantity.values["Antiphon"], quantity.title
    for budget in result.budgets:
        assert budget.value is not None or bench.missing, budget.promise


def test_bare_websocket_hears_what_tornado_sends() -> None:
    texts = [b"short", b"x" * 200, b"y" * 70_000]
    heard: list[bytes] = []

    def take(message: bytes, _: Heard) -> bool:
        heard.append(message)
        return len(heard) == len(texts)

    with tornado(texts, take) as session:
        session.trip()
        session.address.hear(1, lambda: session.execute(""))
    assert heard == texts


def test_messages_of_jupyters_subprotocol_are_read_as_they_were_written() -> None:
    parts = [b"shell", b'{"msg_type":"x"}', b"{}", b"{}", b'{"code":""}']
    assert jupyter_web.decode(jupyter_web.encode("shell", *parts[1:])) == parts


def a_result() -> Result:
    taken = Quantity(
        "100 printed lines", "s", values={"Antiphon": [1, 2, 3, 4, 9], "ipykernel": [6], LIMIT: [1]}
    )
    result = Result([taken])
    result.ratio("half of ipykernel's time", taken, "ipykernel", 0.5)
    result.ratio("a tenth of xeus-python's time", taken, "xeus-python", 0.1)
    return result


def test_report_has_values_limits_and_promises() -> None:
    text = report.markdown({"lines": a_result()}, {"xeus-python": "no wheel"})
    assert "Not measured: xeus-python (no wheel)." in text
    assert "| 100 printed lines, s | **3.00** (2.00 – 4.00) | – | 6.00 | – | 1.00 |" in text
    assert "| half of ipykernel's time | 0.500 × | 0.500 × | yes |" in text
    assert "| a tenth of xeus-python's time | 0.100 × | not measured | **no** |" in text


def test_report_has_a_table_for_those_that_are_measured_together() -> None:
    taken = Quantity("a run on the web", "ms", values={"Antiphon": [1], "jupyverse": [4], LIMIT: [0.5]})
    text = report.markdown(
        {"lines": a_result(), "web": Result([taken], systems=("Antiphon", "jupyverse"))}, {}
    )
    assert "|  | Antiphon | Antiphon, Jupyter's sockets | ipykernel | xeus-python | physical limit |" in text
    assert "|  | Antiphon | jupyverse | physical limit |" in text
    assert "| a run on the web, ms | **1.00** | 4.00 | 0.500 |" in text


def test_report_replaces_only_what_it_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = tmp_path / "performance.md"
    document.write_text(f"before\n{report.BEGIN}old{report.END}\nafter\n")
    monkeypatch.setattr(report, "DOCUMENT", document)
    monkeypatch.setattr(report, "PLOT", tmp_path / "performance.svg")
    report.write({"lines": a_result()}, {})
    text = document.read_text()
    assert text.startswith(f"before\n{report.BEGIN}\n")
    assert text.endswith(f"{report.END}\nafter\n")
    assert "old" not in text
    assert "100 printed lines" in (tmp_path / "performance.svg").read_text()


def test_quantiles_of_one_quantity() -> None:
    trip = Quantity("round trip, p50", "ms", values={"Antiphon": [float(value) for value in range(100)]})
    assert (trip["Antiphon"], trip.at(0.99)["Antiphon"]) == (49.5, 99.0)
    assert trip.at(0.99).title == "round trip, p99"
