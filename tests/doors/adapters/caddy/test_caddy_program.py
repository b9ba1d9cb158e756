"""Which Caddy is taken: one that is new enough, and tells its version."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from locald.adapters.caddy.program import Caddy, NoCaddy, breaks_off, find

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def program(folder: Path, says: str) -> str:
    folder.mkdir(exist_ok=True)
    path = folder / "caddy"
    path.write_text(f"#!/bin/sh\n{says}\n")
    path.chmod(0o755)
    return str(path)


def test_the_one_that_was_installed_with_locald_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "own" / "python"))
    elsewhere = program(tmp_path / "path", "echo v2.9.0 h1:x")
    assert find(str(tmp_path / "path")) == Caddy(elsewhere, "2.9.0")
    own = program(tmp_path / "own", "echo v2.11.7 h1:x")
    assert find(str(tmp_path / "path")) == Caddy(own, "2.11.7")


def test_an_old_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    path = program(tmp_path / "path", "echo 2.6.2")
    assert find(str(tmp_path / "path")) == NoCaddy(f"{path} is Caddy 2.6.2, the proxy needs 2.8 or newer")


def test_none_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    assert find(str(tmp_path)) == NoCaddy("Caddy is not installed", "run `pip install 'locald[proxy]'`")


def test_one_that_fails_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    path = program(tmp_path / "path", "exit 1")
    assert find(str(tmp_path / "path")) == NoCaddy(f"{path} does not tell its version")


def test_newer_ones_end_what_stands_still_and_can_be_told_not_to() -> None:
    assert [breaks_off(version) for version in ("2.10.2", "2.11.4", "2.11.5", "2.12.0", "", "noise")] == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]
