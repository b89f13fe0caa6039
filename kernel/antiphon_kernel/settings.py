"""What an operator can say, each setting in one place: ``KERNEL`` here, ``SERVER`` in the web server.

What belongs here: what a setting is, how it is read from flags, environment and a file, and those of the
kernel. Flags, names in the environment, keys of the file and the table in ``docs/operate.md`` all come
from these definitions. What must never come here: what a setting does; entry points hand values down.

A flag counts before the environment, the environment before the file, the file before the default.
"""

from __future__ import annotations

import argparse
import difflib
import math
import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_PROCESSES = 1000
"""Of one session, unless the operator says otherwise: far more than work needs, and few enough that a
fork bomb ends before the machine does."""

FILE_BYTES = 64 * 2**10
"""A file of settings is a page or two."""

OTHER_VARIABLES = ("ANTIPHON_DATA", "ANTIPHON_SETTINGS", "ANTIPHON_TOKEN", "ANTIPHON_CONFIG")
"""Names in the environment that are no settings: where data and settings are, and what clients need."""


class SettingRefused(Exception):
    """A setting cannot be understood, or there is none of that name; a sentence for the operator."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting.

    Args:
        name: the key in the file; with two dashes before it, the flag.
        metavar: what stands for the value in help and documents.
        help: what it is, as a sentence without its default.
        parse: makes the value of the text; raises ``ValueError`` with a phrase, "'x' is not a size".
        default: the text that counts when nobody says anything; empty where that is no value.
        otherwise: what happens without a value, for the documents; by itself the default.
        secret: never shown, and no flag, because others may see a command line.
        many: any number of values: the flag repeated, in the environment by commas, in the file a list.
    """

    name: str
    metavar: str
    help: str
    parse: Callable[[str], Any] = str
    default: str = ""
    otherwise: str = ""
    secret: bool = False
    many: bool = False

    @property
    def key(self) -> str:
        """The name as Python writes it."""
        return self.name.replace("-", "_")

    @property
    def flag(self) -> str:
        return "" if self.secret else f"--{self.name}"

    @property
    def variable(self) -> str:
        return f"ANTIPHON_{self.key.upper()}"


@dataclass(frozen=True)
class Given:
    """What counts for one setting: the value, the texts it was made of, and who said so."""

    setting: Setting
    value: Any
    texts: tuple[str, ...]
    source: str

    @property
    def is_default(self) -> bool:
        return self.source == "default"

    @property
    def shown(self) -> tuple[str, ...]:
        """The texts without secrets."""
        return tuple("***" if self.setting.secret else without_password(text) for text in self.texts)


def without_password(text: str) -> str:
    """A text in which the passwords of addresses are masked."""
    text = re.sub(r"(://[^:/@\s]*:)[^@\s]*@", r"\1***@", text)
    return re.sub(r"(?i)([?&]password=)[^&\s]*", r"\1***", text)


def read(
    section: str,
    settings: Sequence[Setting],
    *,
    flags: Mapping[str, str | Sequence[str] | None],
    environment: Mapping[str, str],
    file: Path | None,
) -> dict[str, Given]:
    """What counts for each setting, by its ``key``.

    Args:
        section: the table of the file that holds these settings.
        flags: the texts that were given on the command line, by ``key``; None where nothing was.
        file: the file of settings; None for none. It may be missing only if it is None.

    Raises:
        SettingRefused: a text is no such value, or the file cannot be used; names the setting.
    """
    told = read_file(file).get(section, {}) if file else {}
    refuse_unknown(told, [setting.name for setting in settings], f"[{section}] of {file}")
    found = {}
    for setting in settings:
        said = flags.get(setting.key)
        if said is not None and said != ():
            texts, source = ((said,) if isinstance(said, str) else tuple(said)), setting.flag
        elif (variable := environment.get(setting.variable)) is not None:
            texts, source = (_words(variable) if setting.many else (variable,)), setting.variable
        elif setting.name in told:
            texts, source = _texts(setting, told[setting.name], file), str(file)
        else:
            texts, source = ((setting.default,) if setting.default else ()), "default"
        found[setting.key] = Given(setting, _value(setting, texts, source), texts, source)
    return found


def values(given: Mapping[str, Given]) -> dict[str, Any]:
    """The values alone, by ``key``."""
    return {key: each.value for key, each in given.items()}


def read_file(path: Path) -> dict[str, dict[str, Any]]:
    """The tables of a file of settings.

    Raises:
        SettingRefused: it is not there, no TOML, not of this user or writable by others, has a key
            outside a table; or has a secret that others can read.
    """
    try:
        with open(path, "rb") as file:
            state = os.fstat(file.fileno())
            text = file.read(FILE_BYTES + 1)
    except OSError as error:
        raise SettingRefused(f"The settings {path} cannot be read: {error.strerror}.") from error
    if state.st_uid not in (os.getuid(), 0) or state.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise SettingRefused(f"The settings {path} can be changed by other users. Repair: chmod 600 {path}")
    if len(text) > FILE_BYTES:
        raise SettingRefused(f"The settings {path} have more than {FILE_BYTES} bytes.")
    try:
        tables = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingRefused(f"The settings {path} are not TOML: {error}.") from error
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise SettingRefused(
                f"{name!r} in {path} stands in no table; write it below [server] or [kernel]."
            )
    refuse_unknown(tables, ("server", "kernel"), str(path))
    if state.st_mode & stat.S_IROTH and _has_secret(tables):
        raise SettingRefused(
            f"The settings {path} hold a secret that others can read. Repair: chmod 600 {path}"
        )
    return tables


