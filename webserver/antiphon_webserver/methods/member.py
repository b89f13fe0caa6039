"""member.*: who may do what with a worksheet."""

from __future__ import annotations

from ..context import Context, Handler
from ..model import AccountName, Member, Role, WorksheetId
from ..storage import members


async def set_role(context: Context, *, worksheet: WorksheetId, account: AccountName, role: Role) -> Member:
    """Make somebody a member of the worksheet, or change their role."""
    member, entries = await context.database.write(
        members.set_role, worksheet, account, role, author=context.account.name, now=context.now
    )
    context.relay.announce(worksheet, entries)
    return member


async def remove(context: Context, *, worksheet: WorksheetId, account: AccountName) -> None:
    """End somebody's membership, or one's own."""
    entries = await context.database.write(
        members.remove, worksheet, account, author=context.account.name, now=context.now
    )
    context.relay.announce(worksheet, entries)


METHODS: dict[str, Handler] = {"member.set": set_role, "member.remove": remove}
