"""jupyter_server, the reference on the web."""

from __future__ import annotations

import json
from collections.abc import Sequence

from .jupyter_web import JupyterWeb


class JupyterServer(JupyterWeb):
    name = "jupyter_server"
    module = "jupyter_server"

    def command(self, port: int) -> Sequence[str]:
        return (
            "jupyter-server",
            "--allow-root",
            "--no-browser",
            "--ip=127.0.0.1",
            f"--port={port}",
            "--ServerApp.port_retries=0",
            "--IdentityProvider.token=",
            "--ServerApp.disable_check_xsrf=True",
            # By default it drops what comes faster than a thousand messages a second.
            "--ZMQChannelsWebsocketConnection.limit_rate=False",
        )

    def new(self) -> str:
        return str(json.loads(self.call("POST", "/api/kernels", {}))["id"])
