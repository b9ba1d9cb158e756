"""The checks find what they are for: each is shown a locald that runs well, and one with one thing wrong.

What is planted is real where it can be: a process, a line in a log, a kill. What would take a faulty locald
(a status that lies) is planted into what was seen.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from faults import checks
from faults.fleet import ACTOR, KINDS, LOCAL, MARKER, PROJECT_OF
from faults.sight import Printed
from whole.machine import kill, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from faults.rounds import Campaign
    from faults.sight import Happened, Sight

PRINTS = "jobs"


@pytest.fixture(scope="module")
def seen(campaign: Campaign) -> Sight:
    """All of it, as it should be."""
    wait_for(lambda: has_printed_enough(campaign.yard.marks()), "some lines of each, more of one")
    found = campaign.read_logs(campaign.look())
    return replace(found, journal=campaign.yard.journal())


def has_printed_enough(marks: dict[tuple[str, str, int], int]) -> bool:
    own = [count for (service, _, _), count in marks.items() if service == PRINTS]
    return bool(own) and min(marks.values()) > 3 and min(own) > 10


def all_broken(campaign: Campaign, seen: Sight) -> list[str]:
    return [
        *checks.wanted_runs_once(campaign.wishes, seen),
        *checks.stopped_leaves_nothing(campaign.wishes, seen),
        *checks.somebody_keeps_them(campaign.wishes, seen),
        *checks.status_is_true(campaign.wishes, seen),
        *checks.all_is_saved(seen),
        *checks.bystanders_untouched(seen, seen, (), campaign.wishes),
        *checks.times_stay(seen, seen),
        *checks.dashboard_is_remembered(seen, seen),
        *checks.lines_whole_and_in_order(seen),
        *checks.nothing_printed_is_lost(seen, ()),
        *checks.none_twice(seen),
        *checks.dependencies_first(seen.journal, 0),
        *checks.no_traceback(seen),
    ]


def test_a_locald_that_runs_well_breaks_nothing(campaign: Campaign, seen: Sight) -> None:
    assert all_broken(campaign, seen) == []
    assert sum(PROJECT_OF[name] in LOCAL for name in KINDS) == 17
    assert sum(len(lines) for lines in seen.logs.values()) > 100
    assert {each.event for each in seen.journal} >= {"start", "ready", "done", "dies", "leaves"}


# What runs.


@contextmanager
def planted(campaign: Campaign, service: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that passes for one of a service."""
    env = {MARKER: f"{campaign.yard.token}/{service}", "PORT": "0"}
    with subprocess.Popen(arguments, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as made:
        try:
            wait_for(lambda: made.pid in {each.pid for each in campaign.yard.processes()}, "to be seen")
            yield made
        finally:
            made.kill()


def actor(campaign: Campaign, role: str, service: str) -> list[str]:
    return [sys.executable, "-I", "-S", str(ACTOR), role, service, str(campaign.yard.board)]


def test_a_second_copy_of_a_service_is_named(campaign: Campaign) -> None:
    with planted(campaign, "deaf", *actor(campaign, "leader", "deaf")) as second:
        broken = checks.wanted_runs_once(campaign.wishes, campaign.look())
    assert len(broken) == 1
    assert broken[0].startswith("deaf is wanted, and runs 2 times: ")
    assert f"pid {second.pid} (leader of deaf)" in broken[0]


def test_a_service_that_does_not_run_is_named(campaign: Campaign, seen: Sight) -> None:
    without = replace(seen, processes=tuple(each for each in seen.processes if each.service != "db"))
    assert checks.wanted_runs_once(campaign.wishes, without) == ["db is wanted, and runs 0 times: none"]


def test_services_that_nobody_keeps_are_named(campaign: Campaign, seen: Sight) -> None:
    (broken,) = checks.somebody_keeps_them(campaign.wishes, replace(seen, is_kept=False))
    assert broken.startswith("no keeper is there, and ")
    assert (
        checks.somebody_keeps_them(campaign.wishes.down("shop").down("yard"), replace(seen, is_kept=False))
        == []
    )


def test_children_too_many_and_too_few_are_named(campaign: Campaign, seen: Sight) -> None:
    with planted(campaign, "web", *actor(campaign, "child", "web")):
        broken = checks.wanted_runs_once(campaign.wishes, campaign.look())
    assert [each.partition(":")[0] for each in broken] == ["web has 3 children instead of 2"]
    without = replace(seen, processes=tuple(each for each in seen.processes if each.role != "child"))
    broken = checks.wanted_runs_once(campaign.wishes, without)
    assert [each.partition(":")[0] for each in broken] == [
        "plain has 0 children instead of 1",
        "web has 0 children instead of 2",
    ]


def test_a_process_that_a_stop_left_is_named(campaign: Campaign) -> None:
    """Whatever it is: here one that the service would have started."""
    wishes = campaign.wishes.stop("shop", frozenset({"mail"}))
    there = campaign.look()
    there = replace(there, processes=tuple(each for each in there.processes if each.service != "mail"))
    assert checks.stopped_leaves_nothing(wishes, there) == []
    with planted(campaign, "mail", "sleep", "60") as left:
        broken = checks.stopped_leaves_nothing(campaign.wishes.stop("shop"), campaign.look())
    assert f"mail is not to run, but there is pid {left.pid} (other of mail)" in broken


def test_a_failed_service_that_runs_again_is_named(campaign: Campaign) -> None:
    with planted(campaign, "looper", *actor(campaign, "leader", "looper")) as again:
        broken = checks.wanted_runs_once(campaign.wishes, campaign.look())
    assert broken == [f"looper is wanted, and runs 1 times: pid {again.pid} (leader of looper)"]


def test_a_bystander_that_was_killed_is_named(campaign: Campaign) -> None:
    before = campaign.look()
    kill(before.of("deaf", "leader")[0].pid)
    campaign.settle()
    after = campaign.look()
    broken = checks.bystanders_untouched(before, after, {"mail"}, campaign.wishes)
    assert len(broken) == 1
    assert broken[0].startswith("deaf had nothing to do with it, but ")
    assert checks.bystanders_untouched(before, after, {"deaf"}, campaign.wishes) == []


# What is said.


@pytest.mark.parametrize(
    ("service", "lie", "named"),
    [
        ("mail", {"state": "stopped"}, "status says that mail is stopped "),
        ("mail", {"health": "unhealthy"}, "status says that mail is running and unhealthy"),
        ("looper", {"health": "healthy"}, "status says that looper is failed and healthy"),
        ("seed", {"state": "stopped"}, "status says that seed is stopped "),
        ("mail", {"pid": 1}, "status says that mail has pid 1, and it has "),
        ("mail", {"pid": None}, "status says that mail has pid None, and it has "),
    ],
)
def test_a_lying_status_is_named(
    campaign: Campaign, seen: Sight, service: str, lie: dict[str, object], named: str
) -> None:
    rows = seen.rows | {service: seen.rows[service] | lie}
    broken = checks.status_is_true(campaign.wishes, replace(seen, rows=rows))
    assert [each[: len(named)] for each in broken] == [named]


def test_a_status_that_forgets_or_remembers_too_much_is_named(campaign: Campaign, seen: Sight) -> None:
    without = {name: row for name, row in seen.rows.items() if name != "db"}
    broken = checks.status_is_true(campaign.wishes, replace(seen, rows=without))
    assert broken == ["status does not name db"]
    broken = checks.status_is_true(campaign.wishes.down("shop"), seen)
    assert "status names db, which is gone" in broken


def test_a_state_that_is_not_saved_is_named_until_it_is(campaign: Campaign) -> None:
    state = campaign.yard.home / "state"
    (obstacle := state / "state.json.new").mkdir()
    (state / "state.json").unlink()
    try:
        assert campaign.yard.run("shop", "restart", "mail")[0] == 0
        wait_for(lambda: campaign.look().unsaved, "it cannot be saved")
        (broken,) = checks.all_is_saved(campaign.look())
        assert broken.startswith("status says for good that the state cannot be saved in ")
    finally:
        obstacle.rmdir()
    assert checks.all_is_saved(campaign.settle()) == []


def test_a_process_shown_after_its_end_is_known(seen: Sight) -> None:
    """For how long is looked at by the round."""
    assert checks.pids_that_are_not(seen) == {}
    gone = replace(seen, processes=tuple(each for each in seen.processes if each.service != "db"))
    assert checks.pids_that_are_not(gone) == {"db": seen.rows["db"]["pid"]}


def test_a_start_that_is_another_time_now_is_named(seen: Sight) -> None:
    assert checks.times_stay(seen, seen) == []
    moved = seen.rows["db"] | {"started_at": "2026-01-01T00:00:00.000Z"}
    broken = checks.times_stay(seen, replace(seen, rows=seen.rows | {"db": moved}))
    assert [each.partition(" has started")[0] for each in broken] == [
        f"status said that pid {moved['pid']} of db"
    ]
    started = moved | {"pid": 1}
    assert checks.times_stay(seen, replace(seen, rows=seen.rows | {"db": started})) == []


def test_a_dashboard_that_was_forgotten_is_named(campaign: Campaign, seen: Sight) -> None:
    path = campaign.yard.home / "state" / "dashboard.json"
    noted = path.read_text()
    path.write_text(noted[:-5])
    try:
        broken = checks.dashboard_is_remembered(seen, campaign.look())
    finally:
        path.write_text(noted)
    assert broken == ["the port of the dashboard, or who is signed in, was forgotten"]
    assert checks.dashboard_is_remembered(seen, campaign.look()) == []


@pytest.mark.parametrize("log", ["daemon.log", "keeper.log"])
def test_a_traceback_in_a_log_is_named(campaign: Campaign, log: str) -> None:
    campaign.yard.texts()
    path = campaign.yard.home / "logs" / log
    size = path.stat().st_size
    with path.open("a") as file:
        file.write("2026-01-01 something\nTraceback (most recent call last):\n")
    try:
        broken = checks.no_traceback(replace(campaign.look(), texts=campaign.yard.texts()))
    finally:
        os.truncate(path, size)
    assert [each.partition(" has ")[0] for each in broken] == [log]


def test_a_traceback_of_a_command_is_named(campaign: Campaign) -> None:
    campaign.yard.outputs["0: locald up"] = "Traceback (most recent call last):\n"
    broken = checks.no_traceback(replace(campaign.look(), texts=campaign.yard.texts()))
    assert [each.partition(" has ")[0] for each in broken] == ["0: locald up"]


def test_a_traceback_of_an_interrupt_is_named_once_locald_has_begun(seen: Sight) -> None:
    before = "Could not import runpy module\nTraceback (most recent call last):\n{}KeyboardInterrupt\n"
    interrupted = replace(
        seen, texts={"up": before.format('  File "<frozen runpy>", line 15, in <module>\n')}
    )
    assert checks.no_traceback(interrupted) == []
    interrupted = replace(seen, texts={"up": before.format('  File "/src/locald/cli/main.py", line 1\n')})
    assert len(checks.no_traceback(interrupted)) == 1


# The order of starts.


def test_a_start_before_a_dependency_was_ready_is_named(seen: Sight) -> None:
    def without(service: str, event: str) -> list[Happened]:
        return [each for each in seen.journal if (each.service, each.event) != (service, event)]

    broken = checks.dependencies_first(without("db", "ready"), 0)
    assert {each.partition(" (")[0] for each in broken} == {"api", "seed"}
    broken = checks.dependencies_first(without("seed", "done"), 0)
    assert [each.partition(", and ")[2] for each in broken] == ["seed was not completed before"]
    broken = checks.dependencies_first(without("plain", "start"), 0)
    assert [each.partition(", and ")[2] for each in broken] == ["plain was not started before"]


def test_a_start_while_a_dependency_starts_again_is_named(seen: Sight) -> None:
    """It had been ready, in an earlier run."""
    api = next(each for each in seen.journal if (each.service, each.event) == ("api", "start"))
    again = replace(api, service="db", incarnation="9-9", pid=9)
    late = replace(api, at=api.at + 5_000_000_000, incarnation="8-8", pid=8)
    broken = checks.dependencies_first([*seen.journal, again, late], api.at + 1)
    assert broken == ["api (pid 8) started, and db (pid 9), begun 5.0 s before, was not healthy"]


# What was printed.


def _lines_of_one_stream(seen: Sight) -> tuple[list[int], list[Printed]]:
    """Where in the log of `jobs` its numbered lines on stdout are, and all of that log."""
    lines = list(seen.logs[PRINTS])
    return [at for at, line in enumerate(lines) if line.stream == "stdout"], lines


def _cut(at: list[int], lines: list[Printed]) -> None:
    lines[at[5]] = replace(lines[at[5]], text=lines[at[5]].text[:-1])


def _swapped(at: list[int], lines: list[Printed]) -> None:
    lines[at[5]], lines[at[6]] = lines[at[6]], lines[at[5]]


def _missing(at: list[int], lines: list[Printed]) -> None:
    del lines[at[5]]


def _twice(at: list[int], lines: list[Printed]) -> None:
    lines.insert(at[5], lines[at[5]])


def _run_together(at: list[int], lines: list[Printed]) -> None:
    lines[at[5]] = replace(lines[at[5]], text=lines[at[5]].text + lines[at[6]].text)
    del lines[at[6]]


def _mangled(at: list[int], lines: list[Printed]) -> None:
    lines[at[5]] = replace(lines[at[5]], text=lines[at[5]].text.replace("L ", "L\x00", 1))


def _on_the_other_stream(at: list[int], lines: list[Printed]) -> None:
    lines[at[5]] = replace(lines[at[5]], stream="stderr")


@pytest.mark.parametrize(
    "plant", [_cut, _swapped, _missing, _twice, _run_together, _mangled, _on_the_other_stream]
)
def test_a_line_that_is_not_as_it_was_printed_is_named(
    seen: Sight, plant: Callable[[list[int], list[Printed]], None]
) -> None:
    at, lines = _lines_of_one_stream(seen)
    plant(at, lines)
    broken = checks.lines_whole_and_in_order(replace(seen, logs={**seen.logs, PRINTS: tuple(lines)}))
    assert broken
    assert all(each.startswith(f"log of {PRINTS}, ") for each in broken)


def test_lines_that_are_there_twice_are_named(seen: Sight) -> None:
    """Also where the whole log is."""
    _, lines = _lines_of_one_stream(seen)
    broken = checks.none_twice(replace(seen, logs={**seen.logs, PRINTS: tuple(lines + lines)}))
    assert broken
    assert all(each.startswith(f"log of {PRINTS} has a line twice: ") for each in broken)


def test_a_loss_that_the_log_tells_is_no_fault(seen: Sight) -> None:
    at, lines = _lines_of_one_stream(seen)
    lines[at[5]] = Printed("locald", "80 bytes of output lost here: No space left on device")
    log = {**seen.logs, PRINTS: tuple(lines)}
    assert checks.lines_whole_and_in_order(replace(seen, logs=log)) == []


def test_a_line_that_was_printed_and_is_not_in_the_log_is_named(campaign: Campaign, seen: Sight) -> None:
    at, lines = _lines_of_one_stream(seen)
    lost = replace(seen, logs={**seen.logs, PRINTS: tuple(lines[: at[2]])})
    broken = checks.nothing_printed_is_lost(lost, ())
    assert broken
    assert all(each.startswith(PRINTS) for each in broken)
    incarnation = next(incarnation for service, incarnation, _ in seen.marks if service == PRINTS)
    assert checks.nothing_printed_is_lost(lost, {incarnation}) == []
    assert checks.nothing_printed_is_lost(lost, (), {incarnation}), "a full disk is no excuse by itself"
    note = Printed("locald", "80 bytes of output lost here: No space left on device")
    told = replace(lost, logs={**lost.logs, PRINTS: (*lost.logs[PRINTS], note)})
    assert checks.nothing_printed_is_lost(told, (), {incarnation}) == []
    assert checks.nothing_printed_is_lost(told, ())


# What is held.


def test_growth_is_named(campaign: Campaign) -> None:
    size = campaign.yard.size(campaign.victim.daemon, 17)
    assert size
    assert checks.no_growth("daemon", size, size) == []
    more = replace(size, files=size.files + checks.MORE_FILES + 1)
    assert "files open" in checks.no_growth("daemon", size, more)[0]
    assert checks.no_growth("daemon", replace(size, services=12), more) == []
    more = replace(size, memory=size.memory + checks.MORE_MEMORY + 1)
    assert " MB, and had " in checks.no_growth("daemon", size, more)[0]
    assert checks.no_growth("daemon", size, replace(more, pid=more.pid + 1)) == []
