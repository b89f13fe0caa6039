"""One file for each system. All speak tcp on loopback, because that is what they have in common."""

from __future__ import annotations

from collections.abc import Callable

from ..system import System
from .antiphon import Antiphon
from .antiphon_jupyter import AntiphonJupyter
from .ipykernel import IPykernel
from .xeus import XeusPython

_CLASSES: tuple[type[System], ...] = (Antiphon, AntiphonJupyter, IPykernel, XeusPython)

BARE = {Antiphon.name: lambda: Antiphon("--preload", "")}
"""Those that have modules in memory which the others have not, without them."""

SYSTEMS: dict[str, Callable[[], System]] = {system.name: system for system in _CLASSES}
