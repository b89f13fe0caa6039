"""Each measure runs, in small. What it measures is nobody's test: see ``make bench``."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.measures import MEASURES
from benchmarks.result import LIMIT, Bench, Quantity, Result

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
