"""``antiphon worksheets``: list, create, share."""

from __future__ import annotations

import click

from antiphon_client.client import Client
from antiphon_client.commands.listing import show
from antiphon_client.errors import ClientError
from antiphon_client.model import Role, Worksheet
from antiphon_client.place import Place, place_options


def find_worksheet(client: Client, wanted: str) -> Worksheet:
    """The worksheet with this id, or the only one with this title.

    Raises:
        ClientError: there is none, or several have the title.
    """
    worksheets = client.worksheet_list()
    by_id = [worksheet for worksheet in worksheets if worksheet.id == wanted]
    found = by_id or [worksheet for worksheet in worksheets if worksheet.title == wanted]
    if not found:
        raise ClientError(
            f"There is no worksheet {wanted!r} that you may see. List them: antiphon worksheets"
        )
    if len(found) > 1:
        ids = ", ".join(worksheet.id for worksheet in found)
        raise ClientError(f"{len(found)} worksheets have the title {wanted!r}. Give an id: {ids}")
    return found[0]


@click.group(invoke_without_command=True, short_help="List worksheets, create and share them.")
@place_options
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@click.pass_context
def worksheets(context: click.Context, as_json: bool) -> None:
    """List the worksheets that you may see, newest change first; create and share them."""
    if context.invoked_subcommand:
        return
    with context.obj.client() as client:
        found = client.worksheet_list()
    rows = [(w.id, w.title, w.owner, w.role, w.changed, w.session or "-") for w in found]
    show(
        found,
        ("ID", "TITLE", "OWNER", "YOU MAY", "CHANGED", "SESSION"),
        rows,
        as_json,
        "There is no worksheet yet. Create one: antiphon worksheets create TITLE",
    )


@worksheets.command()
@place_options
@click.argument("title")
@click.pass_obj
def create(place: Place, title: str) -> None:
    """Create a worksheet and print its id."""
    with place.client() as client:
        print(client.worksheet_create(title).id)


@worksheets.command()
@place_options
@click.argument("worksheet")
@click.argument("account")
@click.argument("role", type=click.Choice(["observe", "run", "edit", "own"]))
@click.pass_obj
def share(place: Place, worksheet: str, account: str, role: Role) -> None:
    """Let ACCOUNT into WORKSHEET (id or title). Each ROLE includes the ones before it."""
    with place.client() as client:
        member = client.member_set(find_worksheet(client, worksheet).id, account, role)
    print(f"{member.account} may {member.role}.")
