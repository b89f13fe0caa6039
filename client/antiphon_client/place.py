"""Which server a command talks to, and with which token. Options and environment are read here once."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from antiphon_client import credentials, processes, runtime
from antiphon_client.client import Client
from antiphon_client.errors import ClientError, NoServer

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class Place:
    """A server by its address, or the one of this user's data directory."""

    server: str | None = None
    data_flag: str | None = None

    @property
    def data(self) -> Path:
        """The data directory."""
        return runtime.data_directory(self.data_flag)

    def client(self) -> Client:
        """A client with a token.

        Raises:
            NoServer: no address was given and no server runs here.
            ClientError: there is no token for the address.
        """
        token = os.environ.get("ANTIPHON_TOKEN", "")
        if self.server is None:
            local = self.local()
            return Client(local.url, token or local.token)
        token = token or credentials.load_token(self.server) or self._local_token(self.server)
        if not token:
            raise ClientError(
                f"You are not signed in at {self.server}. "
                f"Sign in with: antiphon login --server {self.server}   (or set ANTIPHON_TOKEN)"
            )
        return Client(self.server, token)

    def local(self) -> runtime.ServerFile:
        """The running server of the data directory.

        Raises:
            NoServer: there is none. A file that a killed server left is not believed: another
                program may listen at its address now and would get the token.
        """
        found = runtime.read_server(self.data)
        process = processes.find(found.pid, "antiphon")
        if process is None:
            raise NoServer(
                "No Antiphon server is running for this user (the last one did not end in order). "
                "Start one with: antiphon serve"
            )
        with process:
            return found

    def _local_token(self, url: str) -> str:
        try:
            local = self.local()
        except NoServer:
            return ""
        return local.token if local.url.rstrip("/") == url.rstrip("/") else ""


def _set(name: str) -> Callable[[click.Context, click.Parameter, str | None], None]:
    def callback(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
        if value is not None:
            setattr(context.ensure_object(Place), name, value)

    return callback


def server_option(command: F) -> F:
    """``--server``, before or after the command's name."""
    return click.option(
        "--server",
        metavar="URL",
        expose_value=False,
        callback=_set("server"),
        help="Address of the server; without it, this user's own one on this machine.",
    )(command)


def data_option(command: F) -> F:
    """``--data``, before or after the command's name."""
    return click.option(
        "--data",
        metavar="DIR",
        expose_value=False,
        callback=_set("data_flag"),
        help="Data directory; without it ANTIPHON_DATA or the platform's default.",
    )(command)


def place_options(command: F) -> F:
    """Both."""
    return server_option(data_option(command))
