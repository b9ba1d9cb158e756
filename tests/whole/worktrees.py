"""A repository with worktrees, and what runs in each."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

from whole.machine import by_name

if TYPE_CHECKING:
    from pathlib import Path

    from whole.machine import Json, Machine


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "init.defaultBranch=main")
    quiet = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, env=quiet)


def worktrees(machine: Machine, toml: str, *branches: str) -> dict[str, Path]:
    """A repository with a worktree for each branch, by what the instances are called."""
    shop = machine.folder / "shop"
    machine.write(toml, folder=shop)
    git(shop, "init")
    git(shop, "add", ".")
    git(shop, "commit", "-m", "begin")
    found = {"": shop}
    for branch in branches:
        folder = machine.folder / branch.replace("/", "-")
        git(shop, "worktree", "add", "-b", branch, str(folder))
        found[folder.name] = folder
    return found


def up(machine: Machine, folder: Path, *words: str) -> Json:
    done = machine.locald("-C", str(folder), "up", "--json", *words)
    assert done.returncode == 0, done.stderr
    return by_name(json.loads(done.stdout))


def in_each(machine: Machine, trees: dict[str, Path]) -> dict[str, Json]:
    """Everything up in each of them, one after the other."""
    return {name: up(machine, folder) for name, folder in trees.items()}


def everything(machine: Machine) -> list[Json]:
    done = machine.locald("status", "--all", "--json")
    assert done.returncode == 0, done.stderr
    found: list[Json] = json.loads(done.stdout)["services"]
    return found
