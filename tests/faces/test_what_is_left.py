"""What `down` leaves on an engine that does not answer stays on a terminal when the picture has ended."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from locald.cli.shared import live, say

if TYPE_CHECKING:
    import pytest

LEFT = "the swarm at unix:///x cannot be reached: the service a is left there"


def show(monkeypatch: pytest.MonkeyPatch, *reasons: str) -> None:
    monkeypatch.setattr(say, "is_terminal", lambda _: True)
    display = live.stopping(lambda row: str(row["name"]))
    for because in reasons:
        left = because if because == LEFT else None
        row = {"project": "shop", "name": "db", "state": "stopping", "because": because, "left": left}
        display.show(board([row]), [row])
    display.show(board([]), [])
    display.close()


def board(rows: list[dict[str, Any]]) -> Any:
    return SimpleNamespace(rows=rows, settled=True)


def test_what_is_left_is_said_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    show(monkeypatch, "requested by user", LEFT)
    assert f"db: {LEFT}" in capsys.readouterr().err


def test_what_was_reached_again_is_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    show(monkeypatch, LEFT, "requested by user")
    assert not capsys.readouterr().err
