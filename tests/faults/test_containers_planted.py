"""The same for containers: what is planted is real, on a real engine, which is killed for real."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from engine import images
from faults import checks
from faults.fleet import CONTAINERS, MARKER
from faults.harm import freeze_engine, kill_engine
from whole.machine import kill, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from faults.rounds import Campaign
    from faults.sight import Printed, Sight


def all_broken(campaign: Campaign, seen: Sight) -> list[str]:
    return [
        *checks.wanted_runs_once(campaign.wishes, seen),
        *checks.stopped_leaves_nothing(campaign.wishes, seen),
        *checks.status_is_true(campaign.wishes, seen),
    ]


@contextmanager
def planted(campaign: Campaign, service: str) -> Iterator[str]:
    """A container that passes for one of a service: its name."""
    assert campaign.yard.engine
    api = campaign.yard.engine.api
    made = {
        "Image": images.name("plain"),
        "Cmd": ["sleep", "1000"],
        "Env": [f"{MARKER}={campaign.yard.token}/{service}"],
        "Labels": {"locald.project": "dock"},
    }
    api.post("/containers/create", made, name="planted")
    try:
        api.post("/containers/planted/start")
        yield "/planted"
    finally:
        api.delete("/containers/planted", force="1")


def test_containers_that_run_well_break_nothing(docked: Campaign) -> None:
    seen = docked.settle()
    assert {each.service for each in seen.processes if each.role == "leader"} == CONTAINERS | {"client"}
    assert all_broken(docked, seen) == []
    assert len(docked.yard.containers()) == 2


def test_a_second_container_of_a_service_is_named(docked: Campaign) -> None:
    with planted(docked, "store"):
        (broken,) = checks.wanted_runs_once(docked.wishes, docked.look())
    assert broken.startswith("store is wanted, and runs 2 times: ")


def test_a_container_that_a_stop_has_left_is_named(docked: Campaign) -> None:
    with planted(docked, "bare") as name:
        broken = checks.stopped_leaves_nothing(docked.wishes.stop("dock"), docked.look())
        assert name in docked.yard.containers()
    assert sum("bare is not to run, but there is pid" in each for each in broken) > 1


def test_a_container_that_another_took_the_place_of_is_named(docked: Campaign) -> None:
    before = docked.settle()
    (leader,) = before.of("bare", "leader")
    kill(leader.pid)
    wait_for(lambda: docked.look().rows["bare"]["pid"] not in (None, leader.pid), "another one")
    seen = docked.settle()
    (broken,) = checks.bystanders_untouched(before, seen, (), docked.wishes)
    assert broken.startswith("bare had nothing to do with it, but ")
    assert checks.bystanders_untouched(before, seen, {"bare"}, docked.wishes) == []


def test_a_killed_engine_answers_nobody_and_all_is_well_with_the_next_one(docked: Campaign) -> None:
    assert docked.yard.engine
    harm = kill_engine(docked.victim)
    assert harm.concerned == CONTAINERS
    with pytest.raises(OSError, match="refused"):
        docked.yard.engine.api.get("/containers/json")
    harm.undo()
    assert all_broken(docked, docked.settle()) == []
    assert docked._told.broken == []


def test_an_engine_that_stands_still_ends_no_container(docked: Campaign) -> None:
    before = docked.settle()
    freeze_engine(docked.victim).undo()
    assert checks.bystanders_untouched(before, docked.settle(), (), docked.wishes) == []
    without = replace(before, processes=())
    assert len(checks.wanted_runs_once(docked.wishes, without)) == 3


def test_a_line_of_a_container_that_is_lost_or_there_twice_is_named(docked: Campaign) -> None:
    def printed() -> list[Printed]:
        return [each for each in docked.yard.logs(docked.wishes.known)["bare"] if each.text.startswith("L ")]

    wait_for(lambda: len(printed()) > 5, "it has counted")
    lines = printed()
    whole = replace(docked.look(), logs={"bare": tuple(lines)})
    assert checks.lines_whole_and_in_order(whole) + checks.none_twice(whole) == []
    lost = replace(whole, logs={"bare": tuple(lines[:2] + lines[3:])})
    assert len(checks.lines_whole_and_in_order(lost)) == 1
    twice = replace(whole, logs={"bare": tuple(lines[:3] + lines[2:])})
    assert len(checks.none_twice(twice)) == 1


def test_who_did_not_find_its_container_is_named(docked: Campaign) -> None:
    journal = docked.yard.journal()
    (met,) = (each for each in journal if each.event == "meets")
    assert checks.containers_first(journal, 0, ()) == []
    missed = (replace(met, event="misses"),)
    (broken,) = checks.containers_first(missed, 0, ())
    assert broken == f"client (pid {met.pid}) started, and store did not answer"
    assert checks.containers_first(missed, 0, {"store"}) == []


def test_who_is_told_a_port_is_started_again_when_it_moves_and_only_then(docked: Campaign) -> None:
    before = docked.settle()
    (leader,) = before.of("client", "leader")
    kill(leader.pid)
    wait_for(lambda: docked.look().rows["client"]["pid"] not in (None, leader.pid), "another one")
    seen = docked.settle()
    (broken,) = checks.bystanders_untouched(before, seen, (), docked.wishes)
    assert broken.startswith("client had nothing to do with it, but ")
    moved = {**seen.rows, "store": {**seen.rows["store"], "port": seen.rows["store"]["port"] + 1}}
    assert checks.bystanders_untouched(before, replace(seen, rows=moved), (), docked.wishes) == []
