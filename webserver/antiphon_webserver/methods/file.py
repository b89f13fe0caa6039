"""file.*: the files below the directory in which a session began.

The session's own worker reaches them, with the rights that its code has: so they need the role "run".
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from antiphon_kernel.message import (
    FILE_CHUNK_BYTES,
    FILES_LIMIT,
    FileChangeRequest,
    FileEntry,
    FileReadRequest,
    FilesRequest,
    FileWriteRequest,
)

from ..context import Context, Handler
from ..limits import check_id
from ..secret import new_id

Path = Annotated[str, Meta(max_length=4096)]
Offset = Annotated[int, Meta(ge=0, le=2**53)]


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the ``total`` that a directory holds; ``next`` is where the others begin."""

    entries: tuple[FileEntry, ...]
    total: int
    next: int | None


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a file of ``size`` bytes; ``version`` is another one once the file was changed."""

    size: int
    version: str
    data: bytes


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """How many bytes of the file are there."""

    size: int


async def list_all(
    context: Context,
    *,
    session: str,
    path: Path = "",
    start: Offset = 0,
    limit: Annotated[int, Meta(ge=1, le=FILES_LIMIT)] = 500,
) -> Files:
    """List what a directory of the session holds, directories first, by name; waits behind no code."""
    reply = await context.sessions.files(session, FilesRequest(path=path, start=start, limit=limit))
    return Files(entries=reply.entries, total=reply.total, next=reply.next)


async def read(
    context: Context,
    *,
    session: str,
    path: Path,
    offset: Offset = 0,
    limit: Annotated[int, Meta(ge=0, le=FILE_CHUNK_BYTES)] = FILE_CHUNK_BYTES,
) -> Part:
    """Read a part of a file, in base64; none is beyond its end."""
    request = FileReadRequest(path=path, offset=offset, limit=limit)
    reply = await context.sessions.read_file(session, request)
    return Part(size=reply.size, version=reply.version, data=reply.data)


async def write(
    context: Context,
    *,
    session: str,
    path: Path,
    data: Annotated[bytes, Meta(max_length=FILE_CHUNK_BYTES)],
    offset: Offset = 0,
    upload: str | None = None,
    end: bool = True,
    replace: bool = False,
) -> Written:
    """Write a part of a file, in base64; with the part that is the ``end`` the file is there, whole."""
    if upload is not None:
        check_id(upload, "upload")
    request = FileWriteRequest(
        path=path,
        upload=upload or new_id(),
        offset=offset,
        data=data,
        end=end,
        replace=replace,
        most=context.allowed.get("file_bytes") or 2**62,
    )
    return Written(size=(await context.sessions.write_file(session, request)).size)


async def rename(context: Context, *, session: str, path: Path, to: Path) -> None:
    """Rename or move a file or directory; nothing may be there."""
    await context.sessions.change_file(session, FileChangeRequest(act="rename", path=path, to=to))


async def delete(context: Context, *, session: str, path: Path) -> None:
    """Delete a file or an empty directory."""
    await context.sessions.change_file(session, FileChangeRequest(act="delete", path=path))


async def make(context: Context, *, session: str, path: Path) -> None:
    """Make a directory."""
    await context.sessions.change_file(session, FileChangeRequest(act="make", path=path))


METHODS: dict[str, Handler] = {
    "file.list": list_all,
    "file.read": read,
    "file.write": write,
    "file.rename": rename,
    "file.delete": delete,
    "file.make": make,
}
