"""The examples of the operator's guide, held against the programs they are for, where those are there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

GUIDE = (Path(__file__).parent.parent / "docs" / "operate.md").read_text(encoding="utf-8")


def examples(language: str) -> list[str]:
    """Every example in this language."""
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def check(program: str, *words: str | Path) -> str:
    """Run a program that must be content, and return what it said; the test is skipped without it."""
    found = shutil.which(program, path=os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/sbin")))
    if found is None:
        pytest.skip(f"there is no {program} on this machine")
    answer = subprocess.run(
        [found, *words], capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout + answer.stderr


def test_nginx_takes_its_example(tmp_path: Path) -> None:
    server, upstream = examples("nginx")
    check(
        *shlex.split("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1"),
        *(
            "-subj",
            "/CN=lab.example",
            "-keyout",
            tmp_path / "privkey.pem",
            "-out",
            tmp_path / "fullchain.pem",
        ),
    )
    server = server.replace("/etc/ssl/lab.example/", f"{tmp_path}/")
    assert "http://127.0.0.1:8750" in server
    server = server.replace("http://127.0.0.1:8750", "http://antiphon")
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/pid; error_log stderr; events {{}}\n"
        "http {\n"
        + "".join(
            f"{kind}_temp_path {tmp_path}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        + f"access_log off;\n{upstream}{server}}}\n"
    )
    said = check("nginx", "-t", "-p", tmp_path, "-c", tmp_path / "nginx.conf")
    assert "[warn]" not in said


def test_caddy_takes_its_example(tmp_path: Path) -> None:
    (site,) = examples("caddy")
    (tmp_path / "Caddyfile").write_text(site)
    check("caddy", "adapt", "--adapter", "caddyfile", "--config", tmp_path / "Caddyfile")


def test_systemd_takes_its_examples(tmp_path: Path) -> None:
    units = examples("ini")
    assert len(units) == 2
    files = []
    for unit in units:
        name = re.search(r"# /etc/systemd/system/(\S+)", unit)
        assert name is not None
        # The program is not installed there, and the user is not on this machine.
        unit = unit.replace("/opt/antiphon/bin/antiphon", "/bin/true").replace("User=antiphon\n", "")
        (tmp_path / name[1]).write_text(unit)
        files.append(tmp_path / name[1])
    said = check("systemd-analyze", "verify", "--man=no", *files)
    assert not [line for line in said.splitlines() if str(tmp_path) in line]
