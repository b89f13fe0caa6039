"""``antiphon tokens``: what programs sign in with."""

from __future__ import annotations

import sys
from typing import get_args

import click

from antiphon_client.commands.listing import find_worksheet, in_days, show
from antiphon_client.model import Role
from antiphon_client.place import Place, place_options


@click.group(invoke_without_command=True, short_help="List tokens for programs, create and revoke them.")
@place_options
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@click.pass_context
def tokens(context: click.Context, as_json: bool) -> None:
    """List your tokens, oldest first; create and revoke them."""
    if context.invoked_subcommand:
        return
    with context.obj.client() as client:
        found = client.token_list()
    rows = [
        (t.id, t.label, t.scope, t.worksheet or "all", t.last_used or "never", t.expires or "-")
        for t in found
    ]
    show(
        found,
        ("ID", "LABEL", "SCOPE", "WORKSHEET", "LAST USED", "EXPIRES"),
        rows,
        as_json,
        "There is no token.",
    )


@tokens.command()
@place_options
@click.argument("label")
@click.option(
    "--scope",
    type=click.Choice(get_args(Role)),
    default="own",
    show_default=True,
    help="The most it may do, even where you may do more.",
)
@click.option("--worksheet", metavar="WORKSHEET", help="The only worksheet (id or title) it is good for.")
@click.option("--days", type=click.FloatRange(min=0, min_open=True), help="It ends after so many days.")
@click.pass_obj
def create(place: Place, label: str, scope: Role, worksheet: str | None, days: float | None) -> None:
    """Create a token called LABEL and print its secret, which is shown this one time."""
    with place.client() as client:
        only = None if worksheet is None else find_worksheet(client, worksheet).id
        made = client.token_create(label, scope=scope, worksheet=only, expires=in_days(days))
    print(made.secret)


@tokens.command()
@place_options
@click.argument("token")
@click.pass_obj
def revoke(place: Place, token: str) -> None:
    """End TOKEN (its id). Whatever it signed in is disconnected."""
    with place.client() as client:
        client.token_revoke(token)
    print("It is revoked.", file=sys.stderr)
