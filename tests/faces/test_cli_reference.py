"""The reference page says what the command line says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from faces.run_cli import SOURCES
from locald.cli.described import commands

TOOL = Path(SOURCES).parent / "tools" / "cli_reference.py"


def test_the_reference_page_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, str(TOOL), "--check"],
        env={"PYTHONPATH": SOURCES},
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_and_option_is_explained() -> None:
    for command in commands():
        assert command.about
        for option in (*command.arguments, *command.options):
            assert option.help, f"{command.name} {option}"
