"""Checkouts of a project that are nowhere near what one expects: each is an instance, or a clear error."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from whole.machine import is_alive
from whole.programs import STAY
from whole.worktrees import everything, git, up, worktrees

if TYPE_CHECKING:
    from pathlib import Path

    from whole.machine import Machine

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git")

SHOP = f'[services.jobs]\ntype = "worker"\ncommand = {STAY}\n'


@pytest.fixture
def shop(machine: Machine) -> Path:
    """Its first folder, which is up."""
    folder = worktrees(machine, SHOP)[""]
    up(machine, folder)
    return folder


def label(machine: Machine, folder: Path) -> str | None:
    found: str | None = up(machine, folder)["jobs"]["instance"]
    return found


def labels(machine: Machine) -> set[str | None]:
    return {row["instance"] for row in everything(machine) if row["state"] == "running"}


def test_a_detached_head_is_called_by_its_folder(machine: Machine, shop: Path) -> None:
    git(shop, "worktree", "add", "--detach", "../Try_Out")
    assert label(machine, shop.parent / "Try_Out") == "try-out"


def test_a_branch_with_slashes_is_made_a_label(machine: Machine, shop: Path) -> None:
    git(shop, "worktree", "add", "-b", "user/Ann/fix_#12", "../tree")
    assert label(machine, shop.parent / "tree") == "user-ann-fix-12"


def test_a_worktree_within_another_is_one_of_its_own(machine: Machine, shop: Path) -> None:
    git(shop, "worktree", "add", "-b", "inner", ".trees/inner")
    inner = shop / ".trees" / "inner"
    git(inner, "worktree", "add", "-b", "innermost", "deep")
    assert (label(machine, inner), label(machine, inner / "deep")) == ("inner", "innermost")
    assert machine.locald("down", cwd=inner).returncode == 0
    assert labels(machine) == {None, "innermost"}


def test_one_that_is_reached_by_a_link_is_the_same(machine: Machine, shop: Path) -> None:
    git(shop, "worktree", "add", "-b", "feat", "../tree")
    pid = up(machine, shop.parent / "tree")["jobs"]["pid"]
    link = shop.parent / "link"
    link.symlink_to("tree")
    assert up(machine, link)["jobs"]["pid"] == pid
    assert machine.locald("down", cwd=link).returncode == 0
    assert (is_alive(pid), labels(machine)) == (False, {None})


@pytest.mark.parametrize(
    "lie", [b"", b"gitdir: /nowhere/worktrees/x\n", b"gitdir: ../shop/.git\n", b"\xff\0" * 5000]
)
def test_a_git_file_that_lies_is_not_believed(machine: Machine, shop: Path, lie: bytes) -> None:
    copy = shop.parent / "copy"
    machine.write(SHOP, folder=copy)
    (copy / ".git").write_bytes(lie)
    assert label(machine, copy) == "copy"


def test_a_git_file_that_never_ends_holds_nobody_up(machine: Machine, shop: Path) -> None:
    copy = shop.parent / "copy"
    machine.write(SHOP, folder=copy)
    os.mkfifo(copy / ".git")
    assert label(machine, copy) == "copy"


def test_a_copy_with_the_git_file_of_a_worktree_gets_a_number(machine: Machine, shop: Path) -> None:
    git(shop, "worktree", "add", "-b", "feat", "../tree")
    tree, copy = shop.parent / "tree", shop.parent / "copy"
    shutil.copytree(tree, copy)
    assert (label(machine, tree), label(machine, copy)) == ("feat", "feat-2")


@pytest.mark.parametrize("wrong", ["My Feature", "_", "a.b", "-a", "a" * 64, "ä", "shop@feat"])
def test_a_label_that_cannot_be_one_changes_nothing(machine: Machine, shop: Path, wrong: str) -> None:
    copy = shop.parent / "copy"
    machine.write(SHOP, folder=copy)
    for folder in (shop, copy):
        done = machine.locald("-C", str(folder), "up", env={"LOCALD_INSTANCE": wrong})
        assert done.returncode == 2
        assert f'error: LOCALD_INSTANCE: "{wrong}" cannot be the label of an instance' in done.stderr
        assert "hint: use lower-case letters" in done.stderr
    assert labels(machine) == {None}


def test_a_label_that_is_empty_is_none(machine: Machine, shop: Path) -> None:
    copy = shop.parent / "copy"
    machine.write(SHOP, folder=copy)
    done = machine.locald("-C", str(copy), "up", "--json", env={"LOCALD_INSTANCE": ""})
    assert [row["instance"] for row in json.loads(done.stdout)["services"]] == ["copy"]


def test_another_label_renames_the_folder_s_instance_and_says_so(machine: Machine, shop: Path) -> None:
    git(shop, "worktree", "add", "-b", "feat", "../tree")
    tree = shop.parent / "tree"
    assert label(machine, tree) == "feat"
    done = machine.locald("-C", str(tree), "up", env={"LOCALD_INSTANCE": "mine"})
    assert done.returncode == 0, done.stderr
    assert 'warning: instance renamed from "shop@feat" to "shop@mine"' in done.stderr
    assert labels(machine) == {None, "mine"}


@pytest.fixture
def can_mount() -> None:
    tried = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("needs to make a mount namespace")


@pytest.mark.timeout(240)  # many commands, one after the other
@pytest.mark.usefixtures("can_mount")
def test_a_worktree_on_another_disk_is_an_instance_too(machine: Machine, shop: Path) -> None:
    """In a namespace with a disk of its own: the folder's number may be that of one on the first disk."""
    home = shop.parent / "elsewhere"
    other, script = shop.parent / "disk", shop.parent / "try.sh"
    other.mkdir()
    locald = " ".join([*machine.python, "-m", "locald"])
    script.write_text(
        f"""set -e
        mount -t tmpfs none {other}
        git -C {shop} worktree add -q -b far {other}/tree
        {locald} -C {shop} up
        {locald} -C {other}/tree up
        {locald} instances --json
        {locald} -C {other}/tree down >&2
        {locald} status --all --json
        {locald} server stop >&2
        """
    )
    env = {**machine.env, "LOCALD_HOME": str(home)}
    done = subprocess.run(
        ["unshare", "-m", "sh", str(script)], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    listed, left = _documents(done.stdout)
    shown = {each["instance"]: (each["directory"], each["branch"]) for each in listed["instances"]}
    assert shown == {None: (str(shop), "main"), "far": (f"{other}/tree", "far")}
    assert [row["instance"] for row in left["services"]] == [None]


def _documents(text: str) -> list[dict[str, list[dict[str, object]]]]:
    decoder, found = json.JSONDecoder(), []
    while text := text.lstrip():
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:]
    return found