def unknown_variables(environment: Iterable[str], settings: Sequence[Setting]) -> list[str]:
    """Names in the environment that look like settings and are none."""
    known = {*OTHER_VARIABLES, *(setting.variable for setting in settings)}
    return sorted(name for name in environment if name.startswith("ANTIPHON_") and name not in known)


def add_flags(parser: argparse.ArgumentParser, settings: Sequence[Setting]) -> None:
    """Give a parser the flags of these settings. What it parses is what ``read`` takes as ``flags``."""
    for setting in settings:
        if setting.flag:
            parser.add_argument(
                setting.flag,
                dest=setting.key,
                metavar=setting.metavar,
                action="append" if setting.many else "store",
                help=described(setting).replace("%", "%%"),
            )


def described(setting: Setting) -> str:
    """The help with what happens otherwise."""
    otherwise = setting.otherwise or setting.default
    return f"{setting.help} (default: {otherwise})" if otherwise else setting.help


def refuse_unknown(found: Iterable[str], known: Iterable[str], where: str) -> None:
    """Raises ``SettingRefused`` for a name that is not known, with the one that was perhaps meant."""
    known = list(known)
    for name in found:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise SettingRefused(f"There is no setting {name!r} in {where}.{hint}")


def _has_secret(tables: Mapping[str, Mapping[str, Any]]) -> bool:
    """A key that names one, or an address with a password. The keys of others' secrets are known by
    their last word, because a program knows its own settings only."""
    return any(
        name.endswith(("-token", "-secret", "-password")) or without_password(str(value)) != str(value)
        for table in tables.values()
        for name, value in table.items()
    )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _texts(setting: Setting, value: Any, file: Path | None) -> tuple[str, ...]:
    members = value if setting.many and isinstance(value, list) else [value]
    if any(not isinstance(member, (str, int, float)) for member in members):
        kind = "a list of texts" if setting.many else "a text or a number"
        raise SettingRefused(f"{setting.name} in {file}: must be {kind}.")
    return tuple(str(member).lower() if isinstance(member, bool) else str(member) for member in members)


def _value(setting: Setting, texts: tuple[str, ...], source: str) -> Any:
    try:
        parsed = tuple(setting.parse(text) for text in texts)
    except ValueError as error:
        where = "" if source in (setting.flag, setting.variable) else f" in {source}"
        name = source if not where else setting.name
        raise SettingRefused(f"{name}{where}: {error}.") from None
    if setting.many:
        return parsed
    return parsed[0] if parsed else None


# --- Kinds of values --------------------------------------------------------------------------

_SIZE = re.compile(r"(\d+(?:\.\d+)?) *([KMGT]?)(?:i?B)?", re.IGNORECASE)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?) *([smhd]?)")


def size(text: str) -> int:
    """Bytes of "0", "500M", "2G", "1.5 GiB"; a unit is a power of 1024."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size such as 500M or 2G")
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))


def duration(text: str) -> int:
    """Seconds of "0", "90", "15m", "2h", "1.5d"."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a time such as 90, 15m or 2h")
    return math.ceil(float(match[1]) * _SECONDS[match[2]])


def count(text: str) -> int:
    """A number from 0."""
    if not re.fullmatch("[0-9]{1,9}", text):
        raise ValueError(f"{text!r} is not a number from 0")
    return int(text)


def one_of(*words: str) -> Callable[[str], str]:
    """One of these words."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"{text!r} is not one of {', '.join(words)}")
        return text

    return parse


def names(text: str) -> tuple[str, ...]:
    """Names by commas."""
    return _words(text)


# --- The kernel's -----------------------------------------------------------------------------

KERNEL: tuple[Setting, ...] = (
    Setting(
        name="memory-limit",
        metavar="BYTES",
        parse=size,
        help="The most memory of one session, such as 2G; 0 for no limit.",
        otherwise="half of the machine's",
    ),
    Setting(
        name="cpu-limit",
        metavar="TIME",
        parse=duration,
        default="0",
        otherwise="0, no limit",
        help="The most CPU time of one session, such as 15m or 2h.",
    ),
    Setting(
        name="run-limit",
        metavar="TIME",
        parse=duration,
        default="0",
        otherwise="0, no limit",
        help="The longest time of one run, such as 15m.",
    ),
    Setting(
        name="process-limit",
        metavar="N",
        parse=count,
        default=str(MAX_PROCESSES),
        help="The most processes of one session; 0 for no limit.",
    ),
    Setting(
        name="output-limit",
        metavar="BYTES",
        parse=size,
        default="0",
        otherwise="0, no limit",
        help="The most output of one run, such as 100M; the rest is left out.",
    ),
    Setting(
        name="idle-limit",
        metavar="TIME",
        parse=duration,
        default="0",
        otherwise="0, never",
        help="Close a session that had nothing to do for so long, such as 2h.",
    ),
    Setting(
        name="interrupt-wait",
        metavar="TIME",
        parse=duration,
        default="5",
        otherwise="5 s",
        help="How long interrupted code may take to stop before people are told.",
    ),
    Setting(
        name="max-sessions", metavar="N", parse=count, default="1000", help="The most sessions at one time."
    ),
    Setting(name="ready", metavar="N", parse=count, default="1", help="Workers that wait ready-made."),
    Setting(
        name="outlive",
        metavar="TIME",
        parse=duration,
        default="5m",
        help="How long sessions wait for another kernel if theirs is killed; 0: they end with it.",
    ),
    Setting(
        name="preload",
        metavar="MODULES",
        parse=names,
        otherwise="numpy, pandas and matplotlib, where they are installed",
        help="Modules that each session has already imported, by commas.",
    ),
)
