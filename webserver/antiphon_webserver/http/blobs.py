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


RANGE = re.compile(r"bytes=(?P<first>[0-9]{0,18})-(?P<last>[0-9]{0,18})")


def byte_range(asked: str, size: int) -> tuple[int, int] | None:
    """The place of the first byte and of the one behind the last; the same if there is no such part.

    None is the whole: of what is no range, or several at once, which a server may ignore.

    Source: RFC 9110, sections 14.1.2 and 14.2.
    """
    found = RANGE.fullmatch(asked.strip().lower())
    if found is None or not (found["first"] or found["last"]):
        return None
    if not found["first"]:
        return max(size - int(found["last"]), 0), size
    first, last = int(found["first"]), int(found["last"] or size)
    if found["last"] and last < first:
        return None
    return (first, min(last + 1, size)) if first < size else (size, size)


class BlobOf(Handler):
    """``GET /blob/<digest>/<type>``, whole or a range of it: whoever plays a film jumps."""

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
        self.set_header("Accept-Ranges", "bytes")
        self.set_etag_header()
        if self.check_etag_header():
            self.set_status(304)
            await self.finish()
            return
        asked = self.request.headers.get("Range", "")
        if self.request.headers.get("If-Range", self.compute_etag()) != self.compute_etag():
            asked = ""
        part = byte_range(asked, len(data))
        if part is not None:
            first, end = part
            partial = first < end
            self.set_status(206 if partial else 416)
            told = f"{first}-{end - 1}" if partial else "*"
            self.set_header("Content-Range", f"bytes {told}/{len(data)}")
            data = data[first:end]
        await self.finish(data)

    def compute_etag(self) -> str | None:
        return f'"{self._digest}"' if self._digest else None
