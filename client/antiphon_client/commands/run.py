"""``antiphon run``: code in a session, its output here."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from antiphon_client.answers import Lines
from antiphon_client.client import Client
from antiphon_client.commands.listing import find_worksheet
from antiphon_client.errors import ClientError
from antiphon_client.model import Publication
from antiphon_client.place import Place, place_options
from antiphon_client.running import Interrupts, Runner
from antiphon_client.screen import Screen


@click.command(short_help="Run code in a session and print what it prints.")
@place_options
@click.argument("file", required=False)
@click.option("-c", "code", metavar="CODE", help="The code itself.")
@click.option("-w", "--worksheet", metavar="WORKSHEET", help="Run in this worksheet's session (id or title).")
@click.option("-s", "--session", metavar="UID", help="Run in this session.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Interrupt the run after that time; the exit code is then 124.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the run's publications, one JSON object a line.")
@click.pass_obj
def run(
    place: Place,
    file: str | None,
    code: str | None,
    worksheet: str | None,
    session: str | None,
    timeout: float | None,
    as_json: bool,
) -> int:
    """Run CODE, a FILE, or what comes from stdin (-), and print what it prints.

    Without -w or -s it runs in a fresh session that is closed afterwards. Results come as plain text on
    stdout, tracebacks on stderr. Ctrl-C interrupts the run; a second one leaves.

    The exit code is 0, or 1 if the code raised an error.
    """
    if (code is None) == (file is None):
        raise click.UsageError("Give the code either by -c CODE or as a FILE (- for stdin).")
    if worksheet and session:
        raise click.UsageError("Give either -w WORKSHEET or -s SESSION.")
    source = code if code is not None else _read(str(file))
    screen = Screen(sys.stdout, sys.stderr)
    # What stdin held was the code, so it has no answers.
    lines = None if file == "-" or sys.stdin is None else Lines(sys.stdin.fileno())
    with place.client() as client, Interrupts() as interrupts:
        uid, fresh = _session(client, worksheet, session)
        runner = Runner(
            client,
            uid,
            screen,
            interrupts,
            each=_print_json if as_json else None,
            lines=lines,
            timeout=timeout,
        )
        try:
            return runner.run(source)
        finally:
            screen.close()
            if fresh:
                client.session_close(uid)


def _session(client: Client, worksheet: str | None, session: str | None) -> tuple[str, bool]:
    """The session's UID, and whether it is ours to close."""
    if session:
        return session, False
    if worksheet:
        return client.worksheet_session(find_worksheet(client, worksheet).id).uid, False
    return client.session_create("antiphon run").uid, True


def _read(file: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return raw.decode()
    except OSError as error:
        raise ClientError(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ClientError(f"{file} is not UTF-8 text (byte {error.start}).") from error


def _print_json(publication: Publication) -> None:
    print(msgspec.json.encode(publication).decode())
