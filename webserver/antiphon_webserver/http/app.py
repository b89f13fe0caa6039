"""The tornado application: which address is answered by whom."""

from __future__ import annotations

import re
import socket
import ssl

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerRequest
from tornado.routing import PathMatches, Rule
from tornado.web import Application

from .blobs import BlobOf
from .files import FileOf
from .handler import NothingHere, Web
from .pages import Asset, Extra, Frame, Page
from .probes import Health, Measures, Ready
from .rpc import MESSAGE_BYTES, Rpc, Socket
from .signin import OidcBegin, OidcReturn, SignIn, SignOut

PING_SECONDS = 20.0
"""A client that does not answer a ping before the next one is due is gone."""

BODY_SECONDS = 60.0
IDLE_SECONDS = 120.0
HEADER_BYTES = 32 * 2**10

EXTRA_FILES = r"/([A-Za-z0-9_-]+\.(?:svg|png|ico|webmanifest|txt))"


class WebSocketAt(PathMatches):
    """Matches a path when the client asks for a WebSocket there."""

    def match(self, request: HTTPServerRequest) -> dict[str, list[bytes] | dict[str, bytes]] | None:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return None
        return super().match(request)


def make_app(web: Web) -> Application:
    """The application that answers with what ``web`` holds."""
    static = str(web.static)
    rules = [
        Rule(WebSocketAt(r"/rpc"), Socket),
        Rule(PathMatches(r"/rpc"), Rpc),
        Rule(PathMatches(r"/login"), SignIn),
        Rule(PathMatches(r"/logout"), SignOut),
        Rule(PathMatches(r"/oidc"), OidcBegin),
        Rule(PathMatches(r"/oidc/return"), OidcReturn),
        Rule(PathMatches(r"/health"), Health),
        Rule(PathMatches(r"/ready"), Ready),
        Rule(PathMatches(r"/metrics"), Measures),
        Rule(PathMatches(r"/blob/([0-9a-f]{64})/([^/]+/[^/]+)"), BlobOf),
        Rule(PathMatches(r"/file/[A-Za-z0-9_-]+/.+"), FileOf),
        Rule(PathMatches(r"/frame\.html"), Frame),
        Rule(PathMatches(r"/(?:w/[A-Za-z0-9_-]+|admin(?:/[a-z]+)?)?"), Page),
        Rule(PathMatches(r"/assets/(.+)"), Asset, {"path": f"{static}/assets"}),
        Rule(PathMatches(re.compile(EXTRA_FILES + "$")), Extra, {"path": static}),
    ]
    return Application(
        rules,
        default_handler_class=NothingHere,
        web=web,
        xsrf_cookies=True,
        xsrf_cookie_kwargs={"samesite": "Strict", "secure": web.secure},
        websocket_max_message_size=MESSAGE_BYTES,
        websocket_ping_interval=PING_SECONDS,
        websocket_ping_timeout=PING_SECONDS,
        # Handlers answer with sentences; the access log of a live page would be noise.
        log_function=lambda handler: web.metrics.answered(type(handler).__name__, handler.get_status()),
    )


def make_server(web: Web, sockets: list[socket.socket], *, tls: ssl.SSLContext | None = None) -> HTTPServer:
    """Answer on sockets that are bound already. ``stop`` and ``close_all_connections`` end it."""
    server = HTTPServer(
        make_app(web),
        ssl_options=tls,
        max_body_size=MESSAGE_BYTES,
        max_header_size=HEADER_BYTES,
        body_timeout=BODY_SECONDS,
        idle_connection_timeout=IDLE_SECONDS,
    )
    server.add_sockets(sockets)
    return server
