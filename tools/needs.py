"""Installs what the tests need beside Python packages: a Chromium and PostgreSQL's programs.

From the system's package manager where this user may use it (as root, or by sudo without a password);
otherwise Chromium comes from Playwright, and PostgreSQL's tests are left out with a sentence.

    python tools/needs.py chromium | postgresql     exit code 1 if it cannot be had
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys
from pathlib import Path


def find_chromium() -> str | None:
    """A Chromium of the system, or Playwright's own."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if found := shutil.which(name):
            return found
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def find_postgresql() -> str | None:
    """The folder of ``initdb``."""
    if found := shutil.which("initdb"):
        return str(Path(found).parent)
    patterns = (
        "/usr/lib/postgresql/*/bin/initdb",
        "/usr/pgsql-*/bin/initdb",
        "/opt/homebrew/opt/postgresql*/bin/initdb",
    )
    found_all = sorted(path for pattern in patterns for path in glob.glob(pattern))
    return str(Path(found_all[-1]).parent) if found_all else None


def apt_install(package: str) -> bool:
    """Install a package of Debian or Ubuntu; whether that went well."""
    if shutil.which("apt-get") is None:
        return False
    rise: list[str] = []
    if os.geteuid() != 0:
        if shutil.which("sudo") is None or _run(["sudo", "-n", "true"]) != 0:
            return False
        rise = ["sudo", "-n"]
    env = ["env", "DEBIAN_FRONTEND=noninteractive"]
    install = [*rise, *env, "apt-get", "install", "-y", "-q", "--no-install-recommends", package]
    # The lists may be old or absent: fetch them only if it does not work without.
    return _run(install) == 0 or (_run([*rise, *env, "apt-get", "update", "-q"]) == 0 and _run(install) == 0)


def _run(command: list[str]) -> int:
    print("$", *command, flush=True)
    return subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode


def need_chromium() -> None:
    if find_chromium() or (apt_install("chromium") and find_chromium()):
        return
    _run([sys.executable, "-m", "playwright", "install", "chromium"])
    if find_chromium() is None:
        sys.exit("No Chromium: neither the package manager nor Playwright could install it.")


def need_postgresql() -> None:
    if find_postgresql() or (apt_install("postgresql") and find_postgresql()):
        return
    sys.exit("No PostgreSQL: install it with your package manager (Debian: apt-get install postgresql).")


if __name__ == "__main__":
    {"chromium": need_chromium, "postgresql": need_postgresql}[sys.argv[1]]()
