"""Signing in at a real OpenID provider, another program on this machine: what is asked and believed."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey
from sqlalchemy import select

from antiphon_webserver import signin
from antiphon_webserver.oidc import Provider, ProviderFailed
from antiphon_webserver.server import Running, running
from antiphon_webserver.settings import Settings, SettingsRefused
from antiphon_webserver.storage.tables import oidc_begun
from tests.deadline import DEADLINE
from tests.webserver.peers import Browser, connect

pytestmark = pytest.mark.slow

CLIENT, SECRET = "antiphon", "a-secret-of-the-tests"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """The address of a provider, a process of its own."""
    serve = (
        "import oidc_provider_mock, time\n"
        "with oidc_provider_mock.run_server_in_thread(require_nonce=True) as server:\n"
        "    print(server.server_port, flush=True)\n"
        "    input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", serve],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
        text=True,
    ) as process:
        assert process.stdout is not None
        yield f"http://localhost:{int(process.stdout.readline())}"
        process.communicate("\n", timeout=DEADLINE)


@pytest.fixture
def settings(tmp_path: Path, data: Path, issuer: str) -> Settings:
    (tmp_path / "index.html").write_text("<!doctype html>")
    return Settings(
        data=data,
        kernel=data / "kernel.json",
        account="ada",
        port=0,
        static=tmp_path,
        oidc_issuer=issuer,
        oidc_client=CLIENT,
        oidc_secret=SECRET,
        oidc_signup=True,
    )


@pytest.fixture
async def server(settings: Settings) -> AsyncIterator[Running]:
    async with running(settings) as server:
        yield server


async def off(browser: Browser) -> str:
    """Begin, and be sent to the provider."""
    response = await browser.fetch("/oidc")
    assert response.code == 302
    return str(response.headers["Location"])


async def at_provider(url: str, **form: str) -> str:
    """What a person does there; where the browser is sent afterwards, on our side."""
    async with httpx2.AsyncClient(trust_env=False, timeout=DEADLINE) as client:
        assert (await client.get(url)).status_code == 200
        response = await client.post(url, data=form)
    assert response.status_code == 302, response.text
    back = urlsplit(response.headers["Location"])
    return f"{back.path}?{back.query}"


async def back(browser: Browser, path: str) -> str:
    """Come back; where that ends."""
    response = await browser.fetch(path)
    assert response.code == 302
    return str(response.headers["Location"])


async def identify(server: Running, settings: Settings, name: str, subject: str) -> None:
    token = json.loads(settings.runtime_file.read_text())["token"]
    async with connect(server.port, token) as admin:
        await admin.call("account.create", name=name)
        answer = await admin.call("account.identify", account=name, subject=subject)
        assert "error" not in answer


async def test_a_person_signs_in_and_is_the_same_one_the_next_time(server: Running) -> None:
    for _ in range(2):
        browser = Browser(server)
        assert await back(browser, await at_provider(await off(browser), sub="eve@example.org")) == "/"
        assert "antiphon_oidc" not in {name for name, value in browser.cookies.items() if value}
        await browser.fetch("/")
        assert (await browser.call("server.info"))["result"]["oidc"] is True
        assert (await browser.call("account.me"))["result"]["name"] == "eve@example.org"
    (way,) = {each["way"] for each in (await browser.call("signin.list"))["result"]}
    assert way == "oidc"


async def test_the_provider_is_asked_with_pkce_state_and_nonce(server: Running, issuer: str) -> None:
    url = urlsplit(await off(Browser(server)))
    asked = {name: value for name, (value,) in parse_qs(url.query).items()}
    assert f"{url.scheme}://{url.netloc}" == issuer
    assert asked["redirect_uri"] == f"{server.url}/oidc/return"
    (row,) = await server.context.database.read(lambda c: c.execute(select(oidc_begun)).all())
    assert (asked["state"], asked["nonce"]) == (row.state, row.nonce)
    proof = base64.urlsafe_b64encode(hashlib.sha256(row.verifier.encode()).digest()).decode().rstrip("=")
    assert (asked["code_challenge"], asked["code_challenge_method"]) == (proof, "S256")
    assert SECRET not in url.query


async def test_another_browser_and_a_second_time_and_a_wrong_state_are_refused(server: Running) -> None:
    ana, eve = Browser(server), Browser(server)
    path = await at_provider(await off(ana), sub="ana@example.org")
    await off(eve)
    assert await back(eve, path) == "/#oidc=expired"  # somebody else's code, in eve's browser
    kept = dict(ana.cookies)
    assert await back(ana, path) == "/"
    ana.cookies = kept
    assert await back(ana, path) == "/#oidc=expired"
    assert await back(Browser(server), path) == "/#oidc=expired"
    forged = Browser(server)
    parts = parse_qs(urlsplit(await at_provider(await off(forged), sub="x@example.org")).query)
    query = urlencode({"code": parts["code"][0], "state": "forged"})
    assert await back(forged, f"/oidc/return?{query}") == "/#oidc=expired"


async def test_who_denies_is_told_so_and_a_wrong_code_fails(server: Running) -> None:
    browser = Browser(server)
    url = await off(browser)
    state = parse_qs(urlsplit(url).query)["state"][0]
    denied = urlencode({"error": "access_denied", "state": state})
    assert await back(browser, f"/oidc/return?{denied}") == "/#oidc=denied"
    state = parse_qs(urlsplit(await off(browser)).query)["state"][0]
    query = urlencode({"code": "made-up", "state": state})
    assert await back(browser, f"/oidc/return?{query}") == "/#oidc=failed"
    assert not browser.cookies.get("antiphon_signin")


async def test_whom_an_admin_names_signs_in_and_nobody_else(settings: Settings) -> None:
    async with running(msgspec.structs.replace(settings, oidc_signup=False)) as server:
        stranger = Browser(server)
        assert await back(stranger, await at_provider(await off(stranger), sub="s@x.org")) == "/#oidc=unknown"
        await identify(server, settings, "ben", "ben-at-work")
        ben = Browser(server)
        assert await back(ben, await at_provider(await off(ben), sub="ben-at-work")) == "/"
        await ben.fetch("/")
        assert (await ben.call("account.me"))["result"]["name"] == "ben"


async def test_a_name_that_is_taken_is_not_taken_over(server: Running, settings: Settings) -> None:
    async with connect(server.port, json.loads(settings.runtime_file.read_text())["token"]) as admin:
        await admin.call("account.create", name="eva@example.org")
    eva = Browser(server)
    await back(eva, await at_provider(await off(eva), sub="eva@example.org"))
    await eva.fetch("/")
    assert (await eva.call("account.me"))["result"]["name"] == "eva@example.org-2"


async def test_a_provider_that_is_not_there_is_a_word_on_the_page(settings: Settings) -> None:
    gone = msgspec.structs.replace(settings, oidc_issuer="http://localhost:1")
    async with running(gone) as server:
        assert await off(Browser(server)) == "/#oidc=failed"


async def test_another_issuer_is_not_believed(issuer: str) -> None:
    with pytest.raises(ProviderFailed, match="another issuer"):
        await Provider(f"{issuer}/", CLIENT, SECRET, "http://x.test/oidc/return").begin()


KEY = RSAKey.generate_key(2048)
GOOD = {"iss": "https://p.test", "aud": CLIENT, "sub": "1", "nonce": "n", "exp": int(time.time()) + 86_400}


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "https://evil.test"},
        {"aud": "another"},
        {"nonce": "another"},
        {"exp": int(time.time()) - 600},
        {"azp": "another"},
        {"sub": None},
        {"nonce": None},
        {"exp": None},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_token_that_is_not_for_us_is_not_believed(wrong: dict[str, object]) -> None:
    provider = Provider("https://p.test", CLIENT, SECRET, "https://x.test/oidc/return")
    keys = KeySet([KEY]).as_dict(private=False)
    assert provider._read(jwt.encode({"alg": "RS256"}, GOOD, KEY), keys, "n").subject == "1"
    claims = {name: value for name, value in {**GOOD, **wrong}.items() if value is not None}
    with pytest.raises(ProviderFailed):
        provider._read(jwt.encode({"alg": "RS256"}, claims, KEY), keys, "n")


def test_a_token_signed_by_others_or_by_nobody_is_not_believed() -> None:
    provider = Provider("https://p.test", CLIENT, SECRET, "https://x.test/oidc/return")
    keys = KeySet([KEY]).as_dict(private=False)
    parts = (json.dumps(part).encode() for part in ({"alg": "none"}, GOOD))
    nobody = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    shared = jwt.encode({"alg": "HS256"}, GOOD, OctKey.import_key(SECRET))
    other = jwt.encode({"alg": "RS256"}, GOOD, RSAKey.generate_key(2048))
    for token in (other, f"{nobody}.", shared, "", "x"):
        with pytest.raises(ProviderFailed):
            provider._read(token, keys, "n")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"oidc_secret": ""}, "needs oidc-client and oidc-secret"),
        ({"oidc_issuer": "http://provider.example"}, "is not https"),
    ],
)
def test_a_provider_without_a_secret_or_tls_is_refused(
    settings: Settings, wrong: dict[str, str], sentence: str
) -> None:
    with pytest.raises(SettingsRefused, match=sentence):
        msgspec.structs.replace(settings, **wrong).check()


def test_every_fault_has_a_sentence_on_the_page() -> None:
    page = (Path(__file__).parents[2] / "frontend" / "src" / "http.ts").read_text()
    for fault in signin.OidcFault.__args__:  # type: ignore[attr-defined]  # a Literal has them
        assert f"  {fault}: " in page
