"""``python -m antiphon_webserver``: the web server alone, for a kernel that somebody else looks after.

``antiphon serve`` is the comfortable form: it finds or starts the kernel and opens the browser.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import logging
import sys
from pathlib import Path

from .errors import ServerError
from .server import serve
from .settings import DEFAULT_PORT, Settings


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal ends it; returns the exit code."""
    given = _parser().parse_args(arguments)
    if given.kernel == "inprocess":
        kernel = None
    else:
        kernel = Path(given.kernel) if given.kernel else given.data / "kernel.json"
    settings = Settings(
        data=given.data,
        kernel=kernel,
        account=given.account or getpass.getuser(),
        host=given.host,
        port=given.port,
        allow_remote=given.allow_remote,
        database=given.database,
        url=given.url,
        hosts=tuple(given.allow_host),
    )
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(serve(settings, ready=lambda: print(f"ready: {settings.runtime_file}", flush=True)))
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m antiphon_webserver", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, required=True, help="the folder of the database and the runtime file"
    )
    parser.add_argument(
        "--kernel", default="", help='the kernel\'s connection file (DATA/kernel.json), or "inprocess"'
    )
    parser.add_argument("--database", default="", help="an SQLAlchemy URL (an SQLite file in DATA)")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (%(default)s)")
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="the port, 0 for any free one (%(default)s)"
    )
    parser.add_argument(
        "--allow-remote", action="store_true", help="listen on an address that others can reach"
    )
    parser.add_argument(
        "--url", default="", help="where people reach the server, when a proxy stands before it"
    )
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="HOST:PORT", help="a further name of the server"
    )
    parser.add_argument("--account", default="", help="the local account (the name of this user)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
