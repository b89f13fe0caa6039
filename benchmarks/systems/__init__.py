"""One file for each system. All speak tcp on loopback, because that is what they have in common."""

from __future__ import annotations

from collections.abc import Callable

from ..system import System, WebSystem
from .antiphon import Antiphon
from .antiphon_jupyter import AntiphonJupyter
from .antiphon_web import AntiphonWeb
from .ipykernel import IPykernel
from .jupyter_server import JupyterServer
from .jupyverse import Jupyverse
from .xeus import XeusPython

_CLASSES: tuple[type[System], ...] = (Antiphon, AntiphonJupyter, IPykernel, XeusPython)

BARE = {Antiphon.name: lambda: Antiphon("--preload", "")}
"""Those that have modules in memory which the others have not, without them."""

SYSTEMS: dict[str, Callable[[], System]] = {system.name: system for system in _CLASSES}

_WEB_CLASSES: tuple[type[WebSystem], ...] = (AntiphonWeb, JupyterServer, Jupyverse)

WEB: dict[str, Callable[[], WebSystem]] = {system.name: system for system in _WEB_CLASSES}
"""Web servers, each with the kernels that it starts."""
