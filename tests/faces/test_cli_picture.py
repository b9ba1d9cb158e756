"""What `up` draws on a terminal: a line a service, reasons below themselves, the next step as soon as it is
known."""

from __future__ import annotations

import pytest
from rich.cells import cell_len
from rich.console import Console

from locald.cli.shared.picture import Entry, picture

LONG = "FATAL: data directory /var/lib/postgresql/16/main has wrong ownership, it must be owned by postgres"
ELSEWHERE = "pid 4790 (python3) listens on 127.0.0.1:28123, but PORT is 21951"
HINT = "http.server listens on 28123: write `exec python3 -m http.server $PORT --bind 127.0.0.1`"
SHOP = (
    Entry("db", "failed", LONG, ""),
    Entry("web", "healthy", "http://127.0.0.1:24307/  tcp (fallback)", "1.1s"),
    Entry(
        "api", "starting", "pid 4790 (python3) listens on 127.0.0.1:28123, but PORT is 21951", "3.9s", HINT
    ),
    Entry("front", "blocked", "by db", ""),
)


def drawn(*entries: Entry, columns: int = 80, room: int = 30) -> list[str]:
    console = Console(width=columns, force_terminal=False)
    lines = [line.plain for line in picture(entries, console, columns, room, colour=False)]
    assert len(lines) <= room
    assert all(cell_len(line) <= columns for line in lines)
    return lines


def test_a_reason_goes_on_below_itself_and_the_step_follows() -> None:
    assert drawn(*SHOP, columns=77) == [
        "✗ db    failed   FATAL: data directory /var/lib/postgresql/16/main has",
        "                 wrong ownership, it must be owned by postgres",
        "● web   healthy  http://127.0.0.1:24307/  tcp (fallback)                 1.1s",
        "◐ api   starting pid 4790 (python3) listens on 127.0.0.1:28123, but PORT 3.9s",
        "                 is 21951",
        "                 hint: http.server listens on 28123: write `exec python3 -m",
        "                 http.server $PORT --bind 127.0.0.1`",
        "⊘ front blocked  by db",
    ]


def test_where_there_is_room_each_has_one_line() -> None:
    assert len(drawn(*SHOP, columns=157)) == len(SHOP) + 1, "and the hint"


def test_on_a_narrow_terminal_a_reason_stands_below_its_service() -> None:
    lines = drawn(*SHOP, columns=37)
    assert lines[:2] == ["✗ db    failed", "    FATAL: data directory"]
    assert "● web   healthy  http://127.0.0… 1.1s" in lines
    assert "⊘ front blocked  by db" in lines


@pytest.mark.parametrize("columns", [1, 2, 5, 20, 37, 80, 157])
@pytest.mark.parametrize("room", [1, 3, 7, 30])
def test_it_stays_within_any_terminal(columns: int, room: int) -> None:
    assert drawn(
        *SHOP, Entry("長い名前", "backoff", "失敗しました " * 20, "12m03s"), columns=columns, room=room
    )


def test_nothing_of_a_reason_or_a_hint_is_lost() -> None:
    for columns in (37, 77):
        text = " ".join(" ".join(drawn(*SHOP, columns=columns)).split())
        assert LONG.split()[-1] in text
        assert "$PORT --bind 127.0.0.1`" in text
        assert "…" not in text or columns == 37


def test_on_a_low_terminal_the_worst_is_unfolded_first() -> None:
    lines = drawn(*SHOP, room=5)
    assert "by postgres" in lines[1]
    assert lines[3].endswith("… 3.9s")


def test_of_sixty_those_that_are_not_ready_are_shown() -> None:
    ready = [Entry(f"s{number}", "healthy", "http://127.0.0.1/", "1.0s") for number in range(59)]
    lines = drawn(*ready, Entry("bad", "failed", LONG, ""), room=22)
    assert lines[-3].startswith("✗ bad failed")
    assert lines[-2].strip().endswith("owned by postgres")
    assert lines[-1].strip() == "and 40 more services"


def test_of_sixty_that_wait_it_says_how_many_there_is_no_room_for() -> None:
    waiting = [Entry(f"s{number}", "waiting", "for db (now starting)", "") for number in range(60)]
    lines = drawn(*waiting, Entry("db", "starting", "starting (run 1)", "1.0s"), room=22)
    assert lines[-1].strip() == "and 40 more services"
    assert any(line.startswith("◐ db") for line in lines)


def test_without_services_there_is_nothing_to_see() -> None:
    assert drawn() == []
