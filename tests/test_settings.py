"""Settings: where each value comes from, what is refused, and that one definition feeds all of it."""

from __future__ import annotations

import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import msgspec
import pytest

from antiphon_client.cli import run
from antiphon_kernel.settings import KERNEL, Given, SettingRefused, read
from antiphon_webserver.settings import SERVER, Settings, SettingsRefused


def server(
    flags: dict[str, Any] | None = None, environment: dict[str, str] | None = None, file: Path | None = None
) -> dict[str, Given]:
    return read("server", SERVER, flags=flags or {}, environment=environment or {}, file=file)


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_no_two_settings_have_one_name() -> None:
    names = [setting.name for setting in (*SERVER, *KERNEL)]
    assert len(names) == len(set(names))


def test_a_flag_counts_before_the_environment_and_that_before_the_file(tmp_path: Path) -> None:
    file = written(tmp_path / "a.toml", '[server]\nport = 1\nhost = "::1"\nallow-host = ["a:1", "b:2"]\n')
    found = server({"port": "3"}, {"ANTIPHON_PORT": "2", "ANTIPHON_PROXY": "10.0.0.0/8, ::1"}, file)
    assert (found["port"].value, found["port"].source) == (3, "--port")
    assert (found["host"].value, found["host"].source) == ("::1", str(file))
    assert found["allow_host"].value == ("a:1", "b:2")
    assert found["proxy"].value == (ip_network("10.0.0.0/8"), ip_network("::1"))
    assert found["proxy"].source == "ANTIPHON_PROXY"
    assert (found["metrics"].value, found["metrics"].source) == ("local", "default")
    assert (found["database"].value, found["database"].shown) == (None, ())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[server]\nprot = 1", r"no setting 'prot' in \[server\] .*Did you mean 'port'\?"),
        ("[sever]\nport = 1", "no setting 'sever' in .*Did you mean 'server'"),
        ("port = 1", "'port' in .* stands in no table"),
        ("[server]\nport = {}", "port in .*: must be a text or a number"),
        ("[server]\nallow-host = [[]]", "allow-host in .*: must be a list of texts"),
        ("[server]\nport = 'x'", "port in .*: 'x' is not a port"),
        ("[server", "are not TOML"),
        ("[server]\nurl = 'a'\n" + "#" * 70_000, "more than 65536 bytes"),
    ],
)
def test_a_file_with_something_wrong_is_refused_by_name(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SettingRefused, match=sentence):
        server(file=written(tmp_path / "a.toml", text))


def test_a_file_that_others_can_change_or_read_secrets_in_is_refused(tmp_path: Path) -> None:
    text = "[server]\nmetrics-token = 'x'\n"
    with pytest.raises(SettingRefused, match="can be changed by other users"):
        server(file=written(tmp_path / "a.toml", "", 0o660))
    with pytest.raises(SettingRefused, match="a secret that others can read"):
        server(file=written(tmp_path / "b.toml", text, 0o644))
    with pytest.raises(SettingRefused, match="a secret that others can read"):
        server(file=written(tmp_path / "c.toml", "[server]\ndatabase = 'postgresql://a:pw@h/d'", 0o644))
    assert server(file=written(tmp_path / "d.toml", text, 0o640))["metrics_token"].shown == ("***",)
    with pytest.raises(SettingRefused, match="No such file"):
        server(file=tmp_path / "none.toml")


def test_a_wrong_value_is_refused_by_who_said_it() -> None:
    with pytest.raises(SettingRefused, match="--port: 'x' is not a port"):
        server({"port": "x"})
    with pytest.raises(SettingRefused, match="ANTIPHON_METRICS: 'all' is not one of local, token, open"):
        server({}, {"ANTIPHON_METRICS": "all"})


