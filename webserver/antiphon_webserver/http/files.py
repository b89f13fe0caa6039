"""Files of a session as bytes: what ``file.read`` and ``file.write`` give and take in parts, in one request.

Each part is a call of that method: its rights, its limits and its line in the audit are those of the method,
also when a right ends in the middle.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote

from tornado.web import stream_request_body

from antiphon_kernel.message import FILE_CHUNK_BYTES

from ..context import Context
from ..errors import (
    Conflict,
    DeadlinePassed,
    InvalidParams,
    KernelUnavailable,
    LimitExceeded,
    NotFound,
    NotSignedIn,
    RoleTooLow,
    RpcError,
    SessionDead,
)
from ..methods import TABLE
from ..secret import new_id
from .blobs import byte_range
from .handler import Handler, Refusal
from .security import BLOB_POLICY

ENDLESS = 2**62

BODY_SECONDS = 24 * 3600.0
"""A file may come slowly. Each part has the deadline of its method."""

STATUS: tuple[tuple[type[RpcError], int], ...] = (
    (NotSignedIn, 401),
    (RoleTooLow, 403),
    (NotFound, 404),
    (InvalidParams, 400),
    (Conflict, 409),
    (SessionDead, 409),
    (LimitExceeded, 413),
    (KernelUnavailable, 503),
    (DeadlinePassed, 504),
)


def refusal(error: RpcError) -> Refusal:
    """The method's refusal in the words of HTTP."""
    status = next((status for kind, status in STATUS if isinstance(error, kind)), 400)
    return Refusal(status, error.sentence)


@stream_request_body
class FileOf(Handler):
    """``GET``, ``HEAD`` and ``PUT /file/<session>/<path>``, whole or, to read, a range of it."""

    _etag = ""
    _context: Context
    _failed: Refusal | None = None

    async def prepare(self) -> None:  # type: ignore[override]  # tornado awaits it
        super().prepare()
        self._context = replace(self.web.context, caller=await self.caller())
        self._session, _, path = self.request.path.removeprefix("/file/").partition("/")
        self._path = unquote(path)
        self._upload, self._offset, self._held = new_id(), 0, bytearray()
        if self.request.method != "PUT":
            return
        most = self._context.allowed.get("file_bytes") or ENDLESS
        if int(self.request.headers.get("Content-Length", 0)) > most:
            raise Refusal(413, f"The file has more than {most:,} bytes, the limit.")
        # Whoever may not write is told before the file has come.
        await self._ask("file.list", session=self._session, limit=1)
        connection: Any = self.request.connection
        connection.set_max_body_size(most)
        connection.set_body_timeout(BODY_SECONDS)

    async def data_received(self, chunk: bytes) -> None:
        """A part goes on once there is a whole one and more: the last one is the end."""
        self._held += chunk
        while self._failed is None and len(self._held) > FILE_CHUNK_BYTES:
            try:
                await self._write(bytes(self._held[:FILE_CHUNK_BYTES]), end=False)
            except Refusal as refused:
                self._failed = refused
            del self._held[:FILE_CHUNK_BYTES]
        if self._failed is not None:
            self._held.clear()

    async def put(self) -> None:
        if self._failed is not None:
            raise self._failed
        size = await self._write(bytes(self._held), end=True)
        self.write_json({"size": size}, 201)

    async def _write(self, data: bytes, *, end: bool) -> int:
        written = await self._ask(
            "file.write",
            session=self._session,
            path=self._path,
            data=data,
            offset=self._offset,
            upload=self._upload,
            end=end,
            replace=self.get_query_argument("replace", "") == "1",
        )
        self._offset += len(data)
        return int(written.size)

    async def head(self) -> None:
        await self.get()

    async def get(self) -> None:
        """A file that is changed meanwhile breaks off: what has come is less than was said."""
        told = await self._read(0, 0)
        name = quote(self._path.rpartition("/")[2], safe="")
        self.set_header("Content-Type", "application/octet-stream")
        self.set_header("Content-Disposition", f"attachment; filename*=UTF-8''{name}")
        self.set_header("Content-Security-Policy", BLOB_POLICY)
        self.set_header("Cache-Control", "private, no-cache")
        self.set_header("Accept-Ranges", "bytes")
        self._etag = f'"{told.version}"'
        self.set_etag_header()
        if self.check_etag_header():
            self.set_status(304)
            return
        asked = self.request.headers.get("Range", "")
        if self.request.headers.get("If-Range", self._etag) != self._etag:
            asked = ""
        first, end = 0, told.size
        if (part := byte_range(asked, told.size)) is not None:
            first, end = part
            partial = first < end
            self.set_status(206 if partial else 416)
            self.set_header("Content-Range", f"bytes {f'{first}-{end - 1}' if partial else '*'}/{told.size}")
        self.set_header("Content-Length", str(end - first))
        if self.request.method == "HEAD":
            return
        while first < end:
            read = await self._read(first, min(FILE_CHUNK_BYTES, end - first))
            if read.version != told.version or not read.data:
                raise Refusal(409, "The file was changed while it was read. Read it again.")
            first += len(read.data)
            self.write(read.data)
            await self.flush()

    def compute_etag(self) -> str | None:
        return self._etag or None

    async def _read(self, offset: int, limit: int) -> Any:
        return await self._ask(
            "file.read", session=self._session, path=self._path, offset=offset, limit=limit
        )

    async def _ask(self, name: str, **params: Any) -> Any:
        method = TABLE[name]
        try:
            return await method.call(self._context, method.params(**params))
        except RpcError as error:
            raise refusal(error) from error
