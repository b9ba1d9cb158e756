"""What a person sees on a terminal: `timeline` as bars, `why` as a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from faces.fake_daemon import FakeDaemon, Stream, document, down_row, entry, lines, row
from faces.test_cli_look import TIMELINE, WHY

if TYPE_CHECKING:
    from faces.run_cli import Cli

SLOW = {**TIMELINE["services"][1], "median_ms": 200}


def screen(cli: Cli, *arguments: str, columns: int = 100) -> list[str]:
    terminal = cli.terminal(*arguments, columns=columns, NO_COLOR="1")
    assert terminal.end() == 0
    shown = terminal.screen.splitlines()
    assert "\x1b" not in terminal.screen
    assert max(map(len, shown)) <= columns
    return shown


@pytest.mark.parametrize("columns", [40, 80, 100, 200])
def test_a_timeline_is_bars_on_one_scale(cli: Cli, daemon: FakeDaemon, columns: int) -> None:
    daemon.on("GET /v1/timeline", {**TIMELINE, "services": [TIMELINE["services"][0], SLOW]})
    daemon.on("GET /v1/status", document(row("db"), row("web")))

    shown = screen(cli, "timeline", columns=columns)

    assert shown[0].startswith("       │0 ")
    db, web = shown[1:3]
    assert db.startswith("◆ db   ")
    assert "▒" in db
    assert web.startswith("◆ web  ···")
    assert db.count("▒") == pytest.approx(web.count("▒") / 2, abs=4)
    assert web.count("·") == pytest.approx(db.count("▒"), abs=4)
    assert web.index("▒") >= db.rindex("▒")
    if columns >= 80:
        assert "980ms, median 200ms" in web
        assert "median" not in db
    assert ("after db" in web) is (columns >= 100)
    assert shown[-2:] == ["critical path: db → web", "total: 1.5s"]


def test_while_something_is_on_its_way_no_path_is_told(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on("GET /v1/timeline", {**TIMELINE, "services": [{**SLOW, "ready_at": None}]})
    daemon.on("GET /v1/status", document(row("web", state="starting", health="starting")))

    shown = screen(cli, "timeline")

    assert "◐ starting" in shown[1]
    assert "◆ web" not in shown[1]
    assert shown[-1] == "not ready yet: web (starting)"


def test_of_what_has_failed_nothing_is_said_to_come_yet(cli: Cli, daemon: FakeDaemon) -> None:
    late = {**SLOW, "ready_at": None}
    daemon.on("GET /v1/timeline", {**TIMELINE, "services": [late], "critical_path": [], "total_ms": None})
    daemon.on("GET /v1/status", document(down_row("web", "failed", "exited with code 1")))

    assert screen(cli, "timeline")[-1] == "not ready: web (failed)"


def test_what_was_up_before_stands_below_without_a_bar(cli: Cli, daemon: FakeDaemon) -> None:
    stamps = {
        name: f"2026-03-01T13:00:0{i}.000Z" for i, name in enumerate(("queued_at", "spawned_at", "ready_at"))
    }
    later = {**SLOW, **stamps, "median_ms": None}
    daemon.on("GET /v1/timeline", {**TIMELINE, "services": [TIMELINE["services"][0], later]})
    daemon.on("GET /v1/status", document(row("db"), row("web")))

    shown = screen(cli, "timeline")

    assert shown[1].startswith("◆ web")
    assert shown[2] == "  db   ready 59m59s earlier"


def test_a_start_of_more_services_before_is_drawn_below(cli: Cli, daemon: FakeDaemon) -> None:
    stamps = {
        name: f"2026-03-01T13:00:0{i}.000Z" for i, name in enumerate(("queued_at", "spawned_at", "ready_at"))
    }
    db, web = TIMELINE["services"]
    failed_then = {**web, "ready_at": None, "ended_at": "2026-03-01T12:00:01.500Z"}
    before = {"services": [db, failed_then], "critical_path": ["db"], "total_ms": 510}
    last = {"services": [db, {**web, **stamps}], "critical_path": ["web"], "total_ms": 2000, "before": before}
    daemon.on("GET /v1/timeline", {**TIMELINE, **last})
    daemon.on("GET /v1/status", document(row("db"), row("web")))

    shown = screen(cli, "timeline")

    assert shown[1].startswith("◆ web")
    assert shown[2:5] == ["", "critical path: web", "total: 2.0s"]
    assert shown[6] == "the start before, of 2 services, 1h00m earlier:"
    assert shown[9].startswith("◆ db ")
    assert "✗ failed" in shown[10]
    assert shown[-3:] == ["not ready: web (failed)", "critical path: db", "total: 510ms"]


def test_blockers_are_a_tree_down_to_the_root(cli: Cli, daemon: FakeDaemon) -> None:
    daemon.on("GET /v1/why", {**WHY, "blockers": [*WHY["blockers"], failed("mail")]})
    rows = [
        row("web", waiting_on=["api"]),
        row("api", waiting_on=["db", "mail"]),
        down_row("db", "failed", "no"),
    ]
    daemon.on("GET /v1/status", document(*rows))
    daemon.on("GET /v1/logs", lambda _: Stream(lines(entry("no room", service="mail", stream="stderr"))))

    shown = screen(cli, "why", "web")

    assert shown[0] == "⊘ web is blocked"
    begin = shown.index("Blocked by") + 1
    assert shown[begin : begin + 6] == [
        "  └─ ⊘ api is blocked",
        "     │  db has failed",
        "     ├─ ✗ db has failed",
        "     │     exited with code 1",
        "     └─ ✗ mail has failed",
        "           root cause: exited with 1",
    ]
    assert "  │ no room" in shown


def test_a_long_sentence_is_wrapped_under_itself(cli: Cli, daemon: FakeDaemon) -> None:
    seen = {"source": "tcp", "check": None, "ok": True, "at": "2026-03-01T12:00:00Z", "detail": "word " * 40}
    daemon.on(
        "GET /v1/why", {**WHY, "state": "running", "health": "healthy", "blockers": [], "evidence": [seen]}
    )
    daemon.on("GET /v1/status", document(row("web")))

    shown = screen(cli, "why", "web", columns=60)

    first = next(line for line in shown if "word" in line)
    second = shown[shown.index(first) + 1]
    assert second.index("word") == first.index("word")


def failed(name: str) -> dict[str, str]:
    return {"service": name, "state": "failed", "health": "unknown", "because": "exited with 1"}
