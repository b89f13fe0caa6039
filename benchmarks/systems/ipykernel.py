"""ipykernel, the reference."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from ..system import Unavailable
from .jupyter import JupyterSystem


class IPykernel(JupyterSystem):
    name = "ipykernel"
    command = (sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}")

    def start(self) -> None:
        if find_spec("ipykernel_launcher") is None:
            raise Unavailable("ipykernel is not installed")
        super().start()
