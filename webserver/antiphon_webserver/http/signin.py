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
from .handler import Handler, Refusal

OIDC_COOKIE = "antiphon_oidc"

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
            _set_cookie(self, secret)
        self.write_json(answer)

    def _body(self) -> By:
        for decoder in DECODERS:
            try:
                return decoder.decode(self.request.body)
            except msgspec.DecodeError:
                continue
        raise Refusal(400, 'The body must be {"name": …, "password": …} or {"link": …} or {"visit": …}.')


def _set_cookie(handler: Handler, secret: str) -> None:
    handler.set_cookie(
        handler.web.signin_cookie,
        secret,
        path="/",
        expires_days=signin.SIGNIN_SECONDS / 86_400,
        httponly=True,
        samesite="Strict",
        secure=handler.web.secure,
    )


class OidcBegin(Handler):
    """``GET /oidc``: off to the OpenID provider, with a cookie by which it is known again."""

    async def get(self) -> None:
        context = replace(self.web.context, caller=Caller(address=self.request.remote_ip or ""))
        try:
            url, secret = await signin.begin_oidc(context)
        except signin.OidcRefused as refusal:
            self.redirect(f"/#oidc={refusal.fault}")
            return
        # Lax: the provider's page sends the browser back, and a strict cookie would stay at home.
        self.set_cookie(
            OIDC_COOKIE,
            secret,
            path="/oidc",
            max_age=signin.OIDC_SECONDS,
            httponly=True,
            samesite="Lax",
            secure=self.web.secure,
        )
        self.redirect(url)


class OidcReturn(Handler):
    """``GET /oidc/return``: back from the provider, with a code or with a refusal."""

    async def get(self) -> None:
        context = replace(self.web.context, caller=Caller(address=self.request.remote_ip or ""))
        secret = self.get_cookie(OIDC_COOKIE) or ""
        self.clear_cookie(OIDC_COOKIE, path="/oidc")
        try:
            _, cookie = await signin.by_oidc(
                context,
                secret,
                state=self.get_query_argument("state", ""),
                code=self.get_query_argument("code", ""),
                denied=self.get_query_argument("error", "") != "",
            )
        except signin.OidcRefused as refusal:
            self.redirect(f"/#oidc={refusal.fault}")
            return
        _set_cookie(self, cookie)
        self.redirect("/")


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
        self.clear_cookie(self.web.signin_cookie, path="/", secure=self.web.secure)
        self.set_status(204)
