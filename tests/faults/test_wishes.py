"""What has to run after commands: the suite's own understanding of what is promised."""

from __future__ import annotations

from random import Random

from faults.fleet import KINDS, LOCAL, PROJECT_OF
from faults.operations import choose, up
from faults.wishes import Wishes, concerned

ALL = Wishes().up("shop").up("yard").settled
SHOP = frozenset(name for name in KINDS if PROJECT_OF[name] == "shop")


def test_what_is_up_runs() -> None:
    assert ALL.running == {name for name in KINDS if PROJECT_OF[name] in LOCAL}
    assert ALL.done == {"seed"}


def test_a_stop_takes_along_what_cannot_be_without_it() -> None:
    stopped = ALL.stop("shop", frozenset({"db"}))
    assert ALL.running - stopped.running == {"db", "api", "web"}
    assert ALL.wanted - stopped.wanted == {"db"}
    assert stopped.up("shop", frozenset({"db"})).running == ALL.running


def test_a_task_that_is_done_serves_for_ever_until_its_definition_changes() -> None:
    stopped = ALL.stop("shop", frozenset({"db", "seed"}))
    assert "jobs" in stopped.running
    assert "jobs" not in ALL.stop("shop", frozenset({"db"})).edit("seed").running


def test_up_of_one_brings_what_it_needs() -> None:
    assert Wishes().up("shop", frozenset({"api"})).running == {"api", "db", "cache"}
    assert Wishes().up("shop", frozenset({"api"})).known == SHOP


def test_down_forgets_a_project_and_no_other() -> None:
    assert ALL.down("yard").known == ALL.down("yard").running == SHOP


def test_only_who_came_or_went_is_concerned() -> None:
    failing = {"looper", "leaver"}
    stopped = ALL.stop("shop", frozenset({"mail"}))
    assert concerned(ALL, stopped, frozenset({"mail"})) == {"mail"} | failing
    assert concerned(ALL, ALL.edit("api"), frozenset()) == {"api"} | failing


def test_an_up_that_cannot_succeed_is_expected_to_fail() -> None:
    assert up(ALL, "shop").codes == {0}
    assert up(ALL, "yard").codes == {1}
    assert up(ALL, "yard", frozenset({"looper"})).codes == {0, 1}


def test_the_same_seed_chooses_the_same() -> None:
    def chosen() -> list[str]:
        random, wishes, words = Random("a seed"), Wishes(), []
        for _ in range(200):
            operation = choose(random, wishes, random.choice(("shop", "yard")))
            words.append(str(operation))
            wishes = operation.after.settled
        return words

    assert chosen() == chosen()
    assert len(set(chosen())) > 80
