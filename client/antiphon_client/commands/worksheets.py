"""``antiphon worksheets``: list, create, share, run, import, export, go back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

import click

from antiphon_client.commands import cells
from antiphon_client.commands.listing import find_worksheet, in_days, show
from antiphon_client.errors import ClientError
from antiphon_client.model import FileFormat, Role
from antiphon_client.place import Place, place_options


@click.group(
    invoke_without_command=True, short_help="List worksheets, create, share, import and export them."
)
@place_options
@click.option("--search", "query", default="", help="Those whose title, owner or cells hold this.")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@click.pass_context
def worksheets(context: click.Context, query: str, as_json: bool) -> None:
    """List the worksheets that you may see, newest change first; create, share, import and export them."""
    if context.invoked_subcommand:
        return
    with context.obj.client() as client:
        found = client.worksheet_list(query)
    rows = [
        (
            w.id,
            w.title,
            w.owner,
            w.role,
            w.changed,
            w.session or "-",
            w.state or "-",
            *([w.found] * bool(query)),
        )
        for w in found
    ]
    none = "There is no worksheet yet. Create one: antiphon worksheets create TITLE"
    show(
        found,
        ("ID", "TITLE", "OWNER", "YOU MAY", "CHANGED", "SESSION", "STATE", *(["FOUND"] * bool(query))),
        rows,
        as_json,
        f"No worksheet has {query!r}." if query else none,
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
@click.option("--title", help='The copy\'s title, instead of "Copy of" and the title.')
@click.option("--outputs", is_flag=True, help="With what stands under the cells.")
@click.pass_obj
def duplicate(place: Place, worksheet: str, title: str | None, outputs: bool) -> None:
    """Make a worksheet of your own that begins as WORKSHEET (id or title) is now, and print its id."""
    with place.client() as client:
        found = find_worksheet(client, worksheet).id
        print(client.worksheet_duplicate(found, title, outputs=outputs).id)


@worksheets.command()
@place_options
@click.argument("worksheet")
@click.argument("account", required=False)
@click.argument("role", type=click.Choice(get_args(Role)), required=False)
@click.option(
    "--link",
    type=click.Choice([role for role in get_args(Role) if role != "own"]),
    help="Print a link instead: who has it may do this, and needs no account.",
)
@click.option("--days", type=click.FloatRange(min=0, min_open=True), help="The link ends after so many days.")
@click.option("--uses", type=click.IntRange(min=1), help="The link lets in so many.")
@click.pass_obj
def share(
    place: Place,
    worksheet: str,
    account: str | None,
    role: Role | None,
    link: Role | None,
    days: float | None,
    uses: int | None,
) -> None:
    """Let ACCOUNT into WORKSHEET (id or title). Each ROLE includes the ones before it.

    With --link, whoever has the link that is printed is let in.
    """
    if link is None and (account is None or role is None):
        raise click.UsageError("Give ACCOUNT and ROLE, or --link and a role.")
    if link is not None and account is not None:
        raise click.UsageError("A link is for whoever has it: give no ACCOUNT.")
    if link is None and (days is not None or uses is not None):
        raise click.UsageError("--days and --uses are for a link.")
    with place.client() as client:
        found = find_worksheet(client, worksheet).id
        if link is not None:
            print(client.link_create(found, link, expires=in_days(days), most_uses=uses).url)
        elif account is not None and role is not None:
            member = client.member_set(found, account, role)
            print(f"{member.account} may {member.role}.")


@worksheets.command()
@place_options
@click.argument("worksheet")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@click.pass_obj
def links(place: Place, worksheet: str, as_json: bool) -> None:
    """List the links of WORKSHEET (id or title), by which people without an account come in."""
    with place.client() as client:
        found = client.link_list(find_worksheet(client, worksheet).id)
    rows = [
        (each.id, each.role, f"{each.uses} of {each.most_uses or 'any'}", each.expires or "-", each.author)
        for each in found
    ]
    show(found, ("ID", "ROLE", "USES", "EXPIRES", "BY"), rows, as_json, "There is no link.")


@worksheets.command()
@place_options
@click.argument("worksheet")
@click.argument("link")
@click.pass_obj
def unlink(place: Place, worksheet: str, link: str) -> None:
    """End LINK (its id) of WORKSHEET (id or title). Whoever came by it is out."""
    with place.client() as client:
        client.link_revoke(find_worksheet(client, worksheet).id, link)
    print("It is revoked.", file=sys.stderr)


@worksheets.command()
@place_options
@click.argument("worksheet")
@click.argument("account")
@click.pass_obj
def transfer(place: Place, worksheet: str, account: str) -> None:
    """Give WORKSHEET (id or title), which is yours, to ACCOUNT. You stay a member that may do everything."""
    with place.client() as client:
        owner = client.worksheet_transfer(find_worksheet(client, worksheet).id, account)
    print(f"It belongs to {owner.account} now.")


@worksheets.command()
@place_options
@click.argument("worksheet")
@click.option("--before", type=click.IntRange(min=1), help="What happened before this number.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.pass_obj
def history(place: Place, worksheet: str, before: int | None, as_json: bool) -> None:
    """List what was done in WORKSHEET (id or title), by whom and when, newest first."""
    with place.client() as client:
        found = client.worksheet_history(find_worksheet(client, worksheet).id, before)
    rows = [
        (
            str(span.last),
            span.ended,
            ", ".join(span.authors),
            ", ".join(f"{kind} {count}" for kind, count in span.kinds.items()),
        )
        for span in found.spans
    ]
    show(found.spans, ("NUMBER", "UNTIL", "WHO", "WHAT"), rows, as_json, "Nothing happened before.")
    if found.more and not as_json:
        print(f"There is more: --before {found.spans[-1].first}", file=sys.stderr)


@worksheets.command()
@place_options
@click.argument("worksheet")
@click.argument("number", type=click.IntRange(min=1))
@click.pass_obj
def restore(place: Place, worksheet: str, number: int) -> None:
    """Make the cells of WORKSHEET (id or title) what they were at NUMBER of its history. It can be undone."""
    with place.client() as client:
        client.worksheet_restore(find_worksheet(client, worksheet).id, number)
    print("It is restored.", file=sys.stderr)


@worksheets.command("import")
@place_options
@click.argument("file")
@click.option("--title", help="The worksheet's title, instead of the notebook's or the file's name.")
@click.pass_obj
def import_file(place: Place, file: str, title: str | None) -> None:
    """Make a worksheet of FILE, a notebook (.ipynb) or a Python script (.py), and print its id."""
    try:
        text = Path(file).read_bytes().decode()
    except OSError as error:
        raise ClientError(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ClientError(f"{file} is not UTF-8 text (byte {error.start}).") from error
    with place.client() as client:
        print(client.worksheet_import(Path(file).name, text, title).id)


@worksheets.command()
@place_options
@click.argument("worksheet")
@click.option("-o", "--output", metavar="FILE", help="Write to this file; its ending chooses the format.")
@click.option(
    "--format", "format", type=click.Choice(get_args(FileFormat)), help="ipynb, if nothing says else."
)
@click.pass_obj
def export(place: Place, worksheet: str, output: str | None, format: FileFormat | None) -> None:
    """Print WORKSHEET (id or title) as a file: a notebook, a Python script, Markdown or HTML."""
    ending = Path(output or "").suffix.removeprefix(".")
    known: tuple[FileFormat, ...] = get_args(FileFormat)
    named = next((each for each in known if each == ending), known[0])
    chosen = named if format is None else format
    with place.client() as client:
        text = client.worksheet_export(find_worksheet(client, worksheet).id, chosen).text
    if output is None:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
        return
    try:
        Path(output).write_bytes(text.encode())
    except OSError as error:
        raise ClientError(f"{output} cannot be written: {error.strerror}.") from error


for each in (cells.cells, cells.run, cells.output, cells.clear):
    worksheets.add_command(each)
