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


@click.group(invoke_without_command=True, short_help="List accounts, create, invite, sign out, switch off.")
@place_options
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@click.pass_context
def accounts(context: click.Context, as_json: bool) -> None:
    """List the accounts of a server, and let further people in (for its admins)."""
    if context.invoked_subcommand:
        return
    with context.obj.client() as client:
        found = client.account_list()
    rows = [
        (
            a.name,
            a.display_name,
            "off" if a.disabled else "admin" if a.admin else "",
            str(a.signins),
            str(a.tokens),
            str(a.worksheets),
        )
        for a in found
    ]
    titles = ("NAME", "DISPLAY NAME", "", "SIGN-INS", "TOKENS", "WORKSHEETS")
    show(found, titles, rows, as_json, "There is no account.")


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


@accounts.command()
@place_options
@click.pass_obj
def invite(place: Place) -> None:
    """Print an invitation by which one person makes an account (for a server with --signup invite)."""
    with place.client() as client:
        print(client.account_invite().url)


@accounts.command()
@place_options
@click.argument("name")
@click.pass_obj
def disable(place: Place, name: str) -> None:
    """Let nobody in by an account. Its sign-ins and tokens are over; its worksheets stay."""
    with place.client() as client:
        client.account_disable(name)
    print(f"{name} is switched off.", file=sys.stderr)


@accounts.command()
@place_options
@click.argument("name")
@click.pass_obj
def enable(place: Place, name: str) -> None:
    """Let the person of an account in again, by password or a new login link."""
    with place.client() as client:
        client.account_enable(name)
    print(f"{name} may sign in again.", file=sys.stderr)


@accounts.command()
@place_options
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@click.pass_obj
def signins(place: Place, name: str | None, as_json: bool) -> None:
    """List the browsers in which you, or as an admin the account NAME, are signed in."""
    with place.client() as client:
        found = client.signin_list(name)
    rows = [(each.id, each.way, each.created, each.expires) for each in found]
    show(found, ("ID", "BY", "SINCE", "UNTIL"), rows, as_json, "Nobody is signed in.")


@accounts.command()
@place_options
@click.argument("name", required=False)
@click.pass_obj
def signout(place: Place, name: str | None) -> None:
    """End every sign-in of yours, or as an admin those of the account NAME. Tokens stay."""
    with place.client() as client:
        client.signin_end(name)
    print("Every browser is signed out.", file=sys.stderr)


@accounts.command()
@place_options
@click.option("-n", "limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="How many.")
@click.option("--account", metavar="NAME", help="Of this account.")
@click.option("--act", metavar="WORD", help="Acts that begin so, such as signin or member.set.")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@click.pass_obj
def audit(place: Place, limit: int, account: str | None, act: str | None, as_json: bool) -> None:
    """List who signed in, gave rights, ran code and was refused, newest first (for admins)."""
    with place.client() as client:
        found = client.audit_list(limit=limit, account=account, act=act)
    rows = [
        (
            each.date,
            each.account or "-",
            each.address or "-",
            each.act,
            each.outcome if each.count == 1 else f"{each.outcome} x {each.count}",
            " ".join(f"{name}={value}" for name, value in each.subject.items()),
        )
        for each in found
    ]
    show(found, ("DATE", "ACCOUNT", "ADDRESS", "ACT", "OUTCOME", "OF"), rows, as_json, "There is nothing.")


@accounts.command()
@place_options
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@click.pass_obj
def sessions(place: Place, as_json: bool) -> None:
    """List the live sessions of all accounts (for admins)."""
    with place.client() as client:
        found = client.admin_sessions()
    rows = [(each.uid, each.owner, each.state, each.created) for each in found]
    show(found, ("SESSION", "OWNER", "STATE", "CREATED"), rows, as_json, "There is no session.")


@accounts.command("end-session")
@place_options
@click.argument("session")
@click.pass_obj
def end_session(place: Place, session: str) -> None:
    """End SESSION (its UID), whosever it is (for admins)."""
    with place.client() as client:
        client.admin_close_session(session)
    print("It is closed.", file=sys.stderr)


@accounts.command()
@place_options
@click.argument("name")
@click.argument("subject")
@click.pass_obj
def identify(place: Place, name: str, subject: str) -> None:
    """Let whom the server's OpenID provider knows as SUBJECT sign in by the account NAME."""
    with place.client() as client:
        client.account_identify(name, subject)
    print(f"{subject} signs in as {name}.", file=sys.stderr)
