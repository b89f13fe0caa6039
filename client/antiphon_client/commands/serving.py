"""``antiphon serve``, ``config``, ``stop`` and ``kernel``: the programs that answer, started and ended."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from antiphon_client import keeper, launch, runtime, settings
from antiphon_client.errors import ClientError, NoServer
from antiphon_client.place import Place, data_option
from antiphon_client.settings import settings_options
from antiphon_kernel.settings import Given


@click.command()
@data_option
@settings_options("server", "kernel")
@click.option("--no-browser", is_flag=True, help="Do not open a browser.")
@click.pass_obj
def serve(place: Place, options: dict[str, Any], file: Path | None, no_browser: bool) -> int:
    """Start Antiphon and print a login link. Ctrl-C ends it.

    The kernel is a process of its own. If this one is killed, sessions go on, and the next "antiphon
    serve" on the same data directory finds them.

    "antiphon config" shows what counts of options, environment and file.
    """
    told = settings.told(place.data, file, options, "server", "kernel")
    if told.sections["server"]["kernel"].value and told.kernel_words:
        raise click.UsageError(
            f"{told.kernel_words[0]} is for a kernel that is started, and --kernel names one."
        )
    data = place.data
    launch.prepare(data)
    with launch.held(data):
        server = launch.Server(data, told)
        all_ended = server.run(ready=lambda: _announce(data, browser=not no_browser), say=_say)
    print("Antiphon has stopped." if all_ended else "The web server has stopped; the kernel goes on.")
    return 0


def _say(sentence: str) -> None:
    print(f"antiphon: {sentence}", file=sys.stderr, flush=True)


def _announce(data: Path, *, browser: bool) -> None:
    """Print the one line with the login link, and open it where there is a screen."""
    from antiphon_client.client import Client

    local = runtime.read_server(data)
    with Client(local.url, local.token) as client:
        print(f"Antiphon is ready: {client.account_link().url}   (Ctrl-C stops it)", flush=True)
        if browser and _has_screen():
            import webbrowser

            # A link of its own: the printed one stays good for another browser.
            webbrowser.open(client.account_link().url)


def _has_screen() -> bool:
    if os.environ.get("SSH_CONNECTION") or os.environ.get("CI"):
        return False
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@click.command(short_help="Show the settings, and who gave each.")
@data_option
@settings_options("server", "kernel")
@click.pass_obj
def config(place: Place, options: dict[str, Any], file: Path | None) -> None:
    """Show what "antiphon serve" with the same options would obey, as a file of settings, and where each
    value comes from. Secrets are masked. It fails if serve would refuse to start.
    """
    told = settings.told(place.data, file, options, "server", "kernel")
    print(f"# data directory: {place.data}\n# file of settings: {told.file or 'none'}")
    for section, given in told.sections.items():
        print(f"\n[{section}]")
        for each in given.values():
            print(_line(each))
    launch.check(place.data, told)


def _line(given: Given) -> str:
    """A line of TOML and who says it; what has no value is a comment."""
    name, shown = given.setting.name, given.shown
    texts = ", ".join(json.dumps(text, ensure_ascii=False) for text in shown)
    if given.setting.many and not given.is_default:
        return f"{f'{name} = [{texts}]':<40} # {given.source}"
    if not shown:
        return f"# {name:<38} # default: {given.setting.otherwise or 'none'}"
    return f"{f'{name} = {texts}':<40} # {given.source}"


@click.command()
@data_option
@click.pass_obj
def stop(place: Place) -> None:
    """End the web server, the kernel and every session."""
    ended = launch.stop_all(place.data)
    if not ended:
        raise NoServer(f"Nothing of Antiphon is running on {place.data}")
    print(f"Stopped {' and '.join(ended)}.")


@click.group(invoke_without_command=True, short_help="Run the kernel; open it to Jupyter.")
@data_option
@settings_options("kernel")
@click.pass_context
def kernel(context: click.Context, options: dict[str, Any], file: Path | None) -> None:
    """Run the kernel in the foreground. "antiphon serve" on the same data directory uses it.

    \b
    antiphon kernel install                let Jupyter start Antiphon kernels
    antiphon kernel connect SESSION        let Jupyter's clients use a session
    """
    if context.invoked_subcommand:
        return
    data = context.obj.data
    told = settings.told(data, file, options, "kernel")
    launch.prepare(data)
    found = keeper.find(data)
    if found:
        with found[0] as process:
            raise ClientError(f"A kernel is already running on {data} (process {process.pid}).")
    keeper.make_way(data)
    # In place of this process: signals and the exit code are the daemon's own.
    command = keeper.command(runtime.kernel_file(data), "kernel", told.kernel_words)
    sys.stdout.flush()
    os.execve(command[0], command, keeper.environment())


# What follows has its options in the kernel's own program, which this client does not import.
_passed_on = {"ignore_unknown_options": True, "help_option_names": []}


@kernel.command(context_settings=_passed_on, short_help="Let Jupyter start Antiphon kernels.")
@data_option
@click.option("--shared", is_flag=True)
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def install(place: Place, shared: bool, options: tuple[str, ...]) -> None:
    """Write the kernelspec, by which JupyterLab and all others find Antiphon."""
    daemon = ["--shared", "--kernel", str(runtime.kernel_file(place.data))] if shared else []
    _become_jupyter("install", *daemon, *options)


@kernel.command(context_settings=_passed_on, short_help="Let Jupyter's clients use a session.")
@data_option
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def connect(place: Place, options: tuple[str, ...]) -> None:
    """Open a session of the running kernel to Jupyter's clients, until Ctrl-C."""
    _become_jupyter("connect", "--kernel", str(runtime.kernel_file(place.data)), *options)


def _become_jupyter(*arguments: str) -> None:
    command = [sys.executable, "-P", "-m", "antiphon_kernel.jupyter", *arguments]
    sys.stdout.flush()
    os.execve(command[0], command, keeper.environment())
