"""``antiphon worksheets cells`` and ``run``: the cells of a worksheet, with their state, and running them."""

from __future__ import annotations

import sys

import click
import msgspec

from antiphon_client.client import Client
from antiphon_client.commands.listing import find_worksheet, show
from antiphon_client.errors import ClientError
from antiphon_client.model import Publication, Run, ShownCell, Snapshot, Struct, Which
from antiphon_client.place import Place, place_options
from antiphon_client.screen import Screen
from antiphon_client.terminal import table

OPEN = ("queued", "running")

MARKS = ("edited", "outdated", "ended")
"""Why what stands under a cell may not be what it would give now; as the server names them."""

LINE_CHARS = 60


class Listed(Struct, frozen=True, kw_only=True):
    """A cell as it is listed."""

    number: int
    id: str
    type: str
    state: str
    reason: str
    marks: tuple[str, ...]
    source: str


def listed(snapshot: Snapshot) -> tuple[Listed, ...]:
    """The cells, with the state of their newest run; "-" for text and for what never ran."""
    newest = {run.cell: run for run in snapshot.runs}
    return tuple(_listed(number, cell, newest.get(cell.id)) for number, cell in enumerate(snapshot.cells, 1))


def _listed(number: int, cell: ShownCell, run: Run | None) -> Listed:
    code = cell.type == "code"
    return Listed(
        number=number,
        id=cell.id,
        type=cell.type,
        state=run.state if run and code else "-",
        reason=run.reason if run and code else "",
        marks=tuple(mark for mark in MARKS if code and getattr(cell, mark)),
        source=cell.source,
    )


@click.command()
@place_options
@click.argument("worksheet")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@click.pass_obj
def cells(place: Place, worksheet: str, as_json: bool) -> None:
    """List the cells of WORKSHEET (id or title) with the state of their newest run.

    A cell may be edited since that run, outdated (what it reads was run or edited since), or ended (its
    variables are gone).
    """
    with place.client() as client:
        found = listed(client.worksheet_open(find_worksheet(client, worksheet).id))
    rows = [
        (str(each.number), each.id, each.type, each.state, ", ".join(each.marks) or "-", _line(each.source))
        for each in found
    ]
    show(found, ("CELL", "ID", "KIND", "STATE", "SINCE THEN", "TEXT"), rows, as_json, "There is no cell.")


@click.command()
@place_options
@click.argument("worksheet")
@click.option("--all", "every", is_flag=True, help="Run all code cells; this is so if nothing else is said.")
@click.option("--above", metavar="CELL", help="Run those above this one (number or id).")
@click.option("--below", metavar="CELL", help="Run this one and those below it.")
@click.option("--stale", is_flag=True, help="Run those that were edited, are outdated, or did not run here.")
@click.pass_obj
def run(place: Place, worksheet: str, every: bool, above: str | None, below: str | None, stale: bool) -> None:
    """Run code cells of WORKSHEET (id or title) in their order, up to the first that does not end well.

    Prints how each ended; the exit code is 1 if one did not end well.
    """
    if sum((every, above is not None, below is not None, stale)) > 1:
        raise click.UsageError("Give one of --all, --above, --below and --stale.")
    which: Which = "above" if above else "below" if below else "stale" if stale else "all"
    with place.client() as client:
        sheet = find_worksheet(client, worksheet).id
        snapshot = client.worksheet_open(sheet)
        named = above or below
        cell = None if named is None else find_cell(snapshot, named)
        made = client.worksheet_run(sheet, which, cell)
        if not made:
            print("There is nothing to run.", file=sys.stderr)
            return
        ended = _ends(client, sheet, made, snapshot.cursor)
    places = {cell.id: number for number, cell in enumerate(snapshot.cells, 1)}
    rows = [(str(places.get(each.cell or "", "-")), each.state, each.reason) for each in ended]
    print(table(("CELL", "STATE", "WHY"), rows))
    if any(each.state != "ok" for each in ended):
        sys.exit(1)


@click.command()
@place_options
@click.argument("worksheet")
@click.argument("cell")
@click.option("--earlier", type=click.IntRange(min=0), default=0, metavar="N", help="Of the N-th run before.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line: each publication.")
@click.pass_obj
def output(place: Place, worksheet: str, cell: str, earlier: int, as_json: bool) -> None:
    """Print all that the newest run of CELL (number or id) of WORKSHEET (id or title) has put out so far.

    However long it is, it comes in parts: what the cell printed on stdout, on stdout.
    """
    screen = Screen(sys.stdout, sys.stderr)
    with place.client() as client:
        sheet = find_worksheet(client, worksheet).id
        runs = client.cell_runs(sheet, find_cell(client.worksheet_open(sheet), cell))
        if len(runs) <= earlier:
            raise ClientError("The cell has not run." if not runs else f"The cell has run {len(runs)} times.")
        for publication in client.run_outputs(sheet, runs[earlier].id):
            if as_json:
                print(msgspec.json.encode(publication).decode())
            else:
                _show(screen, publication, client)
    screen.close()


@click.command()
@place_options
@click.argument("worksheet")
@click.argument("cells", metavar="[CELL]...", nargs=-1)
@click.option(
    "--earlier", is_flag=True, help="Keep what stands under the cells: only earlier runs, deleted cells."
)
@click.pass_obj
def clear(place: Place, worksheet: str, cells: tuple[str, ...], earlier: bool) -> None:
    """Delete the outputs of WORKSHEET (id or title), or of some of its cells (numbers or ids), to make room.

    The runs stay, with their code and how they ended. What goes on is left alone.
    """
    with place.client() as client:
        sheet = find_worksheet(client, worksheet).id
        snapshot = client.worksheet_open(sheet) if cells else None
        named = None if snapshot is None else tuple(find_cell(snapshot, each) for each in cells)
        cleared = client.worksheet_clear(sheet, named, "earlier" if earlier else "all")
    print(f"{cleared.freed:,} bytes of output are deleted; the worksheet has {cleared.kept:,} now.")


def _show(screen: Screen, publication: Publication, client: Client) -> None:
    content = publication.content
    match publication.msg_type:
        case "stream":
            screen.stream(content.get("name", "stdout"), content.get("text", ""))
        case "execute_result" | "display_data":
            screen.data(client.text(publication))
        case "error":
            screen.traceback(content)


def find_cell(snapshot: Snapshot, named: str) -> str:
    """The id of the cell with this id or, from 1, this number."""
    ids = [cell.id for cell in snapshot.cells]
    if named in ids:
        return named
    if named.isdecimal() and 1 <= int(named) <= len(ids):
        return ids[int(named) - 1]
    raise ClientError(f"There is no cell {named!r}. List them: antiphon worksheets cells WORKSHEET")


def _ends(client: Client, worksheet: str, made: tuple[Run, ...], cursor: int) -> tuple[Run, ...]:
    """The runs, once all of them have ended."""
    runs = {run.id: run for run in made}
    while any(run.state in OPEN for run in runs.values()):
        for entry in client.worksheet_since(worksheet, cursor).entries:
            cursor = entry["number"]
            if entry["kind"] == "run_ended" and entry["run"] in runs:
                runs[entry["run"]] = msgspec.structs.replace(
                    runs[entry["run"]], state=entry["state"], reason=entry["reason"]
                )
    return tuple(runs.values())


def _line(source: str) -> str:
    first, _, rest = source.strip().partition("\n")
    return f"{first[: LINE_CHARS - 1]}…" if rest or len(first) > LINE_CHARS else first
