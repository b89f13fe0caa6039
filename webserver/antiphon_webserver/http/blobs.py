"""Blobs: what was taken out of outputs, by its digest, to those who may see such an output."""

from __future__ import annotations

import re
from urllib.parse import unquote

from ..errors import DatabaseUnavailable
from ..storage import blobs
from .handler import Handler, Refusal
from .security import BLOB_POLICY

PASSIVE = re.compile(
    r"image/(?:png|jpeg|gif|webp|avif|bmp)|(?:audio|video|font)/[a-z0-9.+-]+|text/plain|application/json"
)
"""What a browser shows or plays and never runs. Anything else it is told to save."""

FOREVER = "private, max-age=31536000, immutable"
"""The name is the content's own. Private: a proxy must not serve it to others."""


class BlobOf(Handler):
    """``GET /blob/<digest>/<type>``."""

    _digest = ""

    async def get(self, digest: str, type: str) -> None:
        caller = await self.caller()
        if caller.account is None:
            raise Refusal(401, "A blob needs a sign-in or a token.")
        self._digest = digest
        type = unquote(type)
        read = self.web.context.database.read
        name, only = caller.account.name, caller.worksheet
        try:
            data = await read(blobs.find, digest, type, name, only)
            if data is None:
                # It may have been told of before it is stored.
                await self.web.relay.settled()
                data = await read(blobs.find, digest, type, name, only)
        except DatabaseUnavailable as error:
            raise Refusal(503, "The database does not answer; try again.") from error
        if data is None:
            raise Refusal(404, "There is nothing here.")
        self.set_header("Content-Type", f"{type}; charset=utf-8" if type.startswith("text/") else type)
        self.set_header("Content-Security-Policy", BLOB_POLICY)
        self.set_header("Cache-Control", FOREVER)
        if not PASSIVE.fullmatch(type):
            self.set_header("Content-Disposition", f'attachment; filename="{digest[:16]}"')
        await self.finish(data)

    def compute_etag(self) -> str | None:
        return f'"{self._digest}"' if self._digest else None
