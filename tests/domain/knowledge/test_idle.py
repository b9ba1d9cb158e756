"""Programs that only keep a script from its end are known by their arguments."""

from __future__ import annotations

import pytest

from locald.domain.knowledge.idle import only_stays


@pytest.mark.parametrize(
    "command",
    [
        "tail -f log",
        "/usr/bin/tail -n0 -F a b",
        "tail --follow=name log",
        "tail -n 0 -f",
        "tail -fn0 log",
        "busybox tail -f log",
        "journalctl -f -u nginx",
        "sleep infinity",
        "sleep inf",
        "sleep 1d",
        "sleep 1.5h 3",
        "sleep 99999",
    ],
)
def test_what_never_ends_only_stays(command: str) -> None:
    assert only_stays(command.split())


@pytest.mark.parametrize(
    "command",
    ["", "tail log", "tail -n 5 log", "sleep 1.5", "sleep 59", "sleep x", "sleep", "psql -f log", "sh -f"],
)
def test_everything_else_may_go_on(command: str) -> None:
    assert not only_stays(command.split())
