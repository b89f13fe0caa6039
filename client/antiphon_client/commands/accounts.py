"""``antiphon login`` and ``antiphon accounts``: who one is, and letting others in."""

from __future__ import annotations

import platform
import sys

import click

from antiphon_client import credentials
from antiphon_client.client import Client
from antiphon_client.commands.listing import show
from antiphon_client.errors import ClientError
from antiphon_client.place import Place, place_options


@click.command(short_help="Sign in at a server and keep a token.")
@place_options
@click.option("--name", metavar="NAME", help="The account; without it you are asked.")
@click.option("--link", is_flag=True, help="Print a new one-time login link for this user's own server.")
@click.pass_obj
def login(place: Place, name: str | None, link: bool) -> None:
    """Sign in at a server by name and password, and keep a token for it.

    The token is kept for this user alone. With --link nothing is kept: a link is printed that signs in
    one browser.
    """
    if link:
        with place.client() as client:
            print(client.account_link().url)
        return
    if place.server is None:
        raise click.UsageError(
            "Give the server: antiphon login --server URL. On your own server on this machine you are signed "
            "in already; a link for a browser: antiphon login --link"
        )
    account = name or click.prompt("Name", err=True)
    password = click.prompt("Password", hide_input=True, err=True)
    with Client(place.server) as client:
        token = client.token_login(account, password, f"antiphon on {platform.node()}")
    credentials.save_token(place.server, token.secret)
    print(f"Signed in at {place.server} as {account}.", file=sys.stderr)


@click.group(invoke_without_command=True, short_help="List accounts, create them, make login links.")
@place_options
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@click.pass_context
def accounts(context: click.Context, as_json: bool) -> None:
    """List the accounts of a server, and let further people in (for its admins)."""
    if context.invoked_subcommand:
        return
    with context.obj.client() as client:
        found = client.account_list()
    rows = [(a.name, a.display_name, "admin" if a.admin else "") for a in found]
    show(found, ("NAME", "DISPLAY NAME", ""), rows, as_json, "There is no account.")


@accounts.command()
@place_options
@click.argument("name")
@click.option("--display-name", default="", metavar="TEXT", help="What others see.")
@click.option("--admin", is_flag=True, help="May manage accounts.")
@click.pass_obj
def create(place: Place, name: str, display_name: str, admin: bool) -> None:
    """Create an account and print its one-time login link. Give the link to that person."""
    with place.client() as client:
        made = client.account_create(name, display_name=display_name, admin=admin)
    print(made.link.url)


@accounts.command()
@place_options
@click.argument("name")
@click.pass_obj
def link(place: Place, name: str) -> None:
    """Print a new one-time login link for an account."""
    with place.client() as client:
        found = client.account_link(name)
    if found.account != name:
        raise ClientError(f"The server made a link for {found.account!r}, not for {name!r}.")
    print(found.url)
