"""Signing in and out: where a secret becomes a cookie."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import msgspec

from .. import signin
from ..context import Caller, Context
from ..errors import NotSignedIn, RpcError, TooManyAttempts
from ..jsonrpc import encode_error
from ..model import Account, WorksheetId
from .handler import SIGNIN_COOKIE, Handler, Refusal

SIGNIN_BYTES = 4096
"""A name and a password, or the secret of a link."""


class ByPassword(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    password: str


class ByLink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    link: str


class ByVisit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    visit: str


class Visited(msgspec.Struct, frozen=True, kw_only=True):
    """Where a worksheet's link led, and as whom."""

    account: Account
    worksheet: WorksheetId


By: TypeAlias = ByPassword | ByLink | ByVisit

DECODERS: tuple[msgspec.json.Decoder[By], ...] = tuple(
    msgspec.json.Decoder(by) for by in (ByLink, ByPassword, ByVisit)
)

STATUS: dict[type[RpcError], int] = {NotSignedIn: 401, TooManyAttempts: 429}


class SignIn(Handler):
    """``POST /login``: {"name", "password"} or {"link"} gives the cookie of a new sign-in and the account.

    {"visit"}, the secret of a worksheet's link, lets in whoever is signed in, or a new visitor.
    """

    async def post(self) -> None:
        if len(self.request.body) > SIGNIN_BYTES:
            raise Refusal(413, f"A sign-in has at most {SIGNIN_BYTES} bytes.")
        by = self._body()
        caller = Caller(address=self.address)
        if isinstance(by, ByVisit):
            caller = await self.caller()
        context = replace(self.web.context, caller=caller)
        try:
            answer, secret = await _sign_in(context, by)
        except RpcError as error:
            self.set_status(STATUS.get(type(error), 400))
            self.set_header("Content-Type", "application/json")
            self.finish(encode_error(None, error))
            return
        if secret:
            self.set_cookie(
                SIGNIN_COOKIE,
                secret,
                path="/",
                expires_days=signin.SIGNIN_SECONDS / 86_400,
                httponly=True,
                samesite="Strict",
                secure=self.web.secure,
            )
        self.write_json(answer)

    def _body(self) -> By:
        for decoder in DECODERS:
            try:
                return decoder.decode(self.request.body)
            except msgspec.DecodeError:
                continue
        raise Refusal(400, 'The body must be {"name": …, "password": …} or {"link": …} or {"visit": …}.')


async def _sign_in(context: Context, by: By) -> tuple[Account | Visited, str]:
    """What the page is told, and the secret of the cookie; empty where the caller keeps the one it has."""
    match by:
        case ByPassword():
            return await signin.by_password(context, by.name, by.password)
        case ByLink():
            return await signin.by_link(context, by.link)
        case ByVisit():
            visit = await signin.by_visit(context, by.visit)
            return Visited(account=visit.account, worksheet=visit.worksheet), visit.cookie


class SignOut(Handler):
    """``POST /logout``: the sign-in of the cookie is over."""

    async def post(self) -> None:
        await signin.out(replace(self.web.context, caller=await self.caller()))
        self.clear_cookie(SIGNIN_COOKIE, path="/")
        self.set_status(204)
