"""The files of a session: there and back, and no way out of its directory."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from antiphon_kernel.errors import FileRefused
from antiphon_kernel.message import (
    ASIDE,
    FILE_CHUNK_BYTES,
    ErrorReply,
    FileChangeRequest,
    FileReadReply,
    FileReadRequest,
    FilesRequest,
    FileWriteRequest,
    Setting,
)
from antiphon_kernel.worker.files import change_file, list_files, read_file, write_file

from .test_session import Play

UPLOAD = "upload-0123456789"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A session's directory, beside something that is none of its business."""
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "session").mkdir()
    return tmp_path / "session"


def read(root: Path, path: str, **more: Any) -> FileReadReply:
    return read_file(str(root), FileReadRequest(path=path, **more))


def write(root: Path, path: str, data: bytes, **more: Any) -> int:
    return write_file(str(root), FileWriteRequest(path=path, data=data, **{"upload": UPLOAD, **more})).size


def change(root: Path, act: Any, path: str, to: str = "") -> None:
    change_file(str(root), FileChangeRequest(act=act, path=path, to=to))


def names(root: Path, path: str = "", **more: Any) -> list[str]:
    return [entry.name for entry in list_files(str(root), FilesRequest(path=path, **more)).entries]


def test_a_directory_is_listed_in_parts_directories_first(root: Path) -> None:
    for name in ("b", "a", "c"):
        (root / name).write_bytes(b"12345")
    (root / "z").mkdir()
    (root / "link").symlink_to("a")
    reply = list_files(str(root), FilesRequest())
    assert [(e.name, e.kind, e.size) for e in reply.entries] == [
        ("z", "directory", 0),
        ("a", "file", 5),
        ("b", "file", 5),
        ("c", "file", 5),
        ("link", "link", 0),
    ]
    assert names(root, start=1, limit=2) == ["a", "b"]
    assert (list_files(str(root), FilesRequest(start=1, limit=2)).next, reply.next, reply.total) == (
        3,
        None,
        5,
    )


def test_a_name_that_is_no_text_is_shown_and_harms_nothing(root: Path) -> None:
    os.close(os.open(os.fsencode(root) + b"/\xff", os.O_CREAT | os.O_WRONLY))
    (entry,) = list_files(str(root), FilesRequest()).entries
    assert (entry.name, entry.kind) == ("\ufffd", "other")


def test_a_file_is_read_in_parts_without_its_size_in_memory(root: Path) -> None:
    with (root / "giant").open("wb") as giant:
        giant.seek(2**40)
        giant.write(b"end")
    part = read(root, "giant", offset=2**40 - 1)
    assert (part.data, part.size) == (b"\0end", 2**40 + 3)
    assert len(read(root, "giant").data) == FILE_CHUNK_BYTES
    assert read(root, "giant", offset=2**41).data == b""
    (root / "giant").write_bytes(b"\xff\0")
    assert read(root, "giant").data == b"\xff\0"
    assert read(root, "giant").version != part.version


def test_a_file_is_there_once_it_is_whole(root: Path) -> None:
    assert write(root, "new", b"12", end=False) == 2
    assert names(root) == []
    assert write(root, "new", b"12", end=False) == 2  # its answer was lost
    assert write(root, "new", b"3", offset=2) == 3
    assert (root / "new").read_bytes() == b"123"
    assert os.listdir(root) == ["new"]


def test_what_is_there_is_replaced_only_if_that_is_wanted(root: Path) -> None:
    (root / "old").write_text("old")
    with pytest.raises(FileRefused, match="there is something of this name"):
        write(root, "old", b"new")
    write(root, "other", b"new", end=False)
    (root / "other").write_text("somebody was faster")
    with pytest.raises(FileRefused, match="there is something of this name"):
        write(root, "other", b"", offset=3)
    write(root, "old", b"new", replace=True)
    assert ((root / "old").read_text(), (root / "other").read_text()) == ("new", "somebody was faster")


def test_a_file_that_is_too_large_leaves_nothing(root: Path) -> None:
    write(root, "new", b"123", end=False, most=4)
    with pytest.raises(FileRefused, match="more than 4 bytes"):
        write(root, "new", b"45", offset=3, most=4)
    assert os.listdir(root) == []


def test_what_is_left_of_a_file_that_nobody_went_on_with_is_swept(root: Path) -> None:
    write(root, "broken", b"12", end=False)
    (left,) = os.listdir(root)
    (root / "mine").write_text("old, and no part")
    for name in (left, "mine"):
        os.utime(root / name, (0, 0))
    write(root, "going", b"1", end=False, upload="another-upload-of-22-c")
    write(root, "new", b"3", upload="a-third-upload-of-22-c")
    assert sorted(os.listdir(root)) == [".another-upload-of-22-c.antiphon-part", "mine", "new"]


