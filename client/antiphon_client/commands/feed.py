"""``antiphon feed``: everything that happens in a session, numbered."""

from __future__ import annotations

import sys

import click
import msgspec

from antiphon_client.follow import Feed, Gap
from antiphon_client.model import Publication
from antiphon_client.place import Place, place_options
from antiphon_client.terminal import RESET, escape


@click.command(short_help="Follow everything that happens in a session.")
@place_options
@click.argument("session")
@click.option(
    "--since",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Begin after this number. Default: 0, with all that is held.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.option("--no-follow", is_flag=True, help="End after what there is now.")
@click.pass_obj
def feed(place: Place, session: str, since: int, as_json: bool, no_follow: bool) -> None:
    """Follow the feed of SESSION (its UID), one numbered publication after the other.

    It ends when the session is closed, or with Ctrl-C.
    """
    write = _write_json if as_json else _write_lines
    with place.client() as client:
        follow = Feed(client, session, since)
        try:
            if no_follow:
                while events := follow.read(wait=0.0):
                    for event in events:
                        write(event)
            else:
                for event in follow:
                    write(event)
        except KeyboardInterrupt:
            pass


def _write_json(event: Publication | Gap) -> None:
    value = {"gone": [event.first, event.last]} if isinstance(event, Gap) else event
    print(msgspec.json.encode(value).decode(), flush=True)


def _write_lines(event: Publication | Gap) -> None:
    text = describe(event)
    print(escape(text).removesuffix(RESET) if sys.stdout.isatty() else text, flush=True)


def describe(event: Publication | Gap) -> str:
    """One event as lines: its number, its type, and what it says; further lines are indented."""
    if isinstance(event, Gap):
        return f"{event.first:>6} to {event.last} are gone: nobody holds them any more"
    lines = _summary(event).splitlines() or [""]
    head = f"{event.number:>6}  {event.msg_type}"
    return "\n".join([f"{head}  {lines[0]}".rstrip(), *(f"{'':>8}{line}" for line in lines[1:])])


def _summary(publication: Publication) -> str:
    content = publication.content
    match publication.msg_type:
        case "status":
            reason = content.get("reason")
            return f"{content.get('execution_state')}{f': {reason}' if reason else ''}"
        case "execute_input":
            return f"[{content.get('execution_count')}] {content.get('code')}"
        case "stream":
            return f"{content.get('name')}: {content.get('text')}"
        case "execute_result" | "display_data" | "update_display_data":
            data = content.get("data", {})
            plain = data.get("text/plain")
            named = (*data, *publication.blobs)
            others = ", ".join(key for key in named if key != "text/plain" or plain is None)
            return "\n".join(part for part in (plain, f"({others})" if others else "") if part)
        case "error":
            return "\n".join(content.get("traceback") or [f"{content.get('ename')}: {content.get('evalue')}"])
        case "execute_reply":
            if content.get("status") == "ok":
                return "ok"
            return f"error {content.get('ename')}: {content.get('evalue')}"
        case "input_request":
            return str(content.get("prompt"))
        case "input_answered":
            return f"by {content.get('username') or 'nobody'}"
        case _:
            return ""
