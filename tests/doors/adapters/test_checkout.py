"""The branch of a linked worktree, as git's own files tell it."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from locald.adapters.checkout import branch_of, branch_of_worktree

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git")


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "init.defaultBranch=main")
    quiet = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, env=quiet)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    git(folder, "init")
    git(folder, "commit", "--allow-empty", "-m", "begin")
    return folder


def test_a_worktree_has_the_branch_that_is_checked_out_in_it(shop: Path) -> None:
    git(shop, "worktree", "add", "-b", "feat/login", "../tree")
    tree = shop.parent / "tree"
    (tree / "services" / "web").mkdir(parents=True)
    assert branch_of_worktree(str(tree)) == "feat/login"
    assert branch_of_worktree(str(tree / "services" / "web")) == "feat/login"
    git(tree, "switch", "-c", "other")
    assert branch_of_worktree(str(tree)) == "other"


def test_a_worktree_within_the_repository_too(shop: Path) -> None:
    git(shop, "worktree", "add", "-b", "inner", ".trees/inner")
    assert branch_of_worktree(str(shop / ".trees" / "inner")) == "inner"


def test_a_detached_head_is_no_branch(shop: Path) -> None:
    git(shop, "worktree", "add", "--detach", "../tree")
    assert branch_of_worktree(str(shop.parent / "tree")) == ""


def test_the_repository_itself_is_no_linked_worktree(shop: Path) -> None:
    assert branch_of_worktree(str(shop)) == ""


def test_but_it_has_a_branch_as_a_worktree_has(shop: Path) -> None:
    git(shop, "worktree", "add", "-b", "feat", "../tree")
    assert branch_of(str(shop)) == "main"
    assert branch_of(str(shop.parent / "tree")) == "feat"
    git(shop, "switch", "--detach")
    assert branch_of(str(shop)) == ""
    assert branch_of(str(shop.parent)) == ""


@pytest.mark.parametrize(
    "lie",
    [b"", b"gitdir: ", b"gitdir: /nowhere/worktrees/x", b"gitdir: \xff\n", b"gitdir: .", b"\0" * 10_000],
)
def test_a_file_that_lies_says_nothing(tmp_path: Path, lie: bytes) -> None:
    (tmp_path / ".git").write_bytes(lie)
    assert branch_of_worktree(str(tmp_path)) == branch_of(str(tmp_path)) == ""


@pytest.mark.parametrize(
    "lie", [b"", b"ref: refs/heads/\n", b"ref: refs/heads/\xff\n", b"\0" * 10_000, b"gitdir: .\n"]
)
def test_a_head_that_lies_says_nothing(tmp_path: Path, lie: bytes) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_bytes(lie)
    assert branch_of(str(tmp_path)) == ""


def test_a_pipe_in_its_place_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".git")
    assert branch_of_worktree(str(tmp_path)) == ""


def test_a_link_in_a_circle_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / ".git").symlink_to(".git")
    assert branch_of_worktree(str(tmp_path)) == ""