# --- What is unsafe ---------------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path, kernel=None, account="ada", port=0)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"host": "0.0.0.0"}, "host: .*can be reached from other machines"),  # noqa: S104
        ({"port": 70_000}, "port: 70000 is not between"),
        ({"url": "lab.example"}, "url: lab.example is not an address"),
        ({"url": "https://lab.example/antiphon"}, "needs a host name of its own"),
        ({"tls_cert": Path("c.pem")}, "TLS needs both"),
        ({"tls_cert": Path("c.pem"), "tls_key": Path("k.pem")}, "say the https:// address"),
        (
            {"tls_cert": Path("c.pem"), "tls_key": Path("/none/k.pem"), "url": "https://a"},
            "tls-key: .*No such file",
        ),
        ({"metrics": "token"}, "there is none"),
        ({"metrics": "token", "metrics_token": "short"}, "less than 16 characters"),
        ({"database": "postgresql://antiphon:postgres@db/antiphon"}, "one that everybody tries first"),
        ({"database": "postgresql://antiphon@/a?host=db&password=secret"}, "one that everybody tries"),
    ],
)
def test_what_is_unsafe_is_refused(settings: Settings, change: dict[str, Any], sentence: str) -> None:
    settings.check()
    with pytest.raises(SettingsRefused, match=sentence):
        msgspec.structs.replace(settings, **change).check()


def test_a_data_directory_that_others_enter_is_refused(settings: Settings) -> None:
    settings.data.chmod(0o755)
    with pytest.raises(SettingsRefused, match="chmod 700"):
        settings.check()


def test_root_and_plain_http_are_warned_of(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert settings.warnings() == []
    assert "is not https" in msgspec.structs.replace(settings, url="http://lab.example").warnings()[0]
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert "runs as root" in settings.warnings()[0]


# --- antiphon config --------------------------------------------------------------------------


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ANTIPHON_DATA", str(tmp_path))
    monkeypatch.delenv("ANTIPHON_TOKEN", raising=False)
    return tmp_path


def test_config_prints_what_counts_as_a_file_of_settings(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written(bare / "antiphon.toml", "[kernel]\nmemory-limit = '2G'\n[server]\nproxy = ['10.0.0.1']\n")
    monkeypatch.setenv("ANTIPHON_METRICS_TOKEN", "0123456789abcdef")
    monkeypatch.setenv("ANTIPHON_DATABASE", "postgresql://ada:hidden@db/antiphon")
    monkeypatch.setenv("ANTIPHON_PROT", "1")
    assert run(["config", "--port", "9000", "--ready", "3"]) == 0
    out, err = capsys.readouterr()
    assert err == "antiphon: ANTIPHON_PROT in the environment is no setting.\n"
    assert "0123456789abcdef" not in out
    assert "hidden" not in out
    shown = tomllib.loads(out)
    assert shown["server"]["port"] == "9000"
    assert shown["server"]["proxy"] == ["10.0.0.1"]
    assert shown["server"]["database"] == "postgresql://ada:***@db/antiphon"
    assert shown["server"]["metrics-token"] == "***"
    assert shown["kernel"] == {
        "memory-limit": "2G",
        "cpu-limit": "0",
        "run-limit": "0",
        "process-limit": "1000",
        "output-limit": "0",
        "idle-limit": "0",
        "interrupt-wait": "5",
        "max-sessions": "1000",
        "ready": "3",
        "outlive": "5m",
    }
    lines = {line.split(" ")[0]: line.rpartition("# ")[2] for line in out.splitlines()}
    assert lines["port"] == "--port"
    assert lines["metrics-token"] == "ANTIPHON_METRICS_TOKEN"
    assert lines["memory-limit"] == str(bare / "antiphon.toml")
    assert lines["host"] == "default"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--host", "0.0.0.0"], "can be reached from other machines"),  # noqa: S104
        (["--database", "postgresql://a:b@c/d"], "Set ANTIPHON_DATABASE instead"),
        (["--settings", "/none.toml"], "/none.toml cannot be read"),
    ],
)
def test_config_fails_where_serve_would_not_start(
    bare: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    for command in ("config", "serve"):
        assert run([command, *words]) == 1
        assert sentence in capsys.readouterr().err
