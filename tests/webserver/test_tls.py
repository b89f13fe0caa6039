"""TLS by the web server itself: what it speaks, and the cookies that insist on it."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import trustme
import websockets
from tornado.httpclient import AsyncHTTPClient

from antiphon_webserver.server import Running, running
from antiphon_webserver.settings import Settings, SettingsRefused
from tests.webserver.peers import Peer, link

NAME = "lab.example"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def settings(tmp_path: Path, data: Path, authority: trustme.CA) -> Settings:
    (tmp_path / "index.html").write_text("<!doctype html>")
    issued = authority.issue_cert("localhost", NAME)
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    (tmp_path / "key.pem").chmod(0o600)
    return Settings(
        data=data,
        kernel=data / "kernel.json",
        account="ada",
        port=0,
        static=tmp_path,
        url=f"https://{NAME}",
        tls_cert=tmp_path / "cert.pem",
        tls_key=tmp_path / "key.pem",
    )


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[Running]:
    async with running(settings) as server:
        yield server


@pytest.fixture
def trust(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_signing_in_by_tls_gives_cookies_that_never_leave_it(
    server: Running, trust: ssl.SSLContext
) -> None:
    client = AsyncHTTPClient(force_instance=True, defaults={"ssl_options": trust})
    url = f"https://localhost:{server.port}"
    page = await client.fetch(url, connect_timeout=60)
    assert page.headers["Strict-Transport-Security"].startswith("max-age=")
    xsrf = page.headers["Set-Cookie"]
    assert "secure" in xsrf.lower()
    value = xsrf.partition("=")[2].partition(";")[0]
    answer = await client.fetch(
        f"{url}/login",
        method="POST",
        headers={"Cookie": f"_xsrf={value}", "X-XSRFToken": value, "Content-Type": "application/json"},
        body=json.dumps({"link": await link(server)}),
    )
    cookie = answer.headers["Set-Cookie"]
    # Source: RFC 6265bis, section 4.1.3.2: with this prefix, Secure, Path=/ and no Domain are a must.
    assert cookie.startswith("__Host-antiphon_signin=")
    assert {part.strip().lower() for part in cookie.split(";")} >= {"secure", "path=/", "httponly"}
    assert "domain" not in cookie.lower()
    async with websockets.connect(
        f"wss://localhost:{server.port}/rpc",
        ssl=trust,
        additional_headers={"Cookie": cookie.partition(";")[0], "Origin": url},
    ) as wire:
        assert (await Peer(wire).call("account.me"))["result"]["name"] == "ada"
    # The same secret under the name that a page without TLS could have set counts for nothing.
    plain = cookie.partition(";")[0].removeprefix("__Host-")
    with pytest.raises(websockets.InvalidStatus):
        await websockets.connect(
            f"wss://localhost:{server.port}/rpc", ssl=trust, additional_headers={"Cookie": plain}
        )


async def test_nothing_is_answered_without_tls(server: Running) -> None:
    with pytest.raises(OSError):  # noqa: PT011  closed, reset or refused: each system has its own word
        await AsyncHTTPClient(force_instance=True).fetch(f"http://127.0.0.1:{server.port}/health")


async def test_a_key_of_another_certificate_is_refused_at_the_start(
    settings: Settings, authority: trustme.CA, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    authority.issue_cert(NAME).private_key_pem.write_to_path(other)
    other.chmod(0o600)
    with pytest.raises(SettingsRefused, match="cannot be used"):
        async with running(msgspec.structs.replace(settings, tls_key=other)):
            pass
