"""Signing in at an OpenID provider: the authorization code flow with PKCE, state and nonce.

What belongs here: what is asked of the provider, and whether its answer can be believed. What must never
come here: accounts and cookies. ``authlib`` and ``httpx2`` are imported at the first sign-in: they are an
extra, and a server without a provider does without them.

Source: OpenID Connect Core 1.0, section 3.1; OpenID Connect Discovery 1.0, section 4; RFC 7636 (PKCE).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import msgspec

from .secret import new_secret

TIMEOUT_SECONDS = 10.0
ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
"""Signatures that are believed: none with a shared secret, and never "none"."""

LEEWAY_SECONDS = 60


class ProviderFailed(Exception):
    """The provider cannot be reached, or its answer cannot be believed; the sentence is for the log."""


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-in on its way: where the browser goes, and what must be known when it comes back."""

    url: str
    state: str
    nonce: str
    verifier: str


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who it is, as the provider says. ``subject`` never changes; the names may be empty."""

    issuer: str
    subject: str
    name: str
    display_name: str


class Provider:
    """One provider, by its configuration, which is asked for once.

    Args:
        issuer: its address, as it stands in its tokens.
        client, secret: what the provider gave to this server.
        redirect: where it sends browsers back.
    """

    def __init__(self, issuer: str, client: str, secret: str, redirect: str) -> None:
        self.issuer = issuer
        self._client = client
        self._secret = secret
        self._redirect = redirect
        self._known: dict[str, Any] | None = None

    async def begin(self) -> Begun:
        """Begin a sign-in.

        Raises:
            ProviderFailed: the provider does not say where.
        """
        known = await self._configuration()
        nonce, verifier = new_secret(), new_secret()
        async with self._session() as session:
            url, state = session.create_authorization_url(
                known["authorization_endpoint"], nonce=nonce, code_verifier=verifier
            )
        return Begun(url=url, state=state, nonce=nonce, verifier=verifier)

    async def finish(self, code: str, nonce: str, verifier: str) -> Identity:
        """Who came back with the code.

        Raises:
            ProviderFailed: the code was not taken, or the token is not for us, expired or not theirs.
        """
        known = await self._configuration()
        import httpx2
        from authlib.integrations.base_client.errors import OAuthError

        try:
            async with self._session() as session:
                told = await session.fetch_token(
                    known["token_endpoint"],
                    code=code,
                    code_verifier=verifier,
                    grant_type="authorization_code",
                )
            # Asked for each time: a provider changes its keys, and sign-ins are rare.
            async with httpx2.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
                keys = (await client.get(known["jwks_uri"])).raise_for_status().json()
        except (httpx2.HTTPError, OAuthError, ValueError) as error:
            raise ProviderFailed(f"the code was not taken: {type(error).__name__}: {error}") from error
        return self._read(str(told.get("id_token", "")), keys, nonce)

    def _read(self, token: str, keys: Any, nonce: str) -> Identity:
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        claims = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "value": self._client},
            sub={"essential": True},
            exp={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            found = jwt.decode(token, KeySet.import_key_set(keys), algorithms=list(ALGORITHMS)).claims
            claims.validate(found)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise ProviderFailed(f"the token is not believed: {type(error).__name__}: {error}") from error
        if found.get("azp", self._client) != self._client:
            raise ProviderFailed("the token was made for another client")
        return Identity(
            issuer=self.issuer,
            subject=str(found["sub"]),
            name=str(found.get("preferred_username") or found.get("email") or ""),
            display_name=str(found.get("name") or ""),
        )

    async def _configuration(self) -> dict[str, Any]:
        if self._known is None:
            import httpx2

            try:
                async with httpx2.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
                    where = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
                    known = (await client.get(where)).raise_for_status().json()
                endpoints = [known[name] for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
            except (httpx2.HTTPError, ValueError, KeyError, TypeError) as error:
                raise ProviderFailed(f"no configuration: {type(error).__name__}: {error}") from error
            if known.get("issuer") != self.issuer:
                raise ProviderFailed(f"the configuration is of another issuer, {known.get('issuer')!r}")
            if urlsplit(self.issuer).scheme == "https" and any(
                urlsplit(each).scheme != "https" for each in endpoints
            ):
                raise ProviderFailed("the configuration names an address without TLS")
            self._known = known
        return self._known

    def _session(self) -> Any:
        from authlib.integrations.httpx_client import AsyncOAuth2Client

        return AsyncOAuth2Client(
            self._client,
            self._secret,
            scope="openid profile email",
            redirect_uri=self._redirect,
            code_challenge_method="S256",
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
        )
