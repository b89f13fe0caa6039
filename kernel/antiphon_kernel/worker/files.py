"""The files below the directory in which a session began, for those who may run code in it.

What belongs here: ways from a name to a file that cannot lead out of the directory. Each part of a path is
opened from the directory that was opened before, and no link is followed (openat and O_NOFOLLOW): whoever
exchanges a directory for a link meanwhile leads nobody out. What must never come here: a file as a whole in
memory, or rights that the session's own code has not.

All raise:
    FileRefused: it cannot be done; the reason is for a person.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from heapq import nsmallest
from itertools import islice

from ..errors import FileRefused
from ..message import (
    FileChangeReply,
    FileChangeRequest,
    FileEntry,
    FileKind,
    FileReadReply,
    FileReadRequest,
    FilesReply,
    FilesRequest,
    FileWriteReply,
    FileWriteRequest,
)

MOST_NAMES = 100_000
"""Of a directory; who has more there sees the first of them that the system tells."""

LEFT_SECONDS = 3600.0
"""A file of which no part has come for so long is not gone on with."""

PART_SUFFIX = ".antiphon-part"
"""What is being written is beside its place under a hidden name, so that nobody reads half a file."""

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_SENTENCES = {
    errno.ENOENT: "there is no such file",
    errno.ENOTDIR: "a part of the path is not a directory, or is a link",
    errno.ELOOP: "it is a link, and links are not followed",
    errno.EACCES: "the session may not do this",
    errno.EPERM: "the session may not do this",
    errno.EEXIST: "there is something of this name",
    errno.EISDIR: "it is a directory",
    errno.ENOTEMPTY: "the directory is not empty",
    errno.ENAMETOOLONG: "the name is too long",
    errno.ENOSPC: "there is no room left",
    errno.EDQUOT: "there is no room left for this user",
    errno.EFBIG: "the file would be larger than the session may write",
    errno.EROFS: "nothing can be written there",
}


def list_files(root: str, request: FilesRequest) -> FilesReply:
    """What a directory holds, by name, directories first."""
    with _refusing(request.path):
        directory = _open_directory(root, parts_of(request.path))
        try:
            with os.scandir(directory) as found:
                names = [
                    (not entry.is_dir(follow_symlinks=False), entry.name)
                    for entry in islice(found, MOST_NAMES)
                ]
            shown = [(file, name) for file, name in names if not name.endswith(PART_SUFFIX)]
            end = request.start + request.limit
            entries = (_entry(directory, name) for _, name in nsmallest(end, shown)[request.start :])
            next = end if end < len(shown) else None
            return FilesReply(entries=tuple(filter(None, entries)), total=len(shown), next=next)
        finally:
            os.close(directory)


def read_file(root: str, request: FileReadRequest) -> FileReadReply:
    """A part of a file; none beyond its end."""
    with _refusing(request.path), _parent(root, request.path) as (directory, name):
        # O_NONBLOCK: a pipe of this name must not keep the reader waiting.
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise FileRefused(f"{request.path}: it is a {_kind(status.st_mode)}, not a file.")
            data = os.pread(file, request.limit, request.offset)
            return FileReadReply(size=status.st_size, version=_version(status), data=data)
        finally:
            os.close(file)


def write_file(root: str, request: FileWriteRequest) -> FileWriteReply:
    """A part of a file that is being written; the last one puts it in its place.

    Parts come in order. One that came before changes nothing, so that it can be sent again.
    """
    with _refusing(request.path), _parent(root, request.path) as (directory, name):
        part = _part_name(request.upload)
        flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        flags |= os.O_CREAT if request.offset == 0 else 0
        if request.offset == 0 and not request.replace and _exists(directory, name):
            raise FileRefused(f"{request.path}: there is something of this name.")
        if request.offset == 0:
            _sweep(directory)
        file = os.open(part, flags, 0o666, dir_fd=directory)
        try:
            size = os.fstat(file).st_size
            if size < request.offset:
                raise FileRefused(f"{request.path}: only {size} bytes of it have come; begin again.")
            if request.offset + len(request.data) > request.most:
                os.unlink(part, dir_fd=directory)
                raise FileRefused(f"{request.path}: it has more than {request.most} bytes, the limit.")
            written = 0
            while written < len(request.data):
                written += os.pwrite(file, request.data[written:], request.offset + written)
            size = max(size, request.offset + written)
        finally:
            os.close(file)
        if request.end:
            _put(directory, part, name, replace=request.replace)
        return FileWriteReply(size=size)


def change_file(root: str, request: FileChangeRequest) -> FileChangeReply:
    """Rename or delete a file or an empty directory, or make a directory."""
    with _refusing(request.path), _parent(root, request.path) as (directory, name):
        if request.act == "make":
            os.mkdir(name, dir_fd=directory)
        elif request.act == "delete":
            kind = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
            if stat.S_ISDIR(kind):
                os.rmdir(name, dir_fd=directory)
            else:
                os.unlink(name, dir_fd=directory)
        else:
            with _parent(root, request.to) as (other, new):
                if _exists(other, new):
                    raise FileRefused(f"{request.to}: there is something of this name.")
                os.rename(name, new, src_dir_fd=directory, dst_dir_fd=other)
    return FileChangeReply()


def parts_of(path: str) -> list[str]:
    """The names in a path below the session's directory; none are the directory itself."""
    if path == "":
        return []
    parts = path.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise FileRefused(
            f"{path[:200]!r}: a path is names with / between them, below the session's directory."
        )
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise FileRefused("A path is Unicode text.") from error
    return parts


