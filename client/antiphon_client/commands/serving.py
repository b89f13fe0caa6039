"""``antiphon serve``, ``stop`` and ``kernel``: the programs that answer, started and ended."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from antiphon_client import keeper, launch, runtime
from antiphon_client.errors import ClientError, NoServer
from antiphon_client.place import Place, data_option

# Passed on as they are: the kernel's own program reads and checks them.
_KERNEL_OPTIONS = {
    "--memory-limit": ("BYTES", "The most memory of one session, such as 2G; 0 for no limit."),
    "--cpu-limit": ("TIME", "The most CPU time of one session, such as 15m or 2h."),
    "--run-limit": ("TIME", "The longest time of one run, such as 15m."),
    "--process-limit": ("N", "The most processes of one session; 0 for no limit."),
    "--output-limit": ("BYTES", "The most output of one run, such as 100M; the rest is left out."),
    "--idle-limit": ("TIME", "Close a session that had nothing to do for so long, such as 2h."),
    "--interrupt-wait": ("TIME", "How long interrupted code may take to stop before people are told."),
    "--max-sessions": ("N", "The most sessions at one time."),
    "--ready": ("N", "Workers that wait ready-made."),
    "--outlive": ("TIME", "How long sessions wait for another kernel if theirs is killed; 0: not at all."),
    "--preload": ("MODULES", "Modules that each session has already imported, by commas."),
}


def kernel_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a kernel; it gets them as ``kernel_options``, a list of words."""

    @functools.wraps(command)
    def with_options(*args: Any, **values: Any) -> Any:
        words = []
        for option in _KERNEL_OPTIONS:
            if (value := values.pop(option[2:].replace("-", "_"))) is not None:
                words += [option, value]
        return command(*args, kernel_options=words, **values)

    for option, (metavar, text) in reversed(_KERNEL_OPTIONS.items()):
        with_options = click.option(option, metavar=metavar, help=text)(with_options)
    return with_options


@click.command()
@data_option
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8750,
    show_default=True,
    help="Port to listen on; 0 for any free one.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--allow-remote", is_flag=True, help="Listen on an address that other machines reach.")
@click.option("--url", default="", metavar="URL", help="Where people reach the server, behind a proxy.")
@click.option(
    "--database",
    default="",
    metavar="URL",
    envvar="ANTIPHON_DATABASE",
    help="Database; without it a file in the data directory. If it has a password, set ANTIPHON_DATABASE "
    "instead: others may see a command line.",
)
@click.option(
    "--kernel",
    "kernel_file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="Use the kernel of this connection file instead of starting one.",
)
@kernel_options
@click.option("--no-browser", is_flag=True, help="Do not open a browser.")
@click.pass_obj
def serve(
    place: Place,
    port: int,
    host: str,
    allow_remote: bool,
    url: str,
    database: str,
    kernel_file: str | None,
    kernel_options: list[str],
    no_browser: bool,
) -> int:
    """Start Antiphon and print a login link. Ctrl-C ends it.

    The kernel is a process of its own. If this one is killed, sessions go on, and the next "antiphon
    serve" on the same data directory finds them.
    """
    if kernel_file and kernel_options:
        raise click.UsageError(
            f"{kernel_options[0]} is for a kernel that is started, and --kernel names one."
        )
    data = place.data
    launch.prepare(data)
    with launch.held(data):
        server = launch.Server(
            data,
            kernel=Path(kernel_file) if kernel_file else None,
            kernel_options=kernel_options,
            host=host,
            port=port,
            allow_remote=allow_remote,
            url=url,
            database=database,
        )
        all_ended = server.run(
            ready=lambda: _announce(data, browser=not no_browser),
            say=lambda sentence: print(f"antiphon: {sentence}", file=sys.stderr, flush=True),
        )
    print("Antiphon has stopped." if all_ended else "The web server has stopped; the kernel goes on.")
    return 0


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
@kernel_options
@click.pass_context
def kernel(context: click.Context, kernel_options: list[str]) -> None:
    """Run the kernel in the foreground. "antiphon serve" on the same data directory uses it.

    \b
    antiphon kernel install                let Jupyter start Antiphon kernels
    antiphon kernel connect SESSION        let Jupyter's clients use a session
    """
    if context.invoked_subcommand:
        return
    data = context.obj.data
    launch.prepare(data)
    found = keeper.find(data)
    if found:
        with found[0] as process:
            raise ClientError(f"A kernel is already running on {data} (process {process.pid}).")
    file = runtime.kernel_file(data)
    keeper.make_way(data)
    # In place of this process: signals and the exit code are the daemon's own.
    command = keeper.command(file, "kernel", kernel_options)
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
