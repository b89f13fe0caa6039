"""``antiphon comments``: what people say about the cells of a worksheet."""

from __future__ import annotations

import click

from antiphon_client.commands.cells import find_cell
from antiphon_client.commands.listing import find_worksheet, show
from antiphon_client.place import Place, place_options

LINE_CHARS = 80


@click.group(short_help="Read and write comments on the cells of a worksheet.")
@place_options
def comments() -> None:
    """Read and write comments on the cells of a worksheet."""


@comments.command("list")
@place_options
@click.argument("worksheet")
@click.option("--all", "every", is_flag=True, help="Those that are resolved too.")
@click.option("--json", "as_json", is_flag=True, help="Print the threads as JSON.")
@click.pass_obj
def list_threads(place: Place, worksheet: str, every: bool, as_json: bool) -> None:
    """List the comments of WORKSHEET (id or title), thread by thread, with the number of their cell."""
    with place.client() as client:
        sheet = find_worksheet(client, worksheet).id
        places = {cell.id: number for number, cell in enumerate(client.worksheet_open(sheet).cells, 1)}
        threads = tuple(
            thread
            for thread in client.comment_list(sheet)
            if thread.cell in places
            and any(not said.deleted for said in thread.comments)
            and (every or not thread.resolved)
        )
    rows = [
        (
            str(places[thread.cell]) if number == 0 else "",
            said.id,
            said.author,
            said.created[:16].replace("T", " "),
            "resolved" if thread.resolved else "open",
            "(deleted)" if said.deleted else _line(said.text),
        )
        for thread in threads
        for number, said in enumerate(thread.comments)
    ]
    show(threads, ("CELL", "ID", "BY", "WHEN", "THREAD", "TEXT"), rows, as_json, "There is no open comment.")


@comments.command()
@place_options
@click.argument("worksheet")
@click.argument("cell")
@click.argument("text")
@click.pass_obj
def add(place: Place, worksheet: str, cell: str, text: str) -> None:
    """Begin a thread about CELL (number or id) of WORKSHEET (id or title), and print its id."""
    with place.client() as client:
        sheet = find_worksheet(client, worksheet).id
        print(client.comment_create(sheet, find_cell(client.worksheet_open(sheet), cell), text).id)


@comments.command()
@place_options
@click.argument("worksheet")
@click.argument("thread")
@click.argument("text")
@click.pass_obj
def reply(place: Place, worksheet: str, thread: str, text: str) -> None:
    """Answer in THREAD, which has the id of its first comment; prints the id of the answer."""
    with place.client() as client:
        sheet = find_worksheet(client, worksheet).id
        print(client.comment_reply(sheet, thread, text).comments[-1].id)


@comments.command()
@place_options
@click.argument("worksheet")
@click.argument("comment")
@click.argument("text")
@click.pass_obj
def edit(place: Place, worksheet: str, comment: str, text: str) -> None:
    """Change the text of a COMMENT of your own."""
    with place.client() as client:
        client.comment_edit(find_worksheet(client, worksheet).id, comment, text)


@comments.command()
@place_options
@click.argument("worksheet")
@click.argument("comment")
@click.pass_obj
def delete(place: Place, worksheet: str, comment: str) -> None:
    """Delete a COMMENT of your own; who owns the worksheet, anybody's."""
    with place.client() as client:
        client.comment_delete(find_worksheet(client, worksheet).id, comment)


@comments.command()
@place_options
@click.argument("worksheet")
@click.argument("comment")
@click.pass_obj
def restore(place: Place, worksheet: str, comment: str) -> None:
    """Bring a deleted COMMENT back."""
    with place.client() as client:
        client.comment_restore(find_worksheet(client, worksheet).id, comment)


@comments.command()
@place_options
@click.argument("worksheet")
@click.argument("thread")
@click.option("--reopen", is_flag=True, help="Say that it is not settled.")
@click.pass_obj
def resolve(place: Place, worksheet: str, thread: str, reopen: bool) -> None:
    """Say that what THREAD is about is settled."""
    with place.client() as client:
        client.comment_resolve(find_worksheet(client, worksheet).id, thread, resolved=not reopen)


def _line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LINE_CHARS else f"{line[: LINE_CHARS - 1]}…"
