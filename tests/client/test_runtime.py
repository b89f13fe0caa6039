import os
from pathlib import Path

import pytest

from antiphon_client import credentials, runtime
from antiphon_client.errors import NoServer, UnsafeFile
from antiphon_client.place import Place

SERVER = {"url": "http://127.0.0.1:1", "pid": 1, "token": "secret", "account": "ada"}


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANTIPHON_DATA", str(tmp_path))
    monkeypatch.setenv("ANTIPHON_CONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("ANTIPHON_TOKEN", raising=False)
    return tmp_path


def test_the_flag_goes_before_the_environment_and_that_before_the_platform(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ANTIPHON_DATA", "/from/environment")
    assert runtime.data_directory("/from/flag") == Path("/from/flag")
    assert runtime.data_directory() == Path("/from/environment")
    monkeypatch.delenv("ANTIPHON_DATA")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert runtime.data_directory().name == "antiphon"


def test_a_secret_is_written_for_this_user_alone_and_read_back(data: Path) -> None:
    runtime.write_secret(data / "server.json", SERVER)
    assert (data / "server.json").stat().st_mode & 0o777 == 0o600
    assert runtime.read_server(data).token == "secret"  # noqa: S105
    assert [path.name for path in data.iterdir()] == ["server.json"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_can_reach_is_refused(data: Path, mode: int) -> None:
    runtime.write_secret(data / "server.json", SERVER)
    (data / "server.json").chmod(mode)
    with pytest.raises(UnsafeFile, match="chmod 600"):
        runtime.read_server(data)


def test_a_link_to_a_file_is_refused(data: Path) -> None:
    runtime.write_secret(data / "elsewhere.json", SERVER)
    (data / "server.json").symlink_to(data / "elsewhere.json")
    with pytest.raises(UnsafeFile):
        runtime.read_server(data)


def test_a_pipe_in_place_of_the_file_is_refused_without_waiting(data: Path) -> None:
    os.mkfifo(data / "server.json", 0o600)
    with pytest.raises(UnsafeFile, match="not a regular file"):
        runtime.read_server(data)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(data: Path) -> None:
    runtime.write_secret(data / "server.json", SERVER)
    os.chown(data / "server.json", 65534, 65534)
    with pytest.raises(UnsafeFile, match="another user"):
        runtime.read_server(data)


def test_no_file_is_no_server(data: Path) -> None:
    with pytest.raises(NoServer, match="antiphon serve"):
        runtime.read_server(data)


def test_the_token_is_not_used_when_the_server_that_wrote_the_file_has_gone(data: Path) -> None:
    runtime.write_secret(data / "server.json", {**SERVER, "pid": 2**22 - 1})
    with pytest.raises(NoServer, match="did not end in order"):
        Place().client()


def test_the_token_is_not_used_when_another_program_has_the_number(data: Path) -> None:
    runtime.write_secret(data / "server.json", {**SERVER, "pid": 1})
    with pytest.raises(NoServer):
        Place().client()


def test_a_kept_token_belongs_to_one_address(data: Path) -> None:
    credentials.save_token("https://a.example", "one")
    credentials.save_token("http://a.example", "two")
    assert credentials.load_token("https://a.example:443/") == "one"
    assert credentials.load_token("http://a.example") == "two"
    assert credentials.load_token("https://b.example") == ""
    assert credentials.tokens_file().stat().st_mode & 0o777 == 0o600
