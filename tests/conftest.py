"""What all tiers share: a Docker Engine, and the plain word on what was not tested."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from hypothesis import settings

from engine.session import docker, private_docker

if TYPE_CHECKING:
    import pytest

__all__ = ["docker", "private_docker"]

# Whoever started us in the background may have had these ignored, which no program of a test could undo.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("whenever", deadline=None)  # no test is about how fast a busy machine is
settings.load_profile("whenever")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show why tests were run once more, and name those that were not run, by reason: nobody looks for
    what is merely not green."""
    for report in terminalreporter.getreports("rerun"):
        terminalreporter.section(f"run once more: {report.nodeid}")
        terminalreporter.write_line(report.longreprtext)
    reasons: dict[str, dict[str, int]] = {}
    for report in terminalreporter.getreports("skipped"):
        _, _, reason = (
            report.longrepr if isinstance(report.longrepr, tuple) else ("", 0, str(report.longrepr))
        )
        files = reasons.setdefault(reason.removeprefix("Skipped: "), {})
        file = report.nodeid.partition("::")[0]
        files[file] = files.get(file, 0) + 1
    if reasons:
        terminalreporter.section("not run")
    for reason, files in reasons.items():
        terminalreporter.write_line(f"{sum(files.values())} tests: {reason}")
        for file, count in files.items():
            terminalreporter.write_line(f"    {count:3}  {file}")
