"""`up` without a terminal: a line when a state or a health changes, then how many are ready."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

from faces.fake_daemon import FakeDaemon, Stream, change, down_row, entry, gated, lines, row, snapshot

if TYPE_CHECKING:
    from faces.run_cli import Cli


def accept(daemon: FakeDaemon, *pieces: bytes | threading.Event, command: str = "up") -> None:
    """The daemon takes the command, and then tells these events."""
    daemon.on(f"POST /v1/{command}", {"project": "shop", "services": ["db"], "warnings": []})
    daemon.on("GET /v1/events", lambda _: Stream(gated(*pieces)))
    daemon.on("GET /v1/why", {"blockers": [], "hints": []})
    daemon.on("GET /v1/logs", lambda _: Stream([]))


def starting(name: str, because: str = "starting (run 1)") -> dict[str, Any]:
    return row(name, health="starting", source="none", fallback=False, because=because, ready_at=None)


def waiting(name: str, *on: str) -> dict[str, Any]:
    return down_row(name, "waiting", f"waiting for {' and '.join(on)}", waiting_on=list(on))


def told(cli: Cli, *arguments: str) -> list[str]:
    """What is said on standard error, without how long things took."""
    return [re.sub(r" after \d+\.?\d*m?s", "", line) for line in cli(*arguments).err.splitlines()]


def test_what_begins_or_waits_at_the_same_time_shares_a_line(cli: Cli, daemon: FakeDaemon) -> None:
    everything = snapshot(
        starting("db"), starting("mail"), waiting("api", "db"), waiting("web", "api", "mail")
    )
    ready = change(*(row(name, because="listening") for name in ("db", "mail", "api", "web")), settled=True)
    accept(daemon, everything, ready)

    assert told(cli, "up") == [
        "starting: db, mail",
        "waiting: api (for db), web (for api and mail)",
        *(f"{name}: healthy (tcp, fallback): listening" for name in ("db", "mail", "api", "web")),
        "4 services ready",
    ]


def test_a_new_reason_alone_is_no_line(cli: Cli, daemon: FakeDaemon) -> None:
    accept(
        daemon,
        snapshot(starting("db"), waiting("web", "db", "mail")),
        change(starting("db", "not listening on port 24001 yet")),
        change(starting("db", "GET /health returned 503")),
        change(waiting("web", "db")),
        change(row("db", because="listening")),
        change(row("db", because="listening on another address"), starting("web")),
        change(row("db"), row("web", because="listening"), settled=True),
    )

    assert told(cli, "up") == [
        "starting: db",
        "waiting: web (for db and mail)",
        "db: healthy (tcp, fallback): listening",
        "starting: web",
        "web: healthy (tcp, fallback): listening",
        "2 services ready",
    ]


def test_a_service_that_comes_and_goes_has_a_line_for_each_change_and_one_for_a_restart(
    cli: Cli, daemon: FakeDaemon
) -> None:
    backoff = down_row("db", "backoff", "exited with code 1, restart in 1s")
    unhealthy = row("db", health="unhealthy", because="GET /health returned 500")
    accept(
        daemon,
        snapshot(starting("db")),
        change(backoff),
        change(starting("db")),
        change(unhealthy),
        change(
            row("db", source="explicit", check="http", because="GET /health returned 200 OK"), settled=True
        ),
    )

    assert told(cli, "up") == [
        "starting: db",
        "db: backoff: exited with code 1, restart in 1s",
        "db: unhealthy: GET /health returned 500",
        "db: healthy (explicit, http): GET /health returned 200 OK",
        "1 service ready",
    ]


def test_what_becomes_ready_or_fails_is_told_before_what_follows_from_it(
    cli: Cli, daemon: FakeDaemon
) -> None:
    accept(daemon, snapshot(starting("db"), waiting("web", "db")), change(starting("web"), row("db")))
    process = cli.start("up")
    assert process.stderr is not None

    lines = [process.stderr.readline() for _ in range(4)]

    assert lines[:2] == ["starting: db\n", "waiting: web (for db)\n"]
    assert lines[2].startswith("db: healthy")
    assert lines[3] == "starting: web\n"


def test_the_summary_counts_what_is_ready_before_the_failures_are_told(cli: Cli, daemon: FakeDaemon) -> None:
    failed, blocked = down_row("db", "failed", "exited with code 1"), down_row("web", "blocked", "db failed")
    accept(daemon, snapshot(row("mail", because="listening"), failed, blocked, settled=True))

    lines = told(cli, "up")

    assert lines[-4:] == [
        "1 of 3 services ready",
        "error: db failed: exited with code 1",
        "hint: run `locald why db` for details, `locald logs db` for the full log",
        "error: web is blocked: db failed",
    ]


def test_the_summary_tells_the_time_that_it_took(cli: Cli, daemon: FakeDaemon) -> None:
    accept(daemon, snapshot(row("db"), settled=True))

    assert re.fullmatch(r"1 service ready after (\d+\.\ds|\d+ms)", cli("up").err.splitlines()[-1])


def test_a_timeout_is_summed_up_too(cli: Cli, daemon: FakeDaemon) -> None:
    never = threading.Event()
    accept(daemon, snapshot(row("mail"), starting("db", "not listening on port 24001 yet")), never)

    lines = told(cli, "up", "--timeout", "200ms")

    never.set()
    assert lines[-3:] == [
        "1 of 2 services ready",
        "error: db is not ready: starting: not listening on port 24001 yet",
        "hint: run `locald why db` for details",
    ]


def test_a_service_of_another_project_is_named_as_it_was_asked_for(cli: Cli, daemon: FakeDaemon) -> None:
    accept(
        daemon, snapshot(starting("db"), waiting("web", "db")), change(row("db"), row("web"), settled=True)
    )

    assert told(cli, "wait", "shop:db", "shop:web")[:2] == ["starting: shop:db", "waiting: shop:web (for db)"]


def begin(daemon: FakeDaemon, command: str, *pieces: bytes, **effect: Any) -> None:
    """The daemon takes the command, tells what that begins, and then these events."""
    accept(daemon, *pieces, command=command)
    services = ["db", "web"]
    nothing: dict[str, Any] = {"ends": {}, "starts": [], "changed": [], "removed": []}
    answer = {"project": "shop", "services": services, "warnings": [], **nothing, **effect}
    daemon.on(f"POST /v1/{command}", answer)


def test_first_of_all_stands_what_changes_and_nothing_of_the_run_that_ends(
    cli: Cli, daemon: FakeDaemon
) -> None:
    """What is left alone is told as that; the old result of what is restarted is none."""
    old = row("web", because="the old run")
    leaving = row("web", health="unhealthy", state="stopping", because="restarting")
    pieces = (
        snapshot(row("db"), old),
        change(leaving),
        change({**starting("web"), "run": 2}),
        change(row("web", run=2, because="listening"), settled=True),
    )
    begin(daemon, "up", *pieces, ends={"web": 1}, starts=["web"], changed=["web"])

    assert told(cli, "up") == [
        "restarting: web (changed in locald.toml)",
        "already running: db",
        "starting: web",
        "web: healthy (tcp, fallback): listening",
        "2 services ready",
    ]


def test_a_restart_says_so_once_and_tells_only_of_the_new_runs(cli: Cli, daemon: FakeDaemon) -> None:
    ready = change(row("db", run=2, because="new"), row("web", run=3, because="new"), settled=True)
    old = snapshot(row("db", because="old"), row("web", run=2, because="old"))
    begin(daemon, "restart", old, ready, ends={"db": 1, "web": 2}, starts=["db", "web"])

    assert told(cli, "restart") == [
        "restarting: db, web",
        "db: healthy (tcp, fallback): new",
        "web: healthy (tcp, fallback): new",
        "2 services ready",
    ]


def test_up_of_what_runs_says_only_that(cli: Cli, daemon: FakeDaemon) -> None:
    begin(daemon, "up", snapshot(row("db"), row("web"), settled=True))
    daemon.on("GET /v1/status", {"daemon": {}, "services": [row("db"), row("web")]})

    assert cli("up").err == "2 services already running\n"
    assert cli("up", "-d").err == "2 services already running\n"


def test_wait_tells_what_is_ready_already_apart_from_what_becomes_ready(cli: Cli, daemon: FakeDaemon) -> None:
    seed = row("seed", type="task", state="completed", source="process", because="exited with code 0")
    accept(
        daemon,
        snapshot(row("db"), seed, starting("web")),
        change(row("web", because="listening"), settled=True),
    )

    assert told(cli, "wait") == [
        "already running: db",
        "already completed: seed",
        "starting: web",
        "web: healthy (tcp, fallback): listening",
        "3 services ready",
    ]


def test_no_word_and_no_duration_is_said_twice(cli: Cli, daemon: FakeDaemon) -> None:
    seed = row(
        "seed", type="task", state="completed", source="process", because="exited with code 0 after 221ms"
    )
    stopped = down_row("mail", "stopped", "stopped by user")
    accept(daemon, snapshot(starting("seed")), change(seed, stopped, settled=True))

    lines = told(cli, "up")

    assert "seed: completed: exited with code 0" in lines
    assert "mail: stopped by user" in lines
    assert "error: mail is stopped by user" in lines


def test_a_table_tells_starting_once(cli: Cli, daemon: FakeDaemon) -> None:
    coming = {**starting("db"), "state": "starting", "pid": None, "started_at": None}
    daemon.on("GET /v1/status", {"daemon": {}, "services": [coming]})

    assert cli("status").out.splitlines()[1].split()[:3] == ["db", "starting", "-"]


def test_a_failure_is_told_in_full_once_and_what_it_blocks_after_what_is_the_reason(
    cli: Cli, daemon: FakeDaemon
) -> None:
    reason = "not healthy within 3s: not listening on port 24001"
    noted = {"project": "shop", "service": "db", "run": 1, "stream": "locald", "line": reason}
    blocked = [
        down_row("web", "blocked", f"blocked by api, which needs db: {reason}", waiting_on=["api"]),
        down_row("api", "blocked", f"blocked by db: {reason}", waiting_on=["db"]),
    ]
    failed = down_row("db", "failed", reason)
    everything = snapshot(starting("db"), waiting("api", "db"), waiting("web", "api"))
    accept(daemon, everything, change(*blocked, failed, settled=True))
    daemon.on("GET /v1/logs", lambda _: Stream(lines({**entry("sh: oops", service="db")}, noted)))

    result = cli("up")

    assert result.err.count(reason) == 1
    told = result.err.splitlines()
    assert told[2:4] == ["failed: db", "blocked: api (by db), web (by api)"]
    assert told[5:] == [
        f"error: db failed: {reason}",
        "  db | sh: oops",
        "hint: run `locald why db` for details, `locald logs db` for the full log",
        "error: api is blocked by db",
        "error: web is blocked by api, which needs db",
    ]


def test_a_crash_loop_has_one_line_for_each_restart(cli: Cli, daemon: FakeDaemon) -> None:
    tries: list[bytes] = []
    for run in (1, 2, 3):
        reason = f"exited with code 1, restart {run} of 5 in 100ms"
        leaving = row("db", run=run, state="stopping", health="unhealthy", because="exited with code 1")
        tries += [change(leaving), change(down_row("db", "backoff", reason, run=run))]
        tries += [change({**starting("db"), "run": run + 1})]
    accept(daemon, snapshot(starting("db")), *tries, change(row("db", run=4, because="up"), settled=True))

    assert told(cli, "up") == [
        "starting: db",
        *(f"db: backoff: exited with code 1, restart {n} of 5 in 100ms" for n in (1, 2, 3)),
        "db: healthy (tcp, fallback): up",
        "1 service ready",
    ]
