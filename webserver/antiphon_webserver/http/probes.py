"""What programs that look after the server ask: does it live, may it get requests, how is it."""

from __future__ import annotations

import asyncio
import hmac

from sqlalchemy import Connection

from ..errors import StorageError
from ..metrics import CONTENT_TYPE
from ..storage.migrations import VERSIONS, current_version, touch
from .handler import Handler, Refusal

READY_SECONDS = 5.0
"""A database that is not writable for so long is not ready, even if it will be."""


class Health(Handler):
    """Answers while the server lives; ``kernel`` tells whether sessions can run. Asks nobody."""

    def get(self) -> None:
        context = self.web.context
        self.write_json({"status": "ok", "version": context.version, "kernel": context.sessions.kernel})


class Ready(Handler):
    """200 when requests can be served, else 503; each part is "ok", or a word for what it is."""

    async def get(self) -> None:
        kernel = self.web.context.sessions.kernel
        parts = {**await self._database(), "kernel": "ok" if kernel == "ready" else kernel}
        ready = all(state == "ok" for state in parts.values())
        self.write_json({"ready": ready, **parts}, 200 if ready else 503)

    async def _database(self) -> dict[str, str]:
        """A transaction that writes tells whether one can be begun; it changes nothing."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                version = await self.web.context.database.write(_writable)
        except (StorageError, TimeoutError):
            return {"database": "not writable", "migrations": "unknown"}
        done = version == VERSIONS[-1]
        return {"database": "ok", "migrations": "ok" if done else "not done"}


class Measures(Handler):
    """``/metrics``, for whom the settings name. Whoever may not read it is told that nothing is here."""

    async def get(self) -> None:
        if not self._may_read():
            raise Refusal(404, "There is nothing here.")
        self.set_header("Content-Type", CONTENT_TYPE)
        self.finish(await self.web.metrics.text())

    def _may_read(self) -> bool:
        match self.web.may_read_metrics:
            case "open":
                return True
            case "token":
                return hmac.compare_digest((self.bearer or "").encode(), self.web.metrics_token.encode())
            case "local":
                return self.web.proxies.is_local(self.peer, self.request.headers)


def _writable(connection: Connection) -> str | None:
    touch(connection)
    return current_version(connection)
