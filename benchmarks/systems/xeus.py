"""xeus-python, the kernel with its sockets in C++."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from ..system import Unavailable
from .jupyter import JupyterSystem


class XeusPython(JupyterSystem):
    name = "xeus-python"
    command = (sys.executable, "-m", "xpython_launcher", "-f", "{connection_file}")

    def start(self) -> None:
        if find_spec("xpython_launcher") is None:
            raise Unavailable("xeus-python is not installed: PyPI has no wheel for this platform")
        super().start()
