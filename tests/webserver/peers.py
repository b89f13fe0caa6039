"""Clients for the tests of the real server: a browser with its cookies, and a peer on a WebSocket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookies import SimpleCookie
from typing import Any

import websockets
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse

from antiphon_webserver import signin
from antiphon_webserver.model import AccountName
from antiphon_webserver.server import Running
from tests.deadline import DEADLINE


class Browser:
    """Keeps cookies, sends the XSRF header, as the page does."""

    def __init__(self, server: Running) -> None:
        self.server = server
        self.cookies: dict[str, str] = {}
        self._client = AsyncHTTPClient(force_instance=True)

    async def fetch(
        self, path: str, body: object = None, *, headers: dict[str, str] | None = None, method: str = ""
    ) -> HTTPResponse:
        sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if body is not None:
            sent |= {"Content-Type": "application/json", "X-XSRFToken": self.cookies.get("_xsrf", "")}
        response = await self._client.fetch(
            HTTPRequest(
                f"http://127.0.0.1:{self.server.port}{path}",
                method=method or ("GET" if body is None else "POST"),
                headers=sent | (headers or {}),
                body=body if body is None or isinstance(body, bytes) else json.dumps(body),
                follow_redirects=False,
            ),
            raise_error=False,
        )
        for header in response.headers.get_list("Set-Cookie"):
            self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(header).items()}
        return response

    async def sign_in(self) -> HTTPResponse:
        await self.fetch("/")
        return await self.fetch("/login", {"link": await link(self.server)})

    async def call(self, method: str, /, **params: object) -> Any:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        response = await self.fetch("/rpc", request)
        return json.loads(response.body)


async def link(server: Running) -> str:
    """The secret of a fresh login link for the local account."""
    context = server.context
    secret, _ = await context.database.write(signin.issue_link, AccountName("ada"), context.clock())
    return secret


class Peer:
    """A client on a WebSocket. Notifications that come before an answer wait to be asked for."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket
        self._waiting: list[Any] = []

    async def call(self, method: str, /, **params: object) -> Any:
        request = {"jsonrpc": "2.0", "id": method, "method": method, "params": params}
        await self.socket.send(json.dumps(request))
        return await self.answer(method)

    async def answer(self, id: str | int | None = None) -> Any:
        """The next answer; with ``id``, the one to that request."""
        while True:
            message = await self._next()
            if "id" in message and (id is None or message["id"] == id):
                return message
            self._waiting.append(message)

    async def notified(self, method: str) -> Any:
        """The parameters of the next notification of that name."""
        while True:
            name, params = await self.notification()
            if name == method:
                return params

    async def notification(self) -> tuple[str, Any]:
        """The next notification: its name and its parameters."""
        while True:
            message = self._waiting.pop(0) if self._waiting else await self._next()
            if "method" in message:
                return message["method"], message["params"]

    async def _next(self) -> Any:
        return json.loads(await asyncio.wait_for(self.socket.recv(), DEADLINE))


@asynccontextmanager
async def connect(port: int, token: str = "", **headers: str) -> AsyncIterator[Peer]:
    if token:
        headers["Authorization"] = f"Bearer {token}"
    url = f"ws://127.0.0.1:{port}/rpc"
    # Without a bound: a client of this library that does not read cannot be closed either.
    async with websockets.connect(url, additional_headers=headers, max_queue=None, max_size=None) as socket:
        yield Peer(socket)
