"""link.*: the links of a worksheet, by which people come in without an account."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from .. import signin
from ..context import Context, Handler
from ..limits import Moment, check_id, ends
from ..model import Link, LinkId, WorksheetId
from ..secret import digest, new_id, new_secret
from ..storage import worksheet_links

LinkRole: TypeAlias = Literal["observe", "answer", "run", "edit"]
"""Nobody owns by a link: whoever finds it could then give the worksheet away."""

Uses = Annotated[int, Meta(ge=1, le=1_000_000)]


class NewLink(msgspec.Struct, frozen=True, kw_only=True):
    """``url`` is shown this once; its secret stands behind the ``#`` and reaches no log and no referrer."""

    link: Link
    url: str


async def create(
    context: Context,
    *,
    worksheet: WorksheetId,
    role: LinkRole,
    expires: Moment | None = None,
    most_uses: Uses | None = None,
    link: LinkId | None = None,
) -> NewLink:
    """Make a link that lets in whoever has it, with a role, until a date, so many times.

    Asked for again with the id that the client made, it is the same link with another secret.
    """
    if link is not None:
        check_id(link, "link")
    wanted = Link(
        id=link or LinkId(new_id()),
        role=role,
        author=context.account.name,
        created=context.now,
        expires=ends(expires, context.clock()),
        most_uses=most_uses,
    )
    secret = new_secret()
    made, entries = await context.database.write(worksheet_links.create, worksheet, wanted, digest(secret))
    context.relay.announce(worksheet, entries)
    return NewLink(link=made, url=signin.visit_url(context.public_url, worksheet, secret))


async def list_all(context: Context, *, worksheet: WorksheetId) -> tuple[Link, ...]:
    """List the worksheet's links, oldest first."""
    return await context.database.read(worksheet_links.list_all, worksheet)


async def revoke(context: Context, *, worksheet: WorksheetId, link: LinkId) -> None:
    """End a link; whoever came by it is out within two seconds."""
    entries = await context.database.write(
        worksheet_links.end,
        worksheet,
        link,
        "It was revoked.",
        author=context.account.name,
        now=context.now,
    )
    context.relay.announce(worksheet, entries)


METHODS: dict[str, Handler] = {
    "link.create": create,
    "link.list": list_all,
    "link.revoke": revoke,
}
