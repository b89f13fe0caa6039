"""Signing in and out: where a secret becomes a cookie."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from .. import signin
from ..context import Caller
from ..errors import NotSignedIn, RpcError, TooManyAttempts
from ..jsonrpc import encode_error
from .handler import SIGNIN_COOKIE, Handler, Refusal

SIGNIN_BYTES = 4096
"""A name and a password, or the secret of a link."""


class ByPassword(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    password: str


class ByLink(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    link: str


_by_link: msgspec.json.Decoder[ByPassword | ByLink] = msgspec.json.Decoder(ByLink)
_by_password: msgspec.json.Decoder[ByPassword | ByLink] = msgspec.json.Decoder(ByPassword)

STATUS: dict[type[RpcError], int] = {NotSignedIn: 401, TooManyAttempts: 429}


class SignIn(Handler):
    """``POST /login``: {"name", "password"} or {"link"} gives the cookie of a new sign-in and the account."""

    async def post(self) -> None:
        if len(self.request.body) > SIGNIN_BYTES:
            raise Refusal(413, f"A sign-in has at most {SIGNIN_BYTES} bytes.")
        by = self._body()
        context = replace(self.web.context, caller=Caller(address=self.request.remote_ip or ""))
        try:
            if isinstance(by, ByLink):
                account, secret = await signin.by_link(context, by.link)
            else:
                account, secret = await signin.by_password(context, by.name, by.password)
        except RpcError as error:
            self.set_status(STATUS.get(type(error), 400))
            self.set_header("Content-Type", "application/json")
            self.finish(encode_error(None, error))
            return
        self.set_cookie(
            SIGNIN_COOKIE,
            secret,
            path="/",
            expires_days=signin.SIGNIN_SECONDS / 86_400,
            httponly=True,
            samesite="Strict",
            secure=self.web.secure,
        )
        self.write_json(account)

    def _body(self) -> ByPassword | ByLink:
        for decoder in (_by_link, _by_password):
            try:
                return decoder.decode(self.request.body)
            except msgspec.DecodeError:
                continue
        raise Refusal(400, 'The body must be {"name": …, "password": …} or {"link": …}.')


class SignOut(Handler):
    """``POST /logout``: the sign-in of the cookie is over."""

    async def post(self) -> None:
        await signin.out(replace(self.web.context, caller=await self.caller()))
        self.clear_cookie(SIGNIN_COOKIE, path="/")
        self.set_status(204)
