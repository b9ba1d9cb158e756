"""Shows the monitor in this terminal until the user quits."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from locald.faces import words
from locald.monitor import safe
from locald.monitor.app import Monitor
from locald.monitor.board import Scope, row_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.wire.home import Home


def start(home: Home, directory: str | None, rows: list[Any], caller: Callable[[], dict[str, Any]]) -> int:
    """`directory` None: all projects. `rows`: of the services that are looked at. Returns an exit code."""
    return run(monitor(home, directory, rows, caller))


def run(app: Monitor, *, headless: bool = False) -> int:
    """Show it. A fault of ours is raised when the terminal is as it was."""
    app.run(headless=headless)
    if app.fault:
        raise app.fault
    return app.return_code or 0


def monitor(
    home: Home, directory: str | None, rows: list[Any], caller: Callable[[], dict[str, Any]]
) -> Monitor:
    """The monitor of a project, or of all."""
    written = [row for raw in rows if (row := row_of(safe.harmless(raw)))]
    if directory is None:
        return Monitor(lambda: home.sockets, Scope(), name="all projects", written=written, caller=caller)
    folders = {str(row.get("directory")) for row in written} | {directory}
    name = words.project(written[0]) if written else safe.line(os.path.basename(directory))
    return Monitor(lambda: home.sockets, Scope(frozenset(folders)), name=name, written=written, caller=caller)
