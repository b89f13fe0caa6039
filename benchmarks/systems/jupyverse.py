"""jupyverse, Jupyter's server on ASGI."""

from __future__ import annotations

import json
from collections.abc import Sequence

from .jupyter_web import JupyterWeb


class Jupyverse(JupyterWeb):
    name = "jupyverse"
    module = "fps_kernels"

    def command(self, port: int) -> Sequence[str]:
        # Without what is of no use here, as far as it starts without.
        unused = [word for name in ("lab", "nbconvert", "terminals") for word in ("--disable", name)]
        return ("jupyverse", "--host", "127.0.0.1", "--port", str(port), *unused)

    def new(self) -> str:
        asked = {"name": "bench", "path": "bench", "type": "notebook", "kernel": {"name": "python3"}}
        return str(json.loads(self.call("POST", "/api/sessions", asked))["kernel"]["id"])
