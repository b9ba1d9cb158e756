"""The monitor on a screen, as a person uses it: what is seen and which keys do what."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from faces.fake_daemon import down_row, entry, row
from locald.monitor.feed import HISTORY
from locald.monitor.logs import LogPane
from locald.monitor.start import run
from locald.monitor.watched import BLINK
from monitor.stand_in import StandIn, looking_at, screen, sees, until
from starved import starved

if TYPE_CHECKING:
    from locald.monitor.app import Monitor

SMALL = (80, 24)
WHY = {
    "service": "db",
    "project": "shop",
    "state": "failed",
    "health": "unknown",
    "source": "none",
    "because": "exited with code 1",
    "blockers": [],
    "evidence": [
        {
            "source": "explicit",
            "check": "http",
            "ok": False,
            "at": "2026-03-01T12:00:00Z",
            "detail": "HTTP 500",
        }
    ],
    "hints": ["`locald logs db`"],
}
TIMELINE = {
    "project": "shop",
    "services": [
        {
            "name": "db",
            "queued_at": "2026-03-01T12:00:00.000Z",
            "spawned_at": "2026-03-01T12:00:01.000Z",
            "listening_at": "2026-03-01T12:00:03.000Z",
            "ready_at": "2026-03-01T12:00:04.000Z",
            "source": "tcp",
            "waited_for": [],
            "median_ms": 1000,
        }
    ],
    "critical_path": ["db"],
    "total_ms": 4000,
}


def copied(app: Monitor) -> str:
    return app.clipboard


async def test_at_80_by_24_every_fact_of_a_service_is_there(daemon: StandIn) -> None:
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "2 healthy")
        await daemon.tell(
            "usage", services=[{"project": "shop", "name": "web", "cpu": 0.37, "memory": 24 << 20}]
        )
        seen = await sees(pilot, "37%")

    lines = seen.splitlines()
    assert lines[0].split() == ["locald", "shop", "2", "services", "●", "2", "healthy"]
    assert lines[1].split()[:4] == ["SERVICE", "STATE", "HEALTH", "SOURCE"]
    assert lines[3].split()[:9] == [
        "●",
        "web",
        "running",
        "healthy",
        "tcp",
        "(fallback)",
        "24001",
        "37%",
        "25MB",
    ]
    assert lines[3].split()[-1] == "2"
    assert "db is healthy (tcp, fallback)" in seen
    assert "pid 4790 (node) accepts connections on 127.0.0.1:24001" in seen
    assert lines[-1].split()[:2] == ["s", "start"]
    assert lines[-1].endswith("? help  q quit")


async def test_on_a_wide_screen_the_reason_stands_in_the_table(daemon: StandIn) -> None:
    async with looking_at(daemon).run_test(size=(200, 50)) as pilot:
        seen = await sees(pilot, "BECAUSE", " ● web ")
        line = next(line for line in seen.splitlines() if line.startswith(" ● web "))
        assert "pid 4790 (node) accepts connections" in line


async def test_a_change_is_on_the_screen_within_a_tenth_of_a_second(daemon: StandIn) -> None:
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "2 healthy")
        times = []
        for number in range(5):
            began = asyncio.get_running_loop().time() - starved()
            await daemon.change(row("web", health="unhealthy", because=f"try {number}"))
            await until(pilot, lambda: "▲ web" in screen(pilot))
            times.append(asyncio.get_running_loop().time() - starved() - began)
            await daemon.change(row("web"))
            await sees(pilot, "● web")
    assert min(times) < 0.1


async def test_the_tree_shows_who_needs_whom_and_lights_the_way_to_the_blocker(daemon: StandIn) -> None:
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "2 healthy")
        await daemon.change(
            down_row("db", "failed", "exited with code 1"),
            down_row("web", "blocked", "db has failed", waiting_on=["db"], depends_on={"db": "healthy"}),
        )
        await pilot.press("down", "g")
        seen = await sees(pilot, "⊘ web blocked  db has failed", "└─ ✗ db failed  exited with code 1")
        assert seen.index("⊘ web blocked") < seen.index("└─ ✗ db")
        await pilot.press("g")
        await sees(pilot, "STATE")


async def test_why_names_evidence_and_hints(daemon: StandIn) -> None:
    daemon.answers["/v1/why"] = WHY
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "2 healthy")
        await pilot.press("w")
        seen = await sees(pilot, "Next steps", "→  `locald logs db`")
        assert "✗ fail  explicit (http)" in seen
        assert "HTTP 500" in seen


async def test_it_opens_on_the_worst_and_shows_what_its_root_printed_last(daemon: StandIn) -> None:
    daemon.rows = [
        row("web"),
        down_row("api", "blocked", "blocked by db", waiting_on=["db"]),
        down_row("db", "failed", "exited with code 1", reason="Error: no such volume"),
    ]
    root = {"service": "db", "state": "failed", "health": "unknown", "because": "exited with code 1"}
    daemon.answers["/v1/why"] = {**WHY, "service": "api", "state": "blocked", "blockers": [root]}
    before, last = entry("before"), entry("\x1b[31mno such volume", stream="stderr")
    printed = [{**before, "run": 1}, {**last, "run": 2}]
    daemon.answers["/v1/lines"] = {"lines": printed}
    written = tuple(daemon.rows)
    async with looking_at(daemon, written=written).run_test(size=SMALL, notifications=True) as pilot:
        seen = await sees(pilot, "Last output of db", "┃ no such volume")
    lines = seen.splitlines()
    assert [line.split()[1] for line in lines[2:5]] == ["db", "api", "web"]
    assert "Error: no such volume" in lines[2]
    assert "│ before" not in seen, "that was another run"
    assert any("service=db" in target for _, target, _ in daemon.requests if target.startswith("/v1/lines"))


async def test_older_lines_come_when_one_scrolls_to_the_first(daemon: StandIn) -> None:
    at = "2026-03-01T12:00:00.000Z"
    daemon.history = [{**entry(f"line {number}"), "at": at} for number in range(HISTORY)]
    older = [{**entry(f"older {number}"), "at": "2026-03-01T11:00:00.000Z"} for number in range(30)]
    daemon.answers["/v1/lines"] = {"lines": older, "truncated": False}
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, f"line {HISTORY - 1}")
        await pilot.press("tab", "home")
        await sees(pilot, "line 0")
        await until(pilot, lambda: pilot.app.query_one("#logs", LogPane).lines.kept == HISTORY + 30)
        assert "line 0" in screen(pilot), "what is being read stays in place"
        await pilot.press("home")
        await sees(pilot, "older 0")
        await pilot.press("end")
        await sees(pilot, f"line {HISTORY - 1}")
    (target,) = (target for _, target, _ in daemon.requests if target.startswith("/v1/lines"))
    assert f"before=1772366400.000&known={HISTORY}&fold=1&shown=1&service=db&project=shop" in target


async def test_what_was_drawn_over_goes(daemon: StandIn) -> None:
    daemon.history = [entry("start"), entry("a 1"), entry("b 1")]
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "b 1")
        await daemon.print({**entry("a 2"), "over": 2}, entry("b 2"))
        seen = await sees(pilot, "start", "a 2", "b 2")
    assert "a 1" not in seen
    assert "b 1" not in seen


async def test_what_runs_without_something_is_not_called_blocked(daemon: StandIn) -> None:
    daemon.answers["/v1/why"] = {**WHY, "state": "running", "blockers": [WHY]}
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "2 healthy")
        await pilot.press("w")
        await sees(pilot, "Running without (root cause last)")


async def test_the_timeline_has_bars_the_critical_path_and_what_is_usual(daemon: StandIn) -> None:
    daemon.answers["/v1/timeline"] = TIMELINE
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "2 healthy")
        await pilot.press("t")
        await sees(pilot, "◆ db", "▒▒▒", "███", "3.0s, median 1.0s", "critical path: db", "total: 4.0s")


async def test_the_environment_is_asked_for_masked(daemon: StandIn) -> None:
    daemon.answers["/v1/environment"] = {
        "env": {"PORT": "24000", "API_KEY": "••••••"},
        "workdir": "/shop",
        "origins": {"PORT": "locald", "API_KEY": "shell"},
        "masked": ["API_KEY"],
    }
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "2 healthy")
        await pilot.press("4")
        await sees(
            pilot,
            "locald  PORT=24000",
            "shell   API_KEY=••••••",
            "1 value masked",
            "working directory: /shop",
        )
    assert any("mask=1" in target for _, target, _ in daemon.requests)


async def test_what_the_daemon_refuses_is_said_with_its_hint(daemon: StandIn) -> None:
    daemon.answers["/v1/why"] = {"problems": [{"what": "no such service", "hint": "look"}], "exit": 2}
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "2 healthy")
        await pilot.press("w")
        await sees(pilot, "no such service", "hint: look")


# Actions.


@pytest.mark.parametrize(("key", "path"), [("s", "/v1/up"), ("x", "/v1/stop"), ("r", "/v1/restart")])
async def test_an_action_says_what_it_does_and_is_done_when_confirmed(
    daemon: StandIn, key: str, path: str
) -> None:
    daemon.answers["/v1/effect"] = {"ends": ["web", "db"], "starts": ["db"]}
    daemon.answers[path] = {"project": "shop", "services": ["db"]}
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "2 healthy")
        await pilot.press(key)
        await sees(pilot, " db?", "stops web → db", "starts db")
        assert not daemon.posted(path)
        await pilot.press("y")
        await until(pilot, lambda: daemon.posted(path))
    assert daemon.posted(path) == [{"project": "shop", "services": ["db"]}]


async def test_an_action_that_is_not_confirmed_is_not_done(daemon: StandIn) -> None:
    daemon.answers["/v1/effect"] = {"ends": ["db"], "starts": []}
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "2 healthy")
        await pilot.press("X")
        await sees(pilot, "Stop all services of shop?")
        await pilot.press("escape")
        await until(pilot, lambda: "Stop all" not in screen(pilot))
    assert not daemon.posted("/v1/stop")


async def test_a_refused_action_is_told(daemon: StandIn) -> None:
    daemon.answers["/v1/effect"] = {"ends": ["db"], "starts": []}
    daemon.answers["/v1/stop"] = {"problems": [{"what": "it is ending already", "hint": ""}], "exit": 3}
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "2 healthy")
        await pilot.press("x")
        await sees(pilot, "Stop db?")
        await pilot.press("enter")
        await sees(pilot, "it is ending already")


async def test_a_project_that_was_never_up_is_shown_and_brought_up_for_this_shell(daemon: StandIn) -> None:
    daemon.rows = []
    daemon.answers["/v1/up"] = {"project": "shop", "services": ["web"]}
    written = down_row("web", "stopped", "was never started", run=0)
    async with looking_at(daemon, written=(written,)).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "○ web", "was never started")
        await pilot.press("s")
        await sees(pilot, "Start web?")
        await pilot.press("enter")
        await until(pilot, lambda: daemon.posted("/v1/up"))
    asked = daemon.posted("/v1/up")[0]
    assert asked == {"directory": "/shop", "services": ["web"], "caller": {"env": {"A": "1"}}}


async def test_what_is_asked_before_the_daemon_has_spoken_waits_for_its_word(daemon: StandIn) -> None:
    """The rows of the file are on the screen by then; that they run already is not known yet."""
    daemon.may_tell.clear()
    daemon.answers["/v1/effect"] = {"ends": [], "starts": ["db"]}
    written = down_row("db", "stopped", "was never started", run=0)
    async with looking_at(daemon, written=(written,)).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "○ db", "was never started")
        await pilot.press("s")
        await pilot.pause()
        assert "Start db?" not in screen(pilot)
        daemon.may_tell.set()
        seen = await sees(pilot, "Start db?", "starts db")
    assert "The project is not running yet" not in seen


async def test_what_is_confirmed_while_a_daemon_follows_another_is_done_by_the_next(daemon: StandIn) -> None:
    daemon.answers["/v1/effect"] = {"ends": ["db"], "starts": []}
    daemon.answers["/v1/stop"] = {"project": "shop", "services": ["db"]}
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "2 healthy")
        await pilot.press("x")
        await sees(pilot, "Stop db?")
        daemon.may_tell.clear()
        await daemon.stop()
        await daemon.start()
        await pilot.press("enter")
        await until(pilot, lambda: "Stop db?" not in screen(pilot))
        daemon.may_tell.set()
        await until(pilot, lambda: daemon.posted("/v1/stop"))


async def test_without_a_daemon_an_action_is_refused_with_the_way_to_start_one(daemon: StandIn) -> None:
    async with looking_at(daemon).run_test(size=(120, 24), notifications=True) as pilot:
        await sees(pilot, "2 healthy")
        await daemon.stop()
        await sees(pilot, "daemon not running, last known state")
        await pilot.press("x")
        await sees(pilot, "hint: run `locald server start`")


# Logs.


async def test_lines_of_the_selected_service_then_of_all_together(daemon: StandIn) -> None:
    daemon.history = [entry("hello from db", service="db"), entry("oh", service="db", stream="stderr")]
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "│ hello from db", "┃ oh", "db · following")
        assert daemon.asked[-1]["logs"]["services"] == ["db"]
        await pilot.press("down")
        await until(pilot, lambda: daemon.asked[-1]["logs"]["services"] == ["web"])
        await pilot.press("m")
        await sees(pilot, "all services · following", "db  │ hello from db")
        assert daemon.asked[-1]["logs"] == {
            "watch": daemon.asked[-1]["logs"]["watch"],
            "services": [],
            "project": "shop",
            "n": 500,
        }


async def test_nothing_is_said_of_lines_that_are_not_known_yet(daemon: StandIn) -> None:
    daemon.is_slow = True
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await until(pilot, lambda: any(request.get("logs") for request in daemon.asked))
        await pilot.pause(BLINK * 2)
        assert "no output yet" not in screen(pilot)
        await daemon.print(history=True)
        await sees(pilot, "no output yet")


async def test_colours_stay_and_everything_else_that_steers_is_gone(daemon: StandIn) -> None:
    daemon.history = [
        entry("\x1b[31mred\x1b[0m [bold]not bold[/bold] \x1b]0;title\x07\x1b[2Jend", service="db")
    ]
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "│ red [bold]not bold[/bold] end")


async def test_search_marks_and_goes_to_the_place_and_pauses(daemon: StandIn) -> None:
    daemon.history = [entry(f"line {number}", service="db", at=number) for number in range(100)]
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "line 99")
        await pilot.press("slash", *"line 3", "enter")
        await sees(pilot, "line 39", "paused")
        await pilot.press("N")
        await sees(pilot, "line 38")
        await pilot.press("space")
        await sees(pilot, "line 99", "following")


async def test_only_lines_with_these_words_of_this_stream_and_level(daemon: StandIn) -> None:
    daemon.history = [
        entry("alpha", service="db") | {"level": "info"},
        entry("beta", service="db", stream="stderr") | {"level": "error"},
        entry("gamma", service="db", stream="stderr") | {"level": None},
    ]
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "alpha", "beta", "gamma")
        await pilot.press("o", "o")
        seen = await sees(pilot, "db · stderr · following")
        assert "alpha" not in seen
        assert "gamma" in seen
        await pilot.press("v", "v", "v")
        assert "gamma" not in await sees(pilot, "error and above")
        await pilot.press("o", "o", "v", "ampersand", *"alp|gam", "enter")
        assert "beta" not in await sees(pilot, "alpha", "gamma", "filter “alp|gam”")


async def test_while_paused_nothing_moves_and_what_comes_is_counted(daemon: StandIn) -> None:
    daemon.history = [entry(f"line {number}", service="db") for number in range(50)]
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "line 49")
        await pilot.press("space")
        before = await sees(pilot, "line 49", "paused")
        await daemon.print(entry("news", service="db"), history=False)
        after = await sees(pilot, "paused +1")
        assert after.splitlines()[10:-1] == before.splitlines()[10:-1]
        await pilot.press("space")
        await sees(pilot, "news", "following")


async def test_scrolling_up_pauses_and_the_end_follows_again(daemon: StandIn) -> None:
    daemon.history = [entry(f"line {number}", service="db") for number in range(50)]
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "line 49")
        await pilot.press("tab", "pageup")
        seen = await sees(pilot, "paused")
        assert "line 49" not in seen
        await pilot.press("end")
        await sees(pilot, "line 49", "following")


async def test_a_flood_leaves_the_keys_working_and_memory_bounded(daemon: StandIn) -> None:
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await until(pilot, lambda: any(request.get("logs") for request in daemon.asked))
        batch = [entry(f"line {number} " + "x" * 80, service="db") for number in range(1000)]
        for _ in range(40):
            await daemon.print(*batch, history=False)
        await pilot.press("question_mark")
        await sees(pilot, "Esc: close")
        await pilot.press("escape")
        app: Any = pilot.app
        await until(pilot, lambda: app._logs.lines.kept == 20_000)
        await sees(pilot, "line 999")


async def test_lines_of_services_that_are_no_longer_looked_at_are_passed_over(daemon: StandIn) -> None:
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await until(pilot, lambda: any(request.get("logs") for request in daemon.asked))
        old = daemon.asked[-1]["logs"]["watch"]
        await pilot.press("down")
        await until(pilot, lambda: daemon.asked[-1]["logs"]["watch"] > old)
        await daemon.tell("lines", watch=old, lines=[entry("of db", service="db")], history=False)
        await daemon.print(entry("of web"), history=False)
        assert "of db" not in await sees(pilot, "of web")


# What comes by itself.


async def test_a_service_that_goes_down_rings_and_changes_the_title(daemon: StandIn) -> None:
    app = looking_at(daemon)
    rung: list[int] = []
    app.bell = lambda: rung.append(1)  # type: ignore[method-assign]
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await until(pilot, lambda: app.terminal_title == "● 2/2 · shop")
        assert not rung
        await daemon.change(row("web", health="unhealthy", because="HTTP 500"))
        await sees(pilot, "web is unhealthy: HTTP 500")
        assert rung
        assert app.terminal_title == "▲ web unhealthy · shop"


async def test_an_up_that_completes_rings(daemon: StandIn) -> None:
    daemon.rows = [row("web", state="starting", health="starting")]
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "1 starting")
        await daemon.change(row("web"))
        await sees(pilot, "shop: 1 service ready")


async def test_a_daemon_that_goes_is_said_to_be_gone_and_found_again(daemon: StandIn) -> None:
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "2 healthy")
        await daemon.stop()
        await sees(
            pilot,
            "daemon is not running, services keep running",
            "daemon not running, last known state",
            "● web",
        )
        daemon.rows = [row("db"), row("web"), row("new")]
        daemon.history = [entry("printed meanwhile", service="db")]
        await daemon.start()
        seen = await sees(pilot, "3 healthy", "new", "printed meanwhile")
        assert "not running" not in seen
        await daemon.stop()
        await sees(pilot, "daemon is not running, services keep running")


async def test_a_daemon_of_another_version_is_told(daemon: StandIn) -> None:
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "2 healthy")
        await daemon.tell("snapshot", services=[row("db")], daemon={"version": "9.9.9"})
        await sees(pilot, "daemon is version 9.9.9, monitor ", "`locald server restart`", "1 healthy")


def test_a_fault_of_its_own_leaves_the_terminal_without_a_page_of_traceback(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    app = looking_at(StandIn("/nowhere"))

    def fail() -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr(app, "_show", fail)
    with pytest.raises(ZeroDivisionError):
        run(app, headless=True)
    assert "Traceback" not in "".join(capfd.readouterr())


async def test_copying_tells_it_all_in_one_line(daemon: StandIn) -> None:
    daemon.answers["/v1/why"] = {
        **WHY,
        "summary": "shop:db has failed: exited with code 1 — locald logs shop:db",
    }
    app = looking_at(daemon)
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "2 healthy")
        await pilot.press("y")
        await until(pilot, lambda: copied(app))
    assert copied(app) == "shop:db has failed: exited with code 1 — locald logs shop:db"


async def test_without_a_browser_the_way_to_the_dashboard_is_shown_and_copied(
    daemon: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"):
        monkeypatch.delenv(variable, raising=False)
    daemon.answers["/v1/dashboard"] = {"url": "http://127.0.0.1:1/signin?ticket=t"}
    app = looking_at(daemon)
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "2 healthy")
        await pilot.press("d")
        await sees(pilot, "http://127.0.0.1:1/signin?ticket=t")
    assert copied(app).endswith("ticket=t")


async def test_help_names_every_key(daemon: StandIn) -> None:
    async with looking_at(daemon).run_test(size=(100, 60)) as pilot:
        await pilot.press("question_mark")
        seen = await sees(pilot, "copy the status as one line", "quit (services keep running)")
        assert "`a|b` matches either" in seen
        await pilot.press("escape")
        await until(pilot, lambda: "Esc: close" not in screen(pilot))


async def test_one_pane_can_have_the_whole_screen(daemon: StandIn) -> None:
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "2 healthy")
        await pilot.press("z")
        await until(pilot, lambda: "SERVICE" not in screen(pilot))
        await pilot.press("z")
        await sees(pilot, "SERVICE")


async def test_only_the_project_of_the_folder_is_shown_unless_all_are_asked_for(daemon: StandIn) -> None:
    daemon.rows.append(row("other", project="blog", directory="/blog"))
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        assert "other" not in await sees(pilot, "2 healthy")
    async with looking_at(daemon, everything=True).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "blog:other", "shop:web", "all projects")


@pytest.mark.parametrize("count", [0, 1, 10, 200])
async def test_few_and_many_services_have_their_place(daemon: StandIn, count: int) -> None:
    daemon.rows = [
        row(f"svc-{number}", depends_on={f"svc-{number - 1}": "healthy"} if number else {})
        for number in range(count)
    ]
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, f"{count} healthy" if count else "this project has no services")
        if count:
            await pilot.press("end")
            await sees(pilot, f"svc-{count - 1} is healthy")
            await pilot.press("g")
            await sees(pilot, f"svc-{count - 1} healthy")


# Odd answers.


async def test_markup_escapes_and_endless_text_are_shown_harmlessly(daemon: StandIn) -> None:
    because = "[red]x[/red] \x1b[31m\x1b]0;t\x07 \u202eabc \ud800 [link=http://x]" + "y" * 1_000_000
    daemon.rows = [row("web", because=because, source="[b]"), row("日本語", because="שלום")]
    daemon.history = [entry("z" * 1_000_000), entry("\ud800[/]\u202e")]
    daemon.answers["/v1/why"] = {**WHY, "because": because, "hints": [because], "service": "[red]"}
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        seen = await sees(pilot, "web is healthy ([b], fallback)", "[red]x[/red]", "日本語", "�[/]")
        assert "(1,000,000 char" in seen
        assert all(len(line) <= 80 for line in seen.splitlines())
        assert not any(steering in seen for steering in "\x1b\u202e\ud800")
        await pilot.press("w")
        await sees(pilot, "[red] has failed")
        await pilot.press("g", "y", "t")
        await pilot.pause()


async def test_messages_that_make_no_sense_are_passed_over(daemon: StandIn) -> None:
    async with looking_at(daemon).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "2 healthy")
        await daemon.tell(
            "snapshot", services=[None, 7, {"name": 3}, {"name": "web", "project": "shop"}], daemon=4
        )
        await daemon.tell("change", services="no", removed=[{}])
        await daemon.tell("usage", services=[{"project": "shop", "name": "web", "cpu": "much"}])
        await daemon.tell("lines", watch="x", lines=4)
        await daemon.tell("refused", problems=[3])
        await daemon.tell("something new")
        await daemon.change(row("web", port=[1], started_at=7, waiting_on="x", depends_on=3, restarts=None))
        await daemon.change(row("last"))
        await sees(pilot, "last", "2 services")