@contextmanager
def _refusing(path: str) -> Iterator[None]:
    """What the system refuses is a refusal with a sentence."""
    try:
        yield
    except OSError as error:
        why = _SENTENCES.get(error.errno or 0) or os.strerror(error.errno or 0)
        raise FileRefused(f"{path or 'the directory'}: {why}.") from error


def _open_directory(root: str, parts: list[str]) -> int:
    """The root may be reached by a link: it is where the session began. Nothing below it may."""
    directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in parts:
        try:
            below = os.open(part, _DIRECTORY, dir_fd=directory)
        finally:
            os.close(directory)
        directory = below
    return directory


@contextmanager
def _parent(root: str, path: str) -> Iterator[tuple[int, str]]:
    parts = parts_of(path)
    if not parts:
        raise FileRefused("The session's directory itself is none of its files.")
    if parts[-1].endswith(PART_SUFFIX):
        raise FileRefused(f"{path}: names that end so are for files that are being written.")
    directory = _open_directory(root, parts[:-1])
    try:
        yield directory, parts[-1]
    finally:
        os.close(directory)


def _put(directory: int, part: str, name: str, *, replace: bool) -> None:
    """Let the finished file have its name. Without ``replace``, link() refuses a name that was taken
    meanwhile, which rename() would not."""
    if replace:
        os.rename(part, name, src_dir_fd=directory, dst_dir_fd=directory)
        return
    os.link(part, name, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
    os.unlink(part, dir_fd=directory)


def _part_name(upload: str) -> str:
    return f".{upload}{PART_SUFFIX}"


def _sweep(directory: int) -> None:
    """Whoever begins a file takes out what is left of those that nobody went on with."""
    before = time.time() - LEFT_SECONDS
    with os.scandir(directory) as found:
        parts = [entry.name for entry in islice(found, MOST_NAMES) if entry.name.endswith(PART_SUFFIX)]
    for part in parts:
        with suppress(OSError):  # another one was faster, or it is none of ours
            status = os.stat(part, dir_fd=directory, follow_symlinks=False)
            if stat.S_ISREG(status.st_mode) and status.st_mtime < before:
                os.unlink(part, dir_fd=directory)


def _exists(directory: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _entry(directory: int, name: str) -> FileEntry | None:
    """None where it has gone meanwhile. A name that is not Unicode is shown, and cannot be asked for."""
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
    kind = _kind(status.st_mode)
    shown = name.encode(errors="surrogateescape").decode(errors="replace")
    return FileEntry(
        name=shown,
        kind=kind if shown == name else "other",
        size=status.st_size if kind == "file" else 0,
        changed=datetime.fromtimestamp(status.st_mtime, UTC).isoformat(timespec="microseconds"),
    )


def _kind(mode: int) -> FileKind:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    return "link" if stat.S_ISLNK(mode) else "other"


def _version(status: os.stat_result) -> str:
    """Another one once the file was changed or exchanged."""
    return f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"
