"""What ``antiphon serve``, ``kernel`` and ``config`` are told: by options, the environment and a file.

The settings themselves are defined by the two programs that obey them; like ``launch``, this module
imports them for that alone.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from antiphon_client.errors import ClientError
from antiphon_kernel.settings import (
    KERNEL,
    Given,
    Setting,
    SettingRefused,
    described,
    read,
    unknown_variables,
    values,
)
from antiphon_webserver.settings import SERVER

SECTIONS: dict[str, Sequence[Setting]] = {"server": SERVER, "kernel": KERNEL}

FILE_NAME = "antiphon.toml"
"""In the data directory, when neither ``--settings`` nor ``ANTIPHON_SETTINGS`` names another file."""


@dataclass(frozen=True)
class Told:
    """What counts, by section and key, and the file that was read, if there is one."""

    file: Path | None
    sections: Mapping[str, Mapping[str, Given]]

    @property
    def server(self) -> dict[str, Any]:
        """The values for the web server."""
        return values(self.sections["server"])

    @property
    def kernel_words(self) -> list[str]:
        """The options for a kernel that is started: what is not as it is by itself."""
        given = (each for each in self.sections["kernel"].values() if not each.is_default)
        return [word for each in given for text in each.texts for word in (each.setting.flag, text)]


def told(data: Path, file: Path | None, options: Mapping[str, Any], *sections: str) -> Told:
    """Find out what counts; say on standard error which names in the environment mean nothing.

    Args:
        file: the file that was named on the command line.
        options: the texts of the command line by key.
        sections: those that the command obeys.

    Raises:
        ClientError: a setting cannot be understood or is unknown; names it.
    """
    file = file or _file(data)
    try:
        found = {
            section: read(section, SECTIONS[section], flags=options, environment=os.environ, file=file)
            for section in sections
        }
    except SettingRefused as error:
        raise ClientError(str(error)) from error
    for name in unknown_variables(os.environ, [*SERVER, *KERNEL]):
        print(f"antiphon: {name} in the environment is no setting.", file=sys.stderr)
    for each in (given for section in found.values() for given in section.values()):
        if each.source == each.setting.flag and each.shown != each.texts:
            raise ClientError(
                f"{each.setting.flag}: others can see a password on a command line. "
                f"Set {each.setting.variable} instead, or {each.setting.name} in the file."
            )
    return Told(file, found)


def settings_options(*sections: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the options of these sections and ``--settings``; it gets ``options`` and ``file``."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        settings = [setting for section in sections for setting in SECTIONS[section] if setting.flag]

        @functools.wraps(command)
        def with_options(*args: Any, **given: Any) -> Any:
            options = {setting.key: given.pop(setting.key) for setting in settings}
            return command(*args, options=options, file=given.pop("settings"), **given)

        with_options = click.option(
            "--settings",
            metavar="FILE",
            type=click.Path(path_type=Path),
            help=f"File of settings; without it ANTIPHON_SETTINGS or {FILE_NAME} in the data directory.",
        )(with_options)
        for setting in reversed(settings):
            with_options = click.option(
                setting.flag,
                setting.key,
                metavar=setting.metavar,
                multiple=setting.many,
                help=described(setting),
            )(with_options)
        return with_options

    return decorate


def _file(data: Path) -> Path | None:
    if named := os.environ.get("ANTIPHON_SETTINGS"):
        return Path(named).expanduser()
    by_itself = data / FILE_NAME
    return by_itself if by_itself.exists() else None
