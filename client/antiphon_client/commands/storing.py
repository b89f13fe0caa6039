"""``antiphon backup`` and ``restore``: the database into a file, while it is used, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from antiphon_client import launch, settings
from antiphon_client.place import Place, data_option
from antiphon_client.settings import settings_options


@click.command(short_help="Write the database to a file, while it is used.")
@data_option
@settings_options("server")
@click.argument("backup_file", metavar="FILE", type=click.Path(path_type=Path))
@click.pass_obj
def backup(place: Place, options: dict[str, Any], file: Path | None, backup_file: Path) -> None:
    """Write everything that accounts, worksheets and outputs are to a new FILE, as it is at this moment.

    The server may go on. What it had acknowledged before is in FILE, which has secrets in it as hashes only.
    """
    told = settings.told(place.data, file, options, "server")
    size = launch.backup(place.data, told, backup_file)
    print(f"Wrote {backup_file} ({size / 2**20:.1f} MiB).")


@click.command(short_help="Put a backup in the place of a database that is not there.")
@data_option
@settings_options("server")
@click.argument("backup_file", metavar="FILE", type=click.Path(path_type=Path))
@click.pass_obj
def restore(place: Place, options: dict[str, Any], file: Path | None, backup_file: Path) -> None:
    """Make the database of FILE. One that is there is never overwritten: move it away before."""
    told = settings.told(place.data, file, options, "server")
    launch.restore(place.data, told, backup_file)
    print(f"Restored {backup_file} to {place.data}. Start it with: antiphon serve")
