"""The ``antiphon`` command: its commands by name, and errors as one sentence and an exit code.

A command's module is imported when it is called, so that ``antiphon run`` does not pay for ``serve``.
"""

from __future__ import annotations

import importlib
import os
import sys

import click

from antiphon_client.errors import ClientError, NotSignedIn, RpcError
from antiphon_client.place import Place, place_options

COMMANDS = {
    "serve": "serving",
    "config": "serving",
    "stop": "serving",
    "backup": "storing",
    "restore": "storing",
    "kernel": "serving",
    "login": "accounts",
    "accounts": "accounts",
    "tokens": "tokens",
    "worksheets": "worksheets",
    "comments": "comments",
    "sessions": "sessions",
    "files": "files",
    "run": "run",
    "feed": "feed",
}
"""Every command and its module, in the order of the help."""


class _Commands(click.Group):
    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"antiphon_client.commands.{COMMANDS[name]}")
        command = getattr(module, name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, context: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(context, args)
        except click.UsageError as error:
            import difflib

            close = difflib.get_close_matches(args[0], COMMANDS, n=1)
            if not close:
                raise
            raise click.UsageError(
                f"There is no command {args[0]!r}. Did you mean: antiphon {close[0]}", context
            ) from error


def _show_version(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        from importlib.metadata import version

        click.echo(f"antiphon {version('antiphon')}")
        context.exit()


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@place_options
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def antiphon() -> None:
    """Live Python sessions that many people share.

    \b
    antiphon serve                         start, and open the page
    antiphon run -c "print(6*7)"           run code and print what it prints
    antiphon run -w WORKSHEET -c "x"       ... in the live session of a worksheet
    antiphon feed SESSION                  follow everything that happens in a session

    The server is found by the data directory of this user. For another one give --server; its token
    comes from ANTIPHON_TOKEN or from "antiphon login".
    """


def main() -> None:
    """Entry point. Never shows a traceback for something that a person can put right."""
    sys.exit(run(sys.argv[1:]))


def run(args: list[str]) -> int:
    """Run one command line and return its exit code: 0, 1 for a failure, 2 for a wrong command line."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character shows its number instead.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # replaced in tests only
    try:
        code = antiphon.main(args, prog_name="antiphon", obj=Place(), standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 130
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # "antiphon feed | head": whoever read has gone. Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except ClientError as error:
        print(f"antiphon: {_sentence(error)}", file=sys.stderr)
        return 1
    return code if isinstance(code, int) else 0


def _sentence(error: ClientError) -> str:
    text = str(error)
    if isinstance(error, RpcError) and text[-1:] not in ".!?":
        text += "."
    if isinstance(error, NotSignedIn):
        return f"{text} Sign in with: antiphon login --server URL   (or set ANTIPHON_TOKEN)"
    if isinstance(error, RpcError):
        if error.name == "SessionDead":
            return f"{text} A fresh one in its place: antiphon sessions restart UID"
        if error.name == "InternalError" and error.data.get("incident"):
            return f"{text} The server's log has it under {error.data['incident']}."
    return text


if __name__ == "__main__":
    main()
