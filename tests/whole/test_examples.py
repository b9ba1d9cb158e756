"""The examples do what their pages say."""

from __future__ import annotations

import json
import re
import shutil
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whole.machine import Machine

ROOT = Path(__file__).resolve().parents[2]


def bring(machine: Machine, example: str) -> dict[str, dict[str, Any]]:
    """A copy of the example, up: its rows by service."""
    folder = machine.folder / example
    shutil.copytree(ROOT / "examples" / example, folder)
    done = machine.locald("up", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return {row["name"]: row for row in json.loads(done.stdout)["services"]}


def test_the_shop_shows_every_source_of_its_five_services(machine: Machine) -> None:
    rows = bring(machine, "shop")
    assert {name: (row["source"], row["fallback"]) for name, row in rows.items()} == {
        "store": ("notify", False),
        "seed": ("process", False),
        "api": ("explicit", False),
        "web": ("tcp", True),
        "worker": ("process", True),
    }
    with urllib.request.urlopen(rows["web"]["url"], timeout=10) as page:
        shown = page.read().decode()
    assert all(product in shown for product in ("apples", "bread", "cheese"))


def test_hello_needs_no_more_than_five_lines(machine: Machine) -> None:
    rows = bring(machine, "hello")
    assert rows["web"]["health"] == "healthy"
    lines = (ROOT / "examples" / "hello" / "locald.toml").read_text().splitlines()
    assert len([line for line in lines if line and not line.startswith("#")]) <= 5


def test_this_repository_s_own_file_is_in_order(machine: Machine) -> None:
    done = machine.locald("config", "check", "-C", str(ROOT))
    assert done.returncode == 0, done.stderr


def test_the_tutorial_goes_as_it_says(machine: Machine) -> None:
    """Its file comes up, its mistake is found and explained, and its file comes up again."""
    text = (ROOT / "docs" / "tutorial" / "getting-started.md").read_text()
    whole, broken = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    folder = machine.folder / "first"
    folder.mkdir()
    file = folder / "locald.toml"
    file.write_text(whole)
    assert machine.locald("up", cwd=folder).returncode == 0
    sources = {row["name"]: row["source"] for row in rows_of(machine, folder)}
    assert sources == {"files": "tcp", "watcher": "process"}

    begin, end = whole.index("[services.files]"), whole.index("[services.watcher]")
    file.write_text(whole[:begin] + broken + whole[end:])
    done = machine.locald("up", cwd=folder)
    assert done.returncode == 1
    assert "9321" in done.stderr
    assert "9321" in machine.locald("why", "files", cwd=folder).stdout

    file.write_text(whole)
    assert machine.locald("up", cwd=folder).returncode == 0


def rows_of(machine: Machine, folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(machine.locald("status", "--json", cwd=folder).stdout)["services"]
    return rows
