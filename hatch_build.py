"""Build hook: the page is built before a wheel, an editable install or a source distribution is made.

Where the system has no Node, the build asks for PyPI's Node wheel as a build requirement, so that
``pip install .`` is enough.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageHook(BuildHookInterface[Any]):
    """Builds ``frontend/`` into ``webserver/antiphon_webserver/static`` if that is missing or older."""

    PLUGIN_NAME = "custom"

    @property
    def _page(self) -> ModuleType:
        # The project's folder is not on the path of an isolated build.
        spec = importlib.util.spec_from_file_location("page", Path(self.root) / "tools" / "page.py")
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def dependencies(self) -> list[str]:
        """What the build needs in addition: Node, if the page must be built and the system has none."""
        page = self._page
        needs_node = page.is_stale(Path(self.root)) and page.system_node() is None
        return [page.NODE_WHEEL] if needs_node else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before the files are collected."""
        self._page.build(Path(self.root))
