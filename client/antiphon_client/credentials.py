"""Tokens of servers that are not this user's own, one for each address, in one file (0600)."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from antiphon_client.runtime import config_directory, read_secret, write_secret


def tokens_file() -> Path:
    """Where the tokens are."""
    return config_directory() / "tokens.json"


def load_token(url: str) -> str:
    """The token for the server at ``url``, empty if there is none. Raises ``UnsafeFile``."""
    return (read_secret(tokens_file(), dict[str, str]) or {}).get(_origin(url), "")


def save_token(url: str, token: str) -> None:
    """Keep ``token`` for the server at ``url`` in place of an older one. Raises ``UnsafeFile``."""
    tokens = read_secret(tokens_file(), dict[str, str]) or {}
    write_secret(tokens_file(), {**tokens, _origin(url): token})


def _origin(url: str) -> str:
    """Two spellings of one address share a token; another port or scheme does not."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return f"{parts.scheme}://{parts.hostname}:{port}{parts.path.rstrip('/')}"
