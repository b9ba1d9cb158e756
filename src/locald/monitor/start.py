"""Shows the monitor in this terminal until the user quits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from locald.monitor.app import Monitor
from locald.monitor.driver import taking_over
from locald.monitor.subject import subject

if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.monitor.opening import Opened
    from locald.monitor.subject import Subject
    from locald.wire.home import Home


def start(home: Home, about: Subject, caller: Callable[[], dict[str, Any]], screen: Opened | None) -> int:
    """`screen`: where the first picture is, if there is one. Returns an exit code."""
    app = _monitor(home, about, caller)
    if screen:
        app.driver_class = taking_over(screen)
    return run(app)


def run(app: Monitor, *, headless: bool = False) -> int:
    """Show it. A fault of ours is raised when the terminal is as it was."""
    app.run(headless=headless)
    if app.fault:
        raise app.fault
    return app.return_code or 0


def monitor(
    home: Home, directory: str | None, rows: list[Any], caller: Callable[[], dict[str, Any]]
) -> Monitor:
    """The monitor of a project, or of all. `rows`: of the services that are looked at."""
    return _monitor(home, subject(directory, rows), caller)


def _monitor(home: Home, about: Subject, caller: Callable[[], dict[str, Any]]) -> Monitor:
    sockets, written = (lambda: home.sockets), about.written
    return Monitor(sockets, about.scope, name=about.name, written=written, caller=caller)