def test_a_part_without_those_before_it_is_refused(root: Path) -> None:
    with pytest.raises(FileRefused, match="no such file"):
        write(root, "new", b"3", offset=2)
    write(root, "new", b"1", end=False)
    with pytest.raises(FileRefused, match="only 1 bytes of it have come"):
        write(root, "new", b"3", offset=2)


def test_files_are_renamed_moved_and_deleted(root: Path) -> None:
    change(root, "make", "data")
    write(root, "a", b"1")
    change(root, "rename", "a", "data/b")
    assert (root / "data" / "b").read_bytes() == b"1"
    with pytest.raises(FileRefused, match="data: the directory is not empty"):
        change(root, "delete", "data")
    change(root, "delete", "data/b")
    change(root, "delete", "data")
    assert os.listdir(root) == []
    write(root, "a", b"1")
    write(root, "b", b"2")
    with pytest.raises(FileRefused, match="b: there is something of this name"):
        change(root, "rename", "a", "b")


OUT = [
    "../secret",
    "..",
    ".",
    "/etc/passwd",
    "a/../../secret",
    "a//b",
    "",
    "a/",
    "link",
    "up/secret",
    "a\0b",
    "\ud800",
]


@pytest.mark.parametrize("path", OUT)
def test_no_path_leads_out(root: Path, path: str) -> None:
    (root / "a").mkdir()
    (root / "link").symlink_to(root.parent / "secret")
    (root / "up").symlink_to(root.parent)
    for act in (
        lambda: read(root, path),
        lambda: write(root, path, b"mine", replace=False),
        lambda: change(root, "rename", path, "b/c"),
        lambda: change(root, "make", path),
    ):
        with pytest.raises(FileRefused):
            act()
    if path not in ("", "link"):
        with pytest.raises(FileRefused):
            names(root, path)
    assert (root.parent / "secret").read_text() == "secret"
    assert sorted(os.listdir(root.parent)) == ["secret", "session"]


def test_a_link_is_deleted_itself(root: Path) -> None:
    (root / "link").symlink_to(root.parent / "secret")
    change(root, "delete", "link")
    assert (os.listdir(root), (root.parent / "secret").exists()) == ([], True)


def test_a_pipe_keeps_nobody_waiting(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with pytest.raises(FileRefused, match="not a file"):
        read(root, "pipe")


def test_a_directory_that_becomes_a_link_meanwhile_leads_nobody_out(root: Path) -> None:
    (root.parent / "outside").mkdir()
    (root.parent / "outside" / "file").write_text("secret")
    (root / "inside").mkdir()
    (root / "inside" / "file").write_text("mine")
    over = threading.Event()

    def exchange() -> None:
        while not over.is_set():
            os.rename(root / "inside", root / "kept")
            os.symlink(root.parent / "outside", root / "inside")
            os.unlink(root / "inside")
            os.rename(root / "kept", root / "inside")

    other = threading.Thread(target=exchange)
    other.start()
    try:
        for _ in range(2_000):
            with contextlib.suppress(FileRefused):
                assert read(root, "inside/file").data == b"mine"
    finally:
        over.set()
        other.join()


def test_nobody_tells_the_files_of_another_kernel() -> None:
    play = Play()
    play.session = msgspec.structs.replace(play.session, setting=Setting(kernel="ir"))
    (reply,) = play.request(FilesRequest(), "f", subshell=ASIDE).replies
    assert isinstance(reply.content, ErrorReply)
    assert reply.content.ename == "FileRefused"


# --- a real worker


@pytest.mark.asyncio(loop_scope="module")
async def test_a_worker_brings_its_files_while_it_computes(forked: Any, tmp_path: Path) -> None:
    await forked.run("import os; began = os.getcwd(); run = True")
    await forked.run(f"os.chdir({str(tmp_path)!r})")
    long = forked.begin("print('begun')\nwhile run: pass")
    await forked.until(lambda: long.text() == "begun\n")
    reply = await forked.ask(FilesRequest(), ASIDE)
    assert {"spec", "tests"} <= {entry.name for entry in reply.entries}  # where it began, not where it went
    part = await forked.ask(FileReadRequest(path="pyproject.toml", limit=8), ASIDE)
    assert len(part.data) == 8
    refused = await forked.ask(FileReadRequest(path="../etc"), ASIDE)
    assert (refused.ename, "names with /" in refused.evalue) == ("FileRefused", True)
    assert long.reply is None
    await forked.run("run = False", subshell="s")
    await forked.until(lambda: long.reply)
