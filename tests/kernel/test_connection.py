"""The connection file: whole, for this user alone, and never somebody else's."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from antiphon_kernel.connection import (
    Connection,
    UnsafePath,
    new_key,
    read_connection,
    remove_connection,
    write_connection,
)
from antiphon_kernel.errors import ConnectionLost

CONNECTION = Connection(
    transport="ipc", key="k" * 64, requests="ipc:///run/requests.sock", feed="ipc:///run/feed.sock", pid=7
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "run" / "kernel.json"


def test_it_is_written_for_its_user_alone_and_comes_back_equal(file: Path) -> None:
    write_connection(file, CONNECTION)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert read_connection(file) == CONNECTION
    assert os.listdir(file.parent) == ["kernel.json"]


def test_it_is_json_that_anybody_can_read(file: Path) -> None:
    write_connection(file, CONNECTION)
    value = json.loads(file.read_text())
    assert (value["kernel_name"], value["signature_scheme"], value["wire_version"]) == (
        "antiphon",
        "hmac-sha256-blake3",
        1,
    )


def test_an_existing_one_is_not_replaced(file: Path) -> None:
    write_connection(file, CONNECTION)
    with pytest.raises(FileExistsError):
        write_connection(file, CONNECTION)
    assert os.listdir(file.parent) == ["kernel.json"]


def test_a_directory_that_others_reach_is_refused(file: Path) -> None:
    file.parent.mkdir(mode=0o755)
    with pytest.raises(UnsafePath, match="chmod 700"):
        write_connection(file, CONNECTION)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_that_others_reach_is_not_read(file: Path, mode: int) -> None:
    write_connection(file, CONNECTION)
    file.chmod(mode)
    with pytest.raises(UnsafePath, match="chmod 600"):
        read_connection(file)


def test_a_link_is_not_followed(file: Path, tmp_path: Path) -> None:
    write_connection(file, CONNECTION)
    link = tmp_path / "link.json"
    link.symlink_to(file)
    with pytest.raises(ConnectionLost):
        read_connection(link)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"transport": "pigeon"}'])
def test_what_is_no_connection_file_is_refused(file: Path, text: str) -> None:
    file.parent.mkdir(mode=0o700)
    file.touch(mode=0o600)
    file.write_text(text)
    with pytest.raises(ConnectionLost, match="is not a connection file"):
        read_connection(file)


def test_a_missing_one_means_no_kernel(file: Path) -> None:
    with pytest.raises(ConnectionLost, match="cannot be read"):
        read_connection(file)


def test_only_its_own_process_removes_it(file: Path) -> None:
    write_connection(file, CONNECTION)
    remove_connection(file, 8)
    assert file.exists()
    remove_connection(file, 7)
    remove_connection(file, 7)
    assert not file.exists()


def test_keys_are_new_each_time() -> None:
    assert len({new_key() for _ in range(10)}) == 10
    assert len(new_key()) == 64
