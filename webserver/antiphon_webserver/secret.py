"""Ids and secrets: how they are made, and what of them is stored."""

from __future__ import annotations

import hashlib
import secrets


def new_id() -> str:
    """128 random bits, URL-safe: 22 characters, the first one a letter. An id alone gives no right."""
    # The last character of 16 bytes in base64 is one of A, Q, g and w. At the front it keeps an id from
    # beginning with "-", which a command line takes for an option.
    text = secrets.token_urlsafe(16)
    return text[-1] + text[:-1]


def new_secret() -> str:
    """256 random bits, URL-safe: 43 characters. Whoever has it is let in."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """What is stored in a secret's place: its SHA-256 in hex.

    Looking a secret up by its digest tells nothing by its timing: who does not know the secret cannot
    choose how the digest begins.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
