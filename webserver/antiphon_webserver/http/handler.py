"""What all HTTP handlers share: the door, the headers, who calls, errors as JSON.

What belongs here: the base of the handlers. What they do is done by the floors below.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from tornado.web import HTTPError, RequestHandler

from .. import logs, signin
from ..clients import Clients
from ..context import Caller, Context
from ..metrics import Metrics
from ..presence import Presence
from ..relay import Relay
from ..settings import Readers
from .frames import Framed
from .security import HEADERS, Door, Proxies, Refused

SIGNIN_COOKIE = "antiphon_signin"
"""Over https its name begins with ``__Host-``: then no other host, and no page without TLS, can set it."""

HSTS = "max-age=31536000"
"""A browser that came by https once does not come without it any more. Source: RFC 6797."""

SENTENCES = {
    400: "The request is malformed.",
    403: "The request was refused.",
    404: "There is nothing here.",
    405: "This address does not know that HTTP method.",
    413: "The request is too large.",
    500: "The server failed; its log says why.",
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Web:
    """What the handlers work with.

    ``secure``: people come by https, so cookies may insist on it. ``proxied``: nobody but the proxies,
    and programs of this machine, may come: it would be without TLS.
    """

    context: Context
    clients: Clients
    presence: Presence
    relay: Relay
    door: Door
    static: Path
    secure: bool
    metrics: Metrics
    may_read_metrics: Readers
    metrics_token: str
    proxies: Proxies
    proxied: bool
    framed: Framed = field(default_factory=Framed)

    @property
    def signin_cookie(self) -> str:
        """The name of the cookie that holds a sign-in."""
        return f"__Host-{SIGNIN_COOKIE}" if self.secure else SIGNIN_COOKIE


class Refusal(HTTPError):
    """Ends a request with a status and a sentence that the client may read."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(status, "%s", sentence)
        self.sentence = sentence


class Handler(RequestHandler):
    """Base of every handler: nothing is answered before the door was passed."""

    id: str

    @property
    def web(self) -> Web:
        web = self.settings["web"]
        assert isinstance(web, Web)
        return web

    def set_default_headers(self) -> None:
        for name, value in HEADERS.items():
            self.set_header(name, value)
        if self.web.secure:
            self.set_header("Strict-Transport-Security", HSTS)
        self.clear_header("Server")

    def prepare(self) -> None:
        self.begin()
        self.pass_door(changes=self.request.method not in ("GET", "HEAD", "OPTIONS"))

    def begin(self) -> None:
        """Give the request an id, which every line of the log and the answer bear; a declared proxy may
        have given it one. Refuse whoever comes past the proxies."""
        trusted = self.web.proxies.trusted(self.peer)
        self.id = logs.begin(self.request.headers.get("X-Request-Id", "") if trusted else "")
        self.set_header("X-Request-Id", self.id)
        if self.web.proxied and not (trusted or self.web.proxies.is_local(self.peer, self.request.headers)):
            raise Refusal(403, "This server answers its proxy only.")

    def pass_door(self, *, changes: bool) -> None:
        """Refuse what was not meant for this server, or is sent by a foreign page."""
        try:
            self.web.door.check(self.request.headers, changes=changes)
        except Refused as refused:
            raise Refusal(403, str(refused)) from None

    # --- Who calls ----------------------------------------------------------------------------

    @property
    def peer(self) -> str:
        """Who is at the other end of the connection: the caller, or a proxy."""
        return self.request.remote_ip or ""

    @property
    def address(self) -> str:
        """Where the request comes from."""
        return self.web.proxies.caller(self.peer, self.request.headers)

    @property
    def bearer(self) -> str | None:
        """The token of ``Authorization: Bearer``, for programs."""
        scheme, _, secret = self.request.headers.get("Authorization", "").partition(" ")
        return secret.strip() if scheme.lower() == "bearer" else None

    @property
    def cookie(self) -> str | None:
        """The secret of the sign-in, for browsers. A token beside it takes precedence."""
        return self.get_cookie(self.web.signin_cookie) if self.bearer is None else None

    async def caller(self) -> Caller:
        """Who calls; somebody without an account when neither secret is good."""
        return await signin.identify(
            self.web.context,
            bearer=self.bearer or "",
            cookie=self.cookie or "",
            address=self.address,
        )

    def check_xsrf_cookie(self) -> None:
        """A token proves itself. What a browser sends unasked needs a proof that its page is ours."""
        if self.bearer is not None:
            return
        try:
            super().check_xsrf_cookie()
        except HTTPError:
            raise Refusal(403, "The header X-XSRFToken does not match the cookie _xsrf.") from None

    # --- Answers ------------------------------------------------------------------------------

    def write_json(self, value: Any, status: int = 200) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(msgspec.json.encode(value))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Errors of HTTP are JSON with a sentence, never a traceback."""
        error = kwargs.get("exc_info", (None, None, None))[1]
        if isinstance(error, Refusal):
            sentence = error.sentence
        else:
            sentence = SENTENCES.get(status_code, "The request cannot be answered.")
        self.write_json({"error": sentence}, status_code)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if isinstance(value, HTTPError):
            _log.info("%s %s: %s", self.request.method, self.request.path, value)
        else:
            super().log_exception(typ, value, tb)


class NothingHere(Handler):
    """The answer to every address that no other handler has."""

    def check_xsrf_cookie(self) -> None:
        pass

    def prepare(self) -> None:
        super().prepare()
        raise Refusal(404, SENTENCES[404])
