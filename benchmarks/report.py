"""Results as a table and a plot: between two marks of ``docs/performance.md``, and beside it."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .result import LIMIT, Budget, Quantity, Result, quantile
from .systems import SYSTEMS

DOCS = Path(__file__).parent.parent / "docs"
DOCUMENT = DOCS / "performance.md"
PLOT = DOCS / "performance.svg"
BEGIN = "<!-- made by make bench: begin -->"
END = "<!-- made by make bench: end -->"

PACKAGES = (
    "antiphon",
    "ipykernel",
    "xeus-python",
    "jupyter_server",
    "jupyverse",
    "tornado",
    "ipython",
    "pyzmq",
    "msgspec",
    "numpy",
    "pandas",
    "matplotlib",
)

COLOURS = ("#1f3a5f", "#6d94c5", "#c44e52", "#f2b84b")


def number(value: float) -> str:
    """Three digits that count."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:#.3g}".rstrip(".")


def cell(quantity: Quantity, name: str) -> str:
    """The value, and the range that the middle half of the values is in."""
    values = quantity.values.get(name)
    if not values:
        return "–"
    text = f"**{number(quantity[name])}**" if name == "Antiphon" else number(quantity[name])
    if quantity.part == 0.5 and len(values) > 3:
        text += f" ({number(quantile(values, 0.25))} – {number(quantile(values, 0.75))})"
    return text


def rows(header: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def quantities(results: Sequence[Result], systems: Sequence[str]) -> str:
    """The table of what was measured for these systems."""
    body = []
    for quantity in (quantity for result in results for quantity in result.quantities):
        title = f"{quantity.title}, {quantity.unit}" if quantity.unit else quantity.title
        others = [
            f"{name} {number(quantity[name])}" for name in quantity.values if name not in (*systems, LIMIT)
        ]
        limit = " · ".join([cell(quantity, LIMIT), *others]) if others else cell(quantity, LIMIT)
        body.append([title, *(cell(quantity, name) for name in systems), limit])
    return rows(["", *systems, "physical limit"], body)


def budgets(results: Iterable[Result]) -> str:
    """The table of what was promised."""

    def value(budget: Budget) -> str:
        return "not measured" if budget.value is None else f"{number(budget.value)} {budget.unit}".strip()

    body = (
        [
            budget.promise,
            f"{number(budget.most)} {budget.unit}".strip(),
            value(budget),
            "yes" if budget.is_held else "**no**",
        ]
        for result in results
        for budget in result.budgets
    )
    return rows(["promise", "at most", "measured", "held"], body)


def installed(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"no {name}"


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(
        (line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine()
    )


def surroundings() -> str:
    """Machine and versions, in two sentences."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({processor()}), {memory:.0f} GiB, "
        f"Linux {platform.release()}, load {load} at the end. Python {platform.python_version()}, "
        f"{', '.join(map(installed, PACKAGES))}."
    )


def markdown(results: dict[str, Result], absent: dict[str, str]) -> str:
    """The whole generated part of the document."""
    parts = [surroundings()]
    if absent:
        parts.append("Not measured: " + "; ".join(f"{name} ({why})" for name, why in absent.items()) + ".")
    parts.append(budgets(results.values()))
    parts.append("Medians, with the range of the middle half; less is better everywhere.")
    for systems in dict.fromkeys(result.systems for result in results.values()):
        parts.append(quantities([each for each in results.values() if each.systems == systems], systems))
    return "\n\n".join(parts)


def write(results: dict[str, Result], absent: dict[str, str]) -> None:
    """Put table and plot into the documents."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    table = markdown(results, absent)
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")
    plot(results, PLOT)


def plot(results: dict[str, Result], path: Path) -> None:
    """Each quantity in multiples of Antiphon's, on a logarithmic axis: to the right is slower, or larger."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "antiphon"}
    from matplotlib import pyplot

    shown = [
        quantity
        for result in results.values()
        for quantity in result.quantities
        if quantity.is_plotted and "Antiphon" in quantity.values and quantity["Antiphon"]
    ]
    if not shown:
        return
    names = [*(name for name in SYSTEMS if name != "Antiphon"), LIMIT]
    markers = dict(zip(names, zip(COLOURS[1:] + ("#888888",), "osD|", strict=True), strict=True))
    figure, axes = pyplot.subplots(figsize=(9, 1.2 + 0.42 * len(shown)), layout="constrained")
    for place, quantity in enumerate(reversed(shown)):
        axes.axhline(place, color="#eeeeee", zorder=0)
        for name, (colour, marker) in markers.items():
            if name in quantity.values and quantity[name]:
                ratio = quantity[name] / quantity["Antiphon"]
                label = name if name not in axes.get_legend_handles_labels()[1] else None
                axes.plot(ratio, place, marker, color=colour, label=label, markersize=8, markeredgewidth=2)
    axes.axvline(1, color=COLOURS[0], linewidth=2, label="Antiphon")
    axes.set_xscale("log")
    axes.set_yticks(range(len(shown)), [quantity.title.replace("`", "") for quantity in reversed(shown)])
    axes.set_xlabel("multiples of Antiphon's time or memory (to the right: slower, larger)")
    axes.legend(loc="upper center", bbox_to_anchor=(0.3, -0.12), ncols=5, frameon=False)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
