"""What can go wrong in a client, as one tree.

ClientError                a sentence for a person: what is wrong and what to do
├── NoServer               nothing is running that this user could talk to
├── UnsafeFile             a file with a secret that others could have written or read
├── ServerUnreachable      no connection, or it broke before the answer came
├── NotAntiphon            something answered, but not with JSON-RPC
└── RpcError               the server refused; ``name`` and ``code`` are stable, ``data`` has the details
    └── NotSignedIn        the token is missing, wrong or revoked
"""

from __future__ import annotations

from typing import Any


class ClientError(Exception):
    """Base of all errors of this package. ``str()`` is a sentence for a person."""


class NoServer(ClientError):
    """No server is running for this user."""


class UnsafeFile(ClientError):
    """A file that holds a secret belongs to somebody else, or others may read or write it."""


class ServerUnreachable(ClientError):
    """The server could not be reached, or went away before it answered."""


class NotAntiphon(ClientError):
    """What answered does not speak Antiphon's JSON-RPC."""


class RpcError(ClientError):
    """The server's answer was an error.

    Args:
        code: the number on the wire, as in ``spec/message_spec.rst``.
        name: the stable word for the code, such as "NotFound".
        message: a sentence for a person.
        data: what else the server told.
    """

    def __init__(self, code: int, name: str, message: str, data: dict[str, Any]) -> None:
        super().__init__(message)
        self.code = code
        self.name = name
        self.message = message
        self.data = data


class NotSignedIn(RpcError):
    """The token is missing, wrong or revoked."""
