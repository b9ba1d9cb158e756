"""A plain command line means the same without argparse, and what is not plain is left to it."""

from __future__ import annotations

import itertools
import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from faces.run_cli import SOURCES
from locald.cli import plain
from locald.cli.command_line import parse
from locald.cli.index import MODULES

if TYPE_CHECKING:
    from pathlib import Path


def lines() -> list[list[str]]:
    """Each command with nothing, services, a folder, each switch, all switches, and each number."""
    found: list[list[str]] = []
    for command, (_, switches, numbers) in plain.COMMANDS.items():
        options = [[each] for each in switches] + [[each, "7"] for each in numbers]
        for given in ([], *options, list(itertools.chain(*options))):
            found += [[command, *given], [command, "web", *given, "db"], ["-C", "/tmp", command, *given]]
    return found


@pytest.mark.parametrize("line", lines(), ids=" ".join)
def test_a_plain_line_is_read_as_argparse_reads_it(line: list[str]) -> None:
    read = plain.read(line)
    assert read is not None
    command, given = read
    module = import_module(f"locald.cli.commands.{MODULES[command]}")
    assert {**vars(given), "run": module.run} == vars(parse(line))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "-C",
        "-C /tmp",
        "-C -C status",
        "--help",
        "status --help",
        "status -aw",
        "status --watch",
        "status -C /tmp",
        "status --",
        "logs -n",
        "logs -n x",
        "logs -n -1",
        "logs -n \N{SUPERSCRIPT TWO}",
        "logs -n5",
        "logs -n 99999999999999999999999",
        f"logs -n {'9' * 5000}",
        "up --on swarm",
        "up --timeout 5s",
        "why web",
        "stats",
    ],
)
def test_what_is_not_plain_is_left_to_argparse(line: str) -> None:
    assert plain.read(line.split()) is None


def test_an_empty_word_is_left_to_argparse() -> None:
    assert plain.read(["status", ""]) is None


@pytest.mark.parametrize("line", ["status", "status -a", "up web -d", "logs -n 5"])
def test_who_gives_a_plain_line_does_not_wait_for_argparse(line: str, tmp_path: Path) -> None:
    """Where no project is and no daemon runs."""
    script = f"import sys; from locald.cli.main import main; main({line.split()!r}); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": SOURCES, "LOCALD_HOME": str(tmp_path / "home"), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert "locald.cli.main" in done.stdout.split(), done.stderr
    assert "argparse" not in done.stdout.split()
    assert not (tmp_path / "home").exists()
