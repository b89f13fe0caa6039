"""``antiphon sessions``: list, interrupt, restart, close."""

from __future__ import annotations

import click

from antiphon_client.commands.listing import show
from antiphon_client.place import Place, place_options


@click.group(invoke_without_command=True, short_help="List sessions; interrupt, restart, close them.")
@place_options
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@click.pass_context
def sessions(context: click.Context, as_json: bool) -> None:
    """List the sessions that you may observe; interrupt, restart and close them."""
    if context.invoked_subcommand:
        return
    with context.obj.client() as client:
        found = client.session_list()
    rows = [(s.uid, s.state, s.title, s.owner, s.worksheet or "-", str(s.latest), s.reason) for s in found]
    show(
        found,
        ("UID", "STATE", "TITLE", "OWNER", "WORKSHEET", "LATEST", "REASON"),
        rows,
        as_json,
        'There is no session. One starts with: antiphon run -w WORKSHEET -c "1+1"',
    )


@sessions.command()
@place_options
@click.option("--title", default="", help="What people see.")
@click.option("--kernel", default="", metavar="NAME", help="Another kernel that Jupyter knows: ir, python3.")
@click.pass_obj
def new(place: Place, title: str, kernel: str) -> None:
    """Make a session and print its UID. Run code in it with: antiphon run --session UID"""
    with place.client() as client:
        print(client.session_create(title, kernel).uid)


@sessions.command()
@place_options
@click.argument("uid")
@click.pass_obj
def interrupt(place: Place, uid: str) -> None:
    """Interrupt what runs in a session, as Ctrl-C does."""
    with place.client() as client:
        client.session_interrupt(uid)


@sessions.command()
@place_options
@click.argument("uid")
@click.pass_obj
def restart(place: Place, uid: str) -> None:
    """Give a session a fresh namespace. Its UID and its feed go on."""
    with place.client() as client:
        client.session_restart(uid)


@sessions.command()
@place_options
@click.argument("uid")
@click.pass_obj
def close(place: Place, uid: str) -> None:
    """End a session and everything that runs in it."""
    with place.client() as client:
        client.session_close(uid)
