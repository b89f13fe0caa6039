"""Files of a session over plain HTTP: streamed, with the rights and limits of the methods."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest

from tests.conftest import AntiphonServer
from tests.webserver.peers import Peer, connect

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("command")]

LARGE = 3 * 2**20 + 17


class Files:
    """The files of one session, over one connection for each request."""

    def __init__(self, server: AntiphonServer, session: str, token: str) -> None:
        self._server, self._session, self._token = server, session, token

    async def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        return await asyncio.to_thread(self._ask, method, path, body, headers)

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        connection = HTTPConnection("127.0.0.1", self._server.port, timeout=120)
        try:
            auth = {"Authorization": f"Bearer {self._token}"} if self._token else {}
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, f"/file/{self._session}/{path}", body, {**auth, **named})
            answer: HTTPResponse = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()


@pytest.fixture
async def peer(shared_server: AntiphonServer) -> AsyncIterator[Peer]:
    async with connect(shared_server.port, shared_server.token) as peer:
        yield peer


async def session(peer: Peer, folder: Any) -> str:
    """A session that begins in a folder of its own."""
    uid = (await peer.call("session.create"))["result"]["uid"]
    return str(uid)


async def test_a_file_goes_there_and_comes_back_in_one_request_each(
    peer: Peer, shared_server: AntiphonServer
) -> None:
    uid = await session(peer, None)
    files = Files(shared_server, uid, shared_server.token)
    name, data = f"large {os.getpid()} ö.bin", os.urandom(LARGE)
    path = name.replace(" ", "%20").replace("ö", "%C3%B6")
    try:
        status, _, body = await files.ask("PUT", path, data)
        assert (status, json.loads(body)) == (201, {"size": LARGE})
        status, _, body = await files.ask("PUT", path, b"another")
        assert (status, "there is something of this name" in json.loads(body)["error"]) == (409, True)

        status, headers, body = await files.ask("GET", path)
        assert (status, len(body), hashlib.sha256(body).digest()) == (
            200,
            LARGE,
            hashlib.sha256(data).digest(),
        )
        assert headers["content-type"] == "application/octet-stream"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-disposition"].endswith(path)
        assert "attachment" in headers["content-disposition"]

        status, headers, body = await files.ask("GET", path, Range="bytes=1048570-1048589")
        assert (status, body) == (206, data[1048570:1048590])
        assert headers["content-range"] == f"bytes 1048570-1048589/{LARGE}"
        assert (await files.ask("GET", path, Range=f"bytes={LARGE}-"))[0] == 416
        status, same, body = await files.ask("HEAD", path)
        assert (status, same["content-length"], body) == (200, str(LARGE), b"")
        assert (await files.ask("GET", path, If_None_Match=headers["etag"]))[0] == 304

        assert (await files.ask("PUT", f"{path}?replace=1", b""))[0] == 201
        assert (await files.ask("GET", path))[2] == b""
        assert (await files.ask("GET", path, Range="bytes=0-5", If_Range=headers["etag"]))[0] == 200
    finally:
        await peer.call("file.delete", session=uid, path=name)
        await peer.call("session.close", session=uid)


async def test_who_may_not_learns_nothing_and_no_path_leads_out(
    peer: Peer, shared_server: AntiphonServer
) -> None:
    uid = await session(peer, None)
    try:
        for token, expected in (("", 401), ("no-token-of-anybody-here", 401)):
            for method, body in (("GET", None), ("PUT", b"x")):
                assert (await Files(shared_server, uid, token).ask(method, "a", body))[0] in (expected, 403)
        foreign = Files(shared_server, "no-session-no-session", shared_server.token)
        assert [(await foreign.ask(m, "a", b))[0] for m, b in (("GET", None), ("PUT", b"x"))] == [404, 404]
        files = Files(shared_server, uid, shared_server.token)
        assert (await files.ask("GET", "..%2F..%2Fetc%2Fpasswd"))[0] == 409
        assert (await files.ask("GET", "not-there"))[0] == 409
        assert (await files.ask("DELETE", "not-there"))[0] == 405
    finally:
        await peer.call("session.close", session=uid)
