"""What is removed is a cgroup, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locald.linux import cgroup

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_that_is_no_cgroup_stays_and_so_does_what_is_in_it(tmp_path: Path) -> None:
    empty = tmp_path / "shop.web.1.token" / "empty"
    empty.mkdir(parents=True)
    assert not cgroup.remove(str(empty.parent))
    assert empty.is_dir()


def test_what_is_not_there_is_removed(tmp_path: Path) -> None:
    assert cgroup.remove(str(tmp_path / "absent"))
