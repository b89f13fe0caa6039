"""``antiphon files``: list, get, put, move and remove the files of a session."""

from __future__ import annotations

import sys
from itertools import chain
from pathlib import Path

import click

from antiphon_client.commands.listing import show
from antiphon_client.errors import ClientError
from antiphon_client.model import FileEntry
from antiphon_client.place import Place, place_options
from antiphon_client.terminal import escape


@click.group(short_help="List, get, put, move and remove the files of a session.")
def files() -> None:
    """The files below the directory in which a session began. A PATH is names with / between them."""


@files.command()
@place_options
@click.argument("session")
@click.argument("path", default="")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@click.pass_obj
def ls(place: Place, session: str, path: str, as_json: bool) -> None:
    """List what the directory PATH of SESSION holds."""
    found: list[FileEntry] = []
    start: int | None = 0
    with place.client() as client:
        while start is not None:
            part = client.file_list(session, path, start)
            start = part.next
            found.extend(part.entries)
    rows = [(each.kind, str(each.size), each.changed, escape(each.name)) for each in found]
    show(tuple(found), ("KIND", "BYTES", "CHANGED", "NAME"), rows, as_json, "It is empty.")


@files.command()
@place_options
@click.argument("session")
@click.argument("path")
@click.option(
    "-o", "--output", metavar="FILE", help="Write to this file; - prints it. As it is called, if left out."
)
@click.pass_obj
def get(place: Place, session: str, path: str, output: str | None) -> None:
    """Bring the file PATH of SESSION here."""
    with place.client() as client:
        parts = client.file_parts(session, path)
        first = next(parts)  # whoever may not, or asks for nothing, makes no file here
        try:
            if output == "-":
                for part in chain((first,), parts):
                    sys.stdout.buffer.write(part)
                sys.stdout.buffer.flush()
                return
            with Path(output or path.rsplit("/", 1)[-1]).open("wb" if output else "xb") as file:
                for part in chain((first,), parts):
                    file.write(part)
        except OSError as error:
            raise ClientError(f"{error.filename or output} cannot be written: {error.strerror}.") from error


@files.command()
@place_options
@click.argument("session")
@click.argument("file")
@click.argument("path", required=False)
@click.option("--replace", is_flag=True, help="Also in the place of another file.")
@click.pass_obj
def put(place: Place, session: str, file: str, path: str | None, replace: bool) -> None:
    """Bring FILE to SESSION, where it is called PATH, or as here. It is there once it is there whole."""
    try:
        with Path(file).open("rb") as source, place.client() as client:
            client.file_put(session, path or Path(file).name, source.read, replace=replace)
    except OSError as error:
        raise ClientError(f"{file} cannot be read: {error.strerror}.") from error


@files.command()
@place_options
@click.argument("session")
@click.argument("path")
@click.argument("to")
@click.pass_obj
def mv(place: Place, session: str, path: str, to: str) -> None:
    """Move the file or directory PATH of SESSION to the path TO, where nothing may be."""
    with place.client() as client:
        client.file_rename(session, path, to)


@files.command()
@place_options
@click.argument("session")
@click.argument("path")
@click.pass_obj
def rm(place: Place, session: str, path: str) -> None:
    """Remove the file or the empty directory PATH of SESSION."""
    with place.client() as client:
        client.file_delete(session, path)


@files.command()
@place_options
@click.argument("session")
@click.argument("path")
@click.pass_obj
def mkdir(place: Place, session: str, path: str) -> None:
    """Make the directory PATH in SESSION."""
    with place.client() as client:
        client.file_make(session, path)
