"""``antiphon sessions``: list, info, variables, queue, cancel, move, interrupt, restart, close."""

from __future__ import annotations

import click
import msgspec

from antiphon_client.commands.listing import show
from antiphon_client.model import SessionDetails, Use, Variable, VariableDetails
from antiphon_client.place import Place, place_options
from antiphon_client.terminal import escape


@click.group(
    invoke_without_command=True, short_help="List sessions; look at, interrupt, restart, close them."
)
@place_options
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@click.pass_context
def sessions(context: click.Context, as_json: bool) -> None:
    """List the sessions that you may observe; look at, interrupt, restart and close them."""
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
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.pass_obj
def info(place: Place, uid: str, as_json: bool) -> None:
    """Show what a session uses, what it may use, and what it had imported when it began."""
    with place.client() as client:
        found = client.session_info(uid)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    lines = description(found)
    width = max(len(name) for name, _ in lines)
    for name, text in lines:
        print(f"{name:{width}}  {text}")


def description(session: SessionDetails) -> list[tuple[str, str]]:
    """What is told of a session, line by line: a name and a text."""
    state = f"{session.state}: {session.reason}" if session.reason else session.state
    lines = [("Session", session.uid), ("Title", session.title or "-"), ("State", state)]
    return lines + _use(session.use) if session.use else lines


def _use(use: Use) -> list[tuple[str, str]]:
    limits = use.limits
    lines = [
        ("Memory", _of(_size(use.memory_bytes), limits.memory_bytes and _size(limits.memory_bytes))),
        ("CPU time", _of(f"{use.cpu_seconds:.1f} s", limits.cpu_seconds and _time(limits.cpu_seconds))),
        ("Processes", _of(str(use.processes), limits.processes)),
        ("Waiting", str(use.waiting)),
    ]
    if limits.run_seconds:
        lines.append(("One run", f"at most {_time(limits.run_seconds)}"))
    if limits.output_bytes:
        lines.append(("Output", f"at most {_size(limits.output_bytes)} of one run"))
    idle = _time(use.idle_seconds) if use.idle_seconds else "no"
    lines.append(
        ("Idle", f"{idle}, ends after {_time(limits.idle_seconds)}" if limits.idle_seconds else idle)
    )
    for module in use.preloaded:
        changed = ", changed on disk since: the session has what was there before" if module.changed else ""
        lines.append(("Preloaded", f"{module.name} {module.version} ({module.file}{changed})"))
    return lines


def _of(used: str, limit: str | int) -> str:
    return f"{used} of {limit}" if limit else used


def _size(count: int) -> str:
    for unit, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if count >= unit:
            return f"{count / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{count} bytes"


def _time(seconds: float) -> str:
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{seconds:.0f} s"


@sessions.command()
@place_options
@click.argument("uid")
@click.argument("name", required=False)
@click.option("--all", "hidden", is_flag=True, help="Also modules, functions, classes and names with _.")
@click.option("--search", default="", metavar="TEXT", help="Only those whose name contains this.")
@click.option("--start", default=0, type=click.IntRange(min=0), help="The first row of NAME, from 0.")
@click.option("--rows", default=20, type=click.IntRange(1, 200), show_default=True, help="Rows of NAME.")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@click.pass_obj
def variables(
    place: Place,
    uid: str,
    name: str | None,
    hidden: bool,
    search: str,
    start: int,
    rows: int,
    as_json: bool,
) -> None:
    """Show a session's variables, or one of them with some of its rows. Runs no code, and waits for none."""
    with place.client() as client:
        if name is not None:
            _show_variable(client.session_variable(uid, name, start=start, limit=rows), name, start, as_json)
            return
        found: list[Variable] = []
        at: int | None = 0
        known = True
        while at is not None:
            part = client.session_variables(uid, start=at, search=search, hidden=hidden)
            known, at = part.known, part.next
            found.extend(part.variables)
    none = "There are no variables." if known else "The session is one of another kernel: nobody knows them."
    lines = [(v.name, v.type, _shape(v.shape), _size_of(v), v.preview) for v in found]
    show(tuple(found), ("NAME", "TYPE", "SHAPE", "SIZE", "PREVIEW"), lines, as_json, none)


def _show_variable(found: VariableDetails, name: str, start: int, as_json: bool) -> None:
    if found.variable is None:
        raise click.ClickException(f"The session has no variable {name}.")
    if as_json or not found.columns:
        print(msgspec.json.format(msgspec.json.encode(found)).decode() if as_json else escape(found.text))
        return
    heads = tuple(f"{column.name} {column.type}".strip() for column in found.columns)
    show((), heads, found.rows, False, "It is empty.")
    left = found.total - start - len(found.rows)
    if start or left > 0:
        print(f"Rows {start} to {start + len(found.rows) - 1} of {found.total}; others: --start, --rows.")


def _shape(shape: tuple[int, ...] | None) -> str:
    return " × ".join(map(str, shape or ()))


def _size_of(variable: Variable) -> str:
    return "" if variable.size_bytes is None else _size(variable.size_bytes)


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
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.pass_obj
def queue(place: Place, uid: str, as_json: bool) -> None:
    """Show what runs in a session and which runs wait, the next one first."""
    with place.client() as client:
        found = client.session_queue(uid)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    rows = [("running", found.running, "", found.running_since, "")] if found.running else []
    for at, run in enumerate(found.queue, 1):
        rows.append((str(at), run.msg_id, run.username, run.date, " ".join(run.code.split())[:60]))
    show(found.queue, ("PLACE", "REQUEST", "BY", "SINCE", "CODE"), rows, False, "Nothing runs or waits.")


@sessions.command()
@place_options
@click.argument("uid")
@click.argument("request_id", metavar="REQUEST")
@click.pass_obj
def cancel(place: Place, uid: str, request_id: str) -> None:
    """Drop a run that waits. One that runs already takes an interrupt."""
    with place.client() as client:
        client.session_cancel(uid, request_id)


@sessions.command()
@place_options
@click.argument("uid")
@click.argument("request_id", metavar="REQUEST")
@click.option("--before", metavar="REQUEST", help="The waiting run to stand before; default: the end.")
@click.pass_obj
def move(place: Place, uid: str, request_id: str, before: str | None) -> None:
    """Let a run that waits stand at another place of the queue."""
    with place.client() as client:
        client.session_move(uid, request_id, before)


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
