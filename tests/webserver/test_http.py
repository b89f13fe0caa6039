"""The real server over real sockets: who is let in, what a browser is told, JSON-RPC both ways."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import websockets

from antiphon_webserver.http.security import FRAME_POLICY, PAGE_POLICY, Door, Refused
from antiphon_webserver.server import Running, running
from antiphon_webserver.settings import Settings
from tests.deadline import DEADLINE
from tests.webserver.peers import Browser, Peer, connect, link


@pytest.fixture
def settings(tmp_path: Path, data: Path) -> Settings:
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    (static / "index.html").write_text("<!doctype html><title>Antiphon</title>")
    (static / "frame.html").write_text("<!doctype html><title>Output</title>")
    (static / "assets" / "main-abc.js").write_text("export {}")
    return Settings(data=data, kernel=data / "kernel.json", account="ada", port=0, static=static)


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[Running]:
    async with running(settings) as server:
        yield server


@pytest.fixture
async def browser(server: Running) -> Browser:
    return Browser(server)


@pytest.fixture
async def token(server: Running, settings: Settings) -> str:
    return str(json.loads(settings.runtime_file.read_text())["token"])


# --- The page ---------------------------------------------------------------------------------


async def test_page_is_served_with_a_strict_policy_and_an_xsrf_cookie(browser: Browser) -> None:
    for path in ("/", "/w/abcDEF_-123"):
        response = await browser.fetch(path)
        assert response.code == 200
        assert b"<title>Antiphon</title>" in response.body
        assert response.headers["Content-Security-Policy"] == PAGE_POLICY
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "_xsrf" in browser.cookies


async def test_output_frame_has_its_own_policy(browser: Browser) -> None:
    response = await browser.fetch("/frame.html")
    assert response.headers["Content-Security-Policy"] == FRAME_POLICY
    assert FRAME_POLICY.startswith("sandbox allow-scripts; default-src 'none'")


async def test_assets_are_kept_for_ever_and_stay_in_their_folder(browser: Browser) -> None:
    response = await browser.fetch("/assets/main-abc.js")
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response.headers["Content-Type"] == "text/javascript"
    for path in ("/assets/../index.html", "/assets/%2e%2e/%2e%2e/data/server.json", "/server.json"):
        assert (await browser.fetch(path)).code in (403, 404)


async def test_missing_page_is_told_in_a_sentence(settings: Settings, tmp_path: Path) -> None:
    async with running(msgspec.structs.replace(settings, static=tmp_path / "none")) as server:
        response = await Browser(server).fetch("/")
    assert response.code == 503
    assert json.loads(response.body)["error"].startswith("The page is not built.")


async def test_health_tells_the_state_of_the_kernel(browser: Browser) -> None:
    body = json.loads((await browser.fetch("/health")).body)
    assert (body["status"], body["kernel"]) == ("ok", "starting")


async def test_unknown_address_is_answered_in_json(browser: Browser) -> None:
    response = await browser.fetch("/nothing")
    assert (response.code, json.loads(response.body)) == (404, {"error": "There is nothing here."})


# --- Signing in -------------------------------------------------------------------------------


async def test_link_signs_in_once(browser: Browser) -> None:
    await browser.fetch("/")
    secret = await link(browser.server)
    response = await browser.fetch("/login", {"link": secret})
    assert response.code == 200
    assert json.loads(response.body)["name"] == "ada"
    cookie = next(c for c in response.headers.get_list("Set-Cookie") if c.startswith("antiphon_signin="))
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert (await browser.call("account.me"))["result"]["name"] == "ada"
    again = await browser.fetch("/login", {"link": secret})
    assert again.code == 401
    assert json.loads(again.body)["error"]["data"]["name"] == "NotSignedIn"


async def test_sign_out_ends_the_sign_in(browser: Browser) -> None:
    await browser.sign_in()
    cookie = browser.cookies["antiphon_signin"]
    assert (await browser.fetch("/logout", {})).code == 204
    browser.cookies["antiphon_signin"] = cookie
    assert (await browser.call("account.me"))["error"]["data"]["name"] == "NotSignedIn"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"name": "ada"}', b'{"link": 1}', b"\xff", b"[" * 3000])
async def test_login_refuses_what_it_cannot_read(browser: Browser, body: bytes) -> None:
    await browser.fetch("/")
    response = await browser.fetch("/login", body)
    assert response.code == 400
    assert "body must be" in json.loads(response.body)["error"]


# --- Who may ask ------------------------------------------------------------------------------

REQUEST = {"jsonrpc": "2.0", "id": 1, "method": "account.me", "params": {}}


async def test_cookie_without_xsrf_header_is_refused(browser: Browser) -> None:
    await browser.sign_in()
    for wrong in ("", "x" * 32):
        response = await browser.fetch("/rpc", REQUEST, headers={"X-XSRFToken": wrong})
        assert response.code == 403
        assert "X-XSRFToken" in json.loads(response.body)["error"]
    assert (await browser.fetch("/rpc", REQUEST)).code == 200


async def test_login_without_xsrf_header_is_refused(browser: Browser) -> None:
    response = await browser.fetch("/login", {"link": "x"}, headers={"X-XSRFToken": ""})
    assert response.code == 403


async def test_token_needs_no_cookie(browser: Browser, token: str) -> None:
    response = await browser.fetch(
        "/rpc", REQUEST, headers={"Authorization": f"Bearer {token}", "X-XSRFToken": ""}
    )
    assert json.loads(response.body)["result"]["name"] == "ada"


async def test_form_of_a_foreign_page_is_refused(browser: Browser, token: str) -> None:
    response = await browser.fetch(
        "/rpc", REQUEST, headers={"Authorization": f"Bearer {token}", "Content-Type": "text/plain"}
    )
    assert response.code == 415


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:80"])
@pytest.mark.parametrize("path", ["/", "/health", "/frame.html", "/assets/main-abc.js", "/nothing"])
async def test_foreign_host_is_refused_everywhere(browser: Browser, path: str, host: str) -> None:
    response = await browser.fetch(path, headers={"Host": host})
    assert response.code == 403
    assert "Host" in json.loads(response.body)["error"]


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1", "https://localhost:{port}"]
)
async def test_foreign_origin_is_refused(browser: Browser, token: str, origin: str) -> None:
    headers = {"Authorization": f"Bearer {token}", "Origin": origin.format(port=browser.server.port)}
    assert (await browser.fetch("/rpc", REQUEST, headers=headers)).code == 403
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(f"ws://127.0.0.1:{browser.server.port}/rpc", additional_headers=headers)
    assert refused.value.response.status_code == 403


def test_origin_must_be_that_of_the_host() -> None:
    door = Door(frozenset({"localhost:1", "127.0.0.1:1", "lab.example"}), "https://lab.example")
    door.check({"Host": "localhost:1", "Origin": "http://localhost:1"}, changes=True)
    door.check({"Host": "lab.example", "Origin": "https://lab.example"}, changes=True)
    for origin in ("http://127.0.0.1:1", "http://localhost:12", "http://localhost"):
        with pytest.raises(Refused):
            door.check({"Host": "localhost:1", "Origin": origin}, changes=True)
    with pytest.raises(Refused):
        door.check({"Host": "localhost:1", "Sec-Fetch-Site": "same-site"}, changes=True)


# --- JSON-RPC ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        (b"[" * 100_000, -32005),
        (b"[]", -32600),
        (b"1", -32600),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "no.such"}', -32601),
        (b'{"jsonrpc": "2.0", "id": 1, "method": "worksheet.open", "params": {"worksheet": 1}}', -32602),
    ],
)
async def test_hostile_json_gets_an_error_and_the_server_goes_on(
    browser: Browser, token: str, body: bytes, code: int
) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    response = await browser.fetch("/rpc", body, headers=headers)
    assert json.loads(response.body)["error"]["code"] == code
    async with connect(browser.server.port, token) as peer:
        if b"\xff" not in body:
            await peer.socket.send(body.decode())
            assert (await peer.answer())["error"]["code"] == code
        assert (await peer.call("account.me"))["result"]["name"] == "ada"


async def test_notification_is_not_answered(browser: Browser, token: str) -> None:
    body = b'{"jsonrpc": "2.0", "method": "account.me", "params": {}}'
    response = await browser.fetch("/rpc", body, headers={"Authorization": f"Bearer {token}"})
    assert (response.code, response.body) == (204, b"")


async def test_too_large_a_body_is_refused(browser: Browser, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    response = await browser.fetch("/rpc", b" " * (4 * 2**20 + 1), headers=headers)
    assert json.loads(response.body)["error"]["data"]["name"] == "LimitExceeded"


# --- The WebSocket ----------------------------------------------------------------------------


async def test_websocket_needs_somebody(browser: Browser) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(f"ws://127.0.0.1:{browser.server.port}/rpc", additional_headers=headers)
        assert refused.value.response.status_code == 401


async def test_websocket_takes_the_cookie_of_a_browser(browser: Browser) -> None:
    await browser.sign_in()
    origin = f"http://127.0.0.1:{browser.server.port}"
    cookie = f"antiphon_signin={browser.cookies['antiphon_signin']}"
    async with connect(browser.server.port, Cookie=cookie, Origin=origin) as peer:
        assert (await peer.call("account.me"))["result"]["name"] == "ada"


async def test_binary_is_refused(server: Running, token: str) -> None:
    async with connect(server.port, token) as peer:
        await peer.socket.send(b"{}")
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await peer.notified("nothing")
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1003


async def test_two_windows_see_every_entry_once_in_order(server: Running, token: str) -> None:
    async with connect(server.port, token) as one, connect(server.port, token) as two:
        sheet = (await one.call("worksheet.create", title="T"))["result"]["id"]
        cell = (await one.call("worksheet.open", worksheet=sheet))["result"]["cells"][0]["id"]
        for peer in (one, two):
            assert "error" not in await peer.call("worksheet.subscribe", worksheet=sheet, cursor=1)
        for version in range(20):
            edit = {"worksheet": sheet, "cell": cell, "version": version, "source": f"{version}"}
            assert (await two.call("cell.edit", **edit))["result"] == {"version": version + 1}
        for peer in (one, two):
            assert await entries(peer, 20) == list(range(2, 22))
        async with connect(server.port, token) as again:
            await again.call("worksheet.subscribe", worksheet=sheet, cursor=5)
            assert await entries(again, 16) == list(range(6, 22))


async def entries(peer: Peer, count: int) -> list[int]:
    """The numbers of the next entries."""
    numbers: list[int] = []
    while len(numbers) < count:
        numbers += [entry["number"] for entry in (await peer.notified("worksheet.entries"))["entries"]]
    return numbers


async def test_presence_follows_the_windows(server: Running, token: str) -> None:
    async with connect(server.port, token) as one:
        sheet = (await one.call("worksheet.create", title="T"))["result"]["id"]
        await one.call("worksheet.subscribe", worksheet=sheet, cursor=0)
        assert await people(one) == [("ada", 1)]
        async with connect(server.port, token) as two:
            await two.call("worksheet.subscribe", worksheet=sheet, cursor=0)
            assert await people(one) == [("ada", 2)]
            assert await people(two) == [("ada", 2)]
        assert await people(one) == [("ada", 1)]


async def people(peer: Peer) -> list[tuple[str, int]]:
    found = (await peer.notified("worksheet.presence"))["people"]
    return [(person["account"], person["windows"]) for person in found]


async def test_a_flood_of_carets_reaches_the_others_as_a_few(server: Running, token: str) -> None:
    async with connect(server.port, token) as one, connect(server.port, token) as two:
        sheet = (await one.call("worksheet.create", title="T"))["result"]["id"]
        cell = (await one.call("worksheet.open", worksheet=sheet))["result"]["cells"][0]["id"]
        early = await one.call("worksheet.caret", worksheet=sheet, cell=cell)
        assert early["error"]["data"]["name"] == "Conflict"
        for peer in (one, two):
            await peer.call("worksheet.subscribe", worksheet=sheet, cursor=0)
            await peer.notified("worksheet.presence")
        answers = [
            await one.call("worksheet.caret", worksheet=sheet, cell=cell, head=head) for head in range(200)
        ]
        refused = [answer for answer in answers if "error" in answer]
        assert refused[0]["error"]["data"]["limit"] == "carets_per_second"
        last = max(head for head, answer in enumerate(answers) if "result" in answer)
        told = [(await two.notified("worksheet.carets"))["carets"]]
        while told[-1][0]["head"] < last:
            told.append((await two.notified("worksheet.carets"))["carets"])
        assert len(told) < len(answers) - len(refused)
        assert told[-1][0]["window"] == answers[0]["result"]["window"]


async def test_deleted_worksheet_ends_its_subscriptions(server: Running, token: str) -> None:
    async with connect(server.port, token) as peer:
        sheet = (await peer.call("worksheet.create", title="T"))["result"]["id"]
        await peer.call("worksheet.subscribe", worksheet=sheet, cursor=0)
        await peer.call("worksheet.delete", worksheet=sheet)
        closed = {"worksheet": sheet, "reason": "The worksheet was deleted."}
        assert await peer.notified("worksheet.closed") == closed


@pytest.mark.slow
async def test_who_loses_a_right_loses_the_subscription(
    server: Running, token: str, browser: Browser
) -> None:
    async with connect(server.port, token) as owner:
        made = (await owner.call("account.create", name="bob"))["result"]
        sheet = (await owner.call("worksheet.create", title="T"))["result"]["id"]
        await owner.call("member.set", worksheet=sheet, account="bob", role="observe")
        await browser.fetch("/")
        await browser.fetch("/login", {"link": made["link"]["url"].partition("#link=")[2]})
        async with connect(
            server.port, Cookie=f"antiphon_signin={browser.cookies['antiphon_signin']}"
        ) as bob:
            await bob.call("worksheet.subscribe", worksheet=sheet, cursor=0)
            await owner.call("member.remove", worksheet=sheet, account="bob")
            async with asyncio.timeout(DEADLINE):
                assert (await bob.notified("worksheet.closed"))["worksheet"] == sheet
            await browser.fetch("/logout", {})
            with pytest.raises(websockets.ConnectionClosed) as closed:
                async with asyncio.timeout(DEADLINE):
                    await bob.notified("nothing")
    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4401, "the sign-in has ended")


async def test_a_visitor_sees_the_worksheet_at_once_and_is_out_when_the_link_is_revoked(
    server: Running, token: str, browser: Browser
) -> None:
    async with connect(server.port, token) as owner:
        sheet = (await owner.call("worksheet.create", title="T"))["result"]["id"]
        made = (await owner.call("link.create", worksheet=sheet, role="observe"))["result"]
        await browser.fetch("/")
        response = await browser.fetch("/login", {"visit": made["url"].partition("#visit=")[2]})
        visited = json.loads(response.body)
        assert (visited["worksheet"], visited["account"]["visitor"]) == (sheet, True)
        cookie = f"antiphon_signin={browser.cookies['antiphon_signin']}"
        again = await browser.fetch("/login", {"visit": made["url"].partition("#visit=")[2]})
        assert json.loads(again.body) == visited
        async with connect(server.port, Cookie=cookie) as guest:
            opened = (await guest.call("worksheet.open", worksheet=sheet))["result"]
            assert opened["worksheet"]["role"] == "observe"
            await guest.call("worksheet.subscribe", worksheet=sheet, cursor=opened["cursor"])
            people = (await guest.notified("worksheet.presence"))["people"]
            assert [person["display_name"] for person in people] == ["visitor 1"]
            await owner.call("link.revoke", worksheet=sheet, link=made["link"]["id"])
            with pytest.raises(websockets.ConnectionClosed) as closed:
                async with asyncio.timeout(DEADLINE):
                    await guest.notified("nothing")
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401
    assert (await browser.fetch("/login", {"visit": "x"})).code == 401


async def test_a_password_change_and_an_admin_end_open_sockets(
    server: Running, token: str, browser: Browser
) -> None:
    await browser.sign_in()
    other = Browser(server)
    await other.sign_in()
    cookies = [f"antiphon_signin={each.cookies['antiphon_signin']}" for each in (browser, other)]
    async with (
        connect(server.port, Cookie=cookies[0]) as here,
        connect(server.port, Cookie=cookies[1]) as there,
    ):
        await there.call("account.me")
        await here.call("account.set_password", password="correct horse")  # noqa: S106  of nobody
        with pytest.raises(websockets.ConnectionClosed) as closed:
            async with asyncio.timeout(DEADLINE):
                await there.notified("nothing")
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401
        assert (await here.call("account.me"))["result"]["name"] == "ada"
        async with connect(server.port, token) as admin:
            await admin.call("signin.end", account="ada")
            with pytest.raises(websockets.ConnectionClosed):
                async with asyncio.timeout(DEADLINE):
                    await here.notified("nothing")
            assert (await admin.call("account.me"))["result"]["name"] == "ada"
