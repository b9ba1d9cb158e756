"""Which files a glob means, and below which folders it is worth to look."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locald.domain.project.globs import matches, may_hold, parts


@pytest.mark.parametrize(
    ("glob", "path", "meant"),
    [
        ("src", "src/a.py", True),
        ("src", "src/deep/er/a.py", True),
        ("./src/", "src/a.py", True),
        ("src", "other/src/a.py", False),
        ("src/*.py", "src/a.py", True),
        ("src/*.py", "src/deep/a.py", False),
        ("src/*", "src/deep/a.py", False),
        ("src/**/*.py", "src/a.py", True),
        ("src/**/*.py", "src/x/y/a.py", True),
        ("src/**/*.py", "src/x/y/a.ts", False),
        ("**/*.py", "a.py", True),
        ("**", "x/a", True),
        ("src/**", "src/x/a", True),
        ("src/**", "lib/x/a", False),
        ("*.toml", "a.toml", True),
        ("*.toml", "x/a.toml", False),
        ("a?c", "abc", True),
        ("a[bx]c", "axc", True),
        ("a[!bx]c", "axc", False),
        ("a[z-a]", "a[z-a]", True),
        ("a[b", "a[b", True),
        ("a+b(c)", "a+b(c)", True),
        ("config.toml", "config.toml", True),
    ],
)
def test_a_glob_means(glob: str, path: str, meant: bool) -> None:
    assert matches(parts(glob), parts(path)) is meant


@pytest.mark.parametrize(
    ("glob", "folder", "holds"),
    [
        ("src/**/*.py", "", True),
        ("src/**/*.py", "src", True),
        ("src/**/*.py", "src/x/y", True),
        ("src/**/*.py", "lib", False),
        ("src", "src/x", True),
        ("src/*.py", "src/x", False),
        ("*.py", "x", False),
        ("a/b/c.py", "a", True),
        ("a/b/c.py", "a/b/c.py", True),
        ("a/b/c.py", "a/x", False),
    ],
)
def test_a_folder_may_hold(glob: str, folder: str, holds: bool) -> None:
    assert may_hold(parts(glob), parts(folder)) is holds


NAMES = st.lists(st.sampled_from(["a", "b", "a.py", "*", "**", "?", "[ab]", "*.py"]), min_size=1, max_size=5)
PATHS = st.lists(st.sampled_from(["a", "b", "a.py", "c"]), min_size=1, max_size=5)


@given(NAMES, PATHS)
def test_no_file_is_meant_in_a_folder_that_can_hold_none(glob: list[str], path: list[str]) -> None:
    if matches(tuple(glob), tuple(path)):
        assert all(may_hold(tuple(glob), tuple(path[:depth])) for depth in range(len(path)))
