"""What a measure tells: quantities, each for several systems, and budgets on their ratios."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from .system import System, Unavailable, WebSystem
from .systems import BARE, SYSTEMS, WEB

AnySystem = TypeVar("AnySystem", bound=WebSystem)

LIMIT = "limit"
"""The name under which a bare socket or a bare fork stands in a quantity."""


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def quantile(values: Sequence[float], part: float) -> float:
    """The value below which this part of them lies."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)]


@dataclass
class Quantity:
    """Values for each system. ``part`` is the quantile that counts: 0.5 is the median."""

    title: str
    unit: str
    part: float = 0.5
    values: dict[str, list[float]] = field(default_factory=dict)
    is_plotted: bool = True

    def add(self, name: str, *values: float) -> None:
        self.values.setdefault(name, []).extend(values)

    def at(self, part: float) -> Quantity:
        """The same values by another quantile."""
        title = self.title.removesuffix(", p50")
        return Quantity(f"{title}, p{part * 100:.0f}", self.unit, part, self.values, self.is_plotted)

    def __getitem__(self, name: str) -> float:
        return quantile(self.values[name], self.part) if self.part != 0.5 else median(self.values[name])


@dataclass
class Budget:
    """What must hold: ``value`` is at most ``most``."""

    promise: str
    value: float | None
    most: float
    unit: str = "×"

    @property
    def is_held(self) -> bool:
        return self.value is not None and self.value <= self.most


@dataclass
class Result:
    """``systems``: the columns of its quantities' table."""

    quantities: list[Quantity] = field(default_factory=list)
    budgets: list[Budget] = field(default_factory=list)
    systems: tuple[str, ...] = tuple(SYSTEMS)

    def ratio(self, promise: str, quantity: Quantity, over: str, most: float, name: str = "Antiphon") -> None:
        """A budget: the value of ``name`` by that of another system, or of the limit."""
        known = name in quantity.values and over in quantity.values
        self.budgets.append(Budget(promise, quantity[name] / quantity[over] if known else None, most))

    def most(self, promise: str, quantity: Quantity, most: float, name: str = "Antiphon") -> None:
        """A budget: the largest value of ``name``, as it is."""
        values = quantity.values.get(name)
        self.budgets.append(Budget(promise, max(values) if values else None, most, quantity.unit))


class Bench:
    """What a measure is given.

    Args:
        scale: 1 for the real thing; a small part of it to see that everything runs.
        missing: names of systems that cannot be had, and why; filled here.
    """

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale
        self.missing: dict[str, str] = {}

    def count(self, full: int, least: int = 1) -> int:
        """So many of something, at this scale."""
        return max(least, round(full * self.scale))

    def seconds(self, full: float) -> float:
        """So long, at this scale, for what has to settle."""
        return full * min(self.scale, 1.0)

    @contextmanager
    def running(self, *names: str, bare: bool = False) -> Iterator[dict[str, System]]:
        """These kernels (all, if none is named), started; those that cannot be had are left out.

        Args:
            bare: none has more than IPython in memory before its first session.
        """
        chosen = SYSTEMS | BARE if bare else SYSTEMS
        with self._started({name: chosen[name] for name in names or SYSTEMS}) as found:
            yield found

    @contextmanager
    def serving(self, *names: str) -> Iterator[dict[str, WebSystem]]:
        """Web servers, likewise."""
        with self._started({name: WEB[name] for name in names or WEB}) as found:
            yield found

    @contextmanager
    def _started(self, chosen: Mapping[str, Callable[[], AnySystem]]) -> Iterator[dict[str, AnySystem]]:
        found: dict[str, AnySystem] = {}
        with ExitStack() as stack:
            for name, make in chosen.items():
                system = make()
                try:
                    system.start()
                except Unavailable as error:
                    self.missing[name] = str(error)
                else:
                    stack.callback(system.stop)
                    found[name] = system
            yield found


Measure = Callable[[Bench], Result]
