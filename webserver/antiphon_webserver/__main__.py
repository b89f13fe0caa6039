"""``python -m antiphon_webserver``: the web server alone, for a kernel that somebody else looks after.

``antiphon serve`` is the comfortable form: it finds or starts the kernel and opens the browser.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import sys
from pathlib import Path

from antiphon_kernel.settings import SettingRefused, add_flags, read, values

from . import logs
from .errors import ServerError
from .server import serve
from .settings import SERVER, Settings


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal ends it; returns the exit code."""
    given = _parser().parse_args(arguments)
    try:
        told = values(
            read("server", SERVER, flags=vars(given), environment=os.environ, file=_file(given.settings))
        )
        settings = Settings.of(told, data=given.data, account=given.account or getpass.getuser())
        logs.start(told["log_format"], told["log_level"])
        asyncio.run(serve(settings, ready=lambda: print(f"ready: {settings.runtime_file}", flush=True)))
    except (ServerError, SettingRefused) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _file(flag: Path | None) -> Path | None:
    named = os.environ.get("ANTIPHON_SETTINGS")
    return flag or (Path(named) if named else None)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m antiphon_webserver", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, required=True, help="the folder of the database and the runtime file"
    )
    parser.add_argument("--settings", type=Path, metavar="FILE", help="a TOML file; [server] is read of it")
    add_flags(parser, SERVER)
    parser.add_argument("--account", default="", help="the local account (the name of this user)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
