"""Modules imported before the fork, and whether their files are still those that were read."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import sys
from collections.abc import Iterable, Iterator

from ..message import Preloaded


def preload(names: Iterable[str]) -> tuple[list[Preloaded], list[str]]:
    """Import modules that are installed.

    Returns:
        What was imported, and a sentence about each that failed.
    """
    loaded, warnings = [], []
    for name in names:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                warnings.append(f"{name} could not be imported: {error}")
        except Exception as error:  # whatever a library's import may raise
            warnings.append(f"{name} could not be imported: {type(error).__name__}: {error}")
        else:
            loaded.append(_describe(name))
    return loaded, warnings


def _describe(name: str) -> Preloaded:
    module = sys.modules[name]
    package = sys.modules[name.partition(".")[0]]
    version = getattr(module, "__version__", None) or getattr(package, "__version__", None) or ""
    return Preloaded(name=name, version=str(version), file=str(getattr(module, "__file__", None) or ""))


class Sources:
    """The files of preloaded packages, as they are now. Of a package all that was imported counts.

    Args:
        names: modules; of "a.b" the files of all of "a" that was imported are watched.

    ``changed`` is what ``news`` told last.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._files = {name: dict(_stamps(name.partition(".")[0])) for name in names}
        self.changed: tuple[str, ...] = ()

    def news(self) -> tuple[str, ...] | None:
        """The modules that have changed, if they are others than at the last time."""
        changed = tuple(
            name
            for name, files in self._files.items()
            if any(_stamp(file) != stamp for file, stamp in files.items())
        )
        if changed == self.changed:
            return None
        self.changed = changed
        return changed


def _stamps(package: str) -> Iterator[tuple[str, tuple[int, int]]]:
    for name, module in list(sys.modules.items()):
        if name == package or name.startswith(f"{package}."):
            file = getattr(module, "__file__", None)
            if isinstance(file, str):
                yield file, _stamp(file)


def _stamp(file: str) -> tuple[int, int]:
    try:
        status = os.stat(file)
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size
