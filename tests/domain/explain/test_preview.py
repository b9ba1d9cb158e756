"""What a command would do is known before, and is what it then does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from domain.story import Story, key, service, task, worker
from locald.domain.explain.preview import preview
from locald.domain.lifecycle.messages import Down, Restart, Stop, Up
from locald.domain.project.spec import Caller

if TYPE_CHECKING:
    from locald.domain.lifecycle.messages import Command

Names = list[str]
NOBODY = Caller()


def up(s: Story, *names: str) -> Up:
    wanted = frozenset(names or s.project.definitions)
    return Up(s.project, wanted, frozenset(names), NOBODY)


def stop(*names: str) -> Stop:
    return Stop(frozenset(map(key, names)))


def again(*names: str) -> Restart:
    return Restart(frozenset(map(key, names)), NOBODY)


def told(s: Story, *commands: Command) -> tuple[Names, Names]:
    found = preview(s.world, commands, s.now)
    return [k.service for k in found.ends], [k.service for k in found.starts]


def shop() -> Story:
    s = Story(service("db"), service("api", "db"), service("web", "api"), worker("alone"))
    s.up(), s.healthy("db#1", "api#1", "web#1", "alone#1")
    return s


def test_a_stop_takes_dependents_along_and_they_go_first() -> None:
    assert told(shop(), stop("db")) == (["web", "api", "db"], [])
    assert told(shop(), stop("web")) == (["web"], [])


def test_a_restart_is_of_just_these() -> None:
    assert told(shop(), again("db")) == (["db"], ["db"])
    assert told(shop(), again("web", "db")) == (["web", "db"], ["db", "web"])


def test_an_up_of_what_is_up_does_nothing() -> None:
    s = shop()
    assert told(s, up(s)) == ([], [])


def test_an_up_starts_what_is_missing_and_who_was_blocked_by_it() -> None:
    s = shop()
    s.stop("db"), s.stopped("web#1", "api#1", "db#1")

    assert told(s, up(s, "db")) == ([], ["db", "api", "web"])
    s.stop("api")
    assert told(s, up(s, "db")) == ([], ["db"])
    assert told(s, up(s, "web")) == ([], ["db", "api", "web"])


def test_an_up_restarts_what_has_changed_and_ends_what_was_removed() -> None:
    s = shop()
    s.edit(service("db"), service("api", "db", command="other"), service("web", "api"))

    assert told(s, up(s)) == (["api", "alone"], ["api"])


def test_a_down_ends_all_that_runs() -> None:
    s = shop()
    s.stop("web"), s.stopped("web#1")

    assert told(s, Down("shop")) == (["api", "db", "alone"], [])


def test_what_ends_already_is_no_news() -> None:
    s = shop()
    s.stop("api")

    assert told(s, stop("api")) == ([], [])
    assert told(s, stop("db")) == (["db"], [])
    assert told(s, up(s, "api")) == ([], ["api", "web"])
    assert told(s, again("api")) == ([], ["api", "web"])


def test_what_starts_already_is_no_news() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up()
    assert told(s, up(s)) == ([], [])
    s.spawned("db#1")
    assert told(s, up(s)) == ([], [])


def test_to_stop_what_would_come_again_calls_that_off() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), s.spawned("db#1"), s.exits("db#1", 1)
    assert s.states() == {"db": "backoff", "web": "waiting"}

    assert told(s, stop("db")) == (["db"], [])
    assert told(s, stop("web")) == (["web"], [])
    assert told(s, Down("shop")) == (["web", "db"], [])
    assert told(s, up(s, "db")) == ([], ["db"])


def test_what_has_failed_is_tried_again_with_whom_it_blocked() -> None:
    s = Story(service("db", restart="no"), service("web", "db"))
    s.up(), s.spawned("db#1"), s.exits("db#1", 1)

    assert told(s, up(s, "db")) == ([], ["db", "web"])
    assert told(s, again("db")) == ([], ["db", "web"])


def test_a_completed_task_runs_again_only_when_it_is_named() -> None:
    s = Story(task("seed"), service("web", "seed"))
    s.up(), s.healthy("seed#1", "web#1")

    assert told(s, up(s)) == ([], [])
    assert told(s, up(s, "seed")) == ([], ["seed"])
    assert told(s, stop("seed")) == ([], [])


def test_one_command_after_the_other() -> None:
    s = shop()
    assert told(s, stop("web"), up(s, "alone")) == (["web"], [])


def test_nothing_has_happened() -> None:
    s = shop()
    before = s.world
    told(s, Down("shop"))
    assert s.world is before
    assert s.states() == dict.fromkeys(("db", "api", "web", "alone"), "running")


@given(
    st.sets(st.sampled_from(["db", "api", "web", "alone"])),
    st.sampled_from(["stop", "restart", "up"]),
    st.sets(st.sampled_from(["db", "api", "web", "alone"]), min_size=1),
)
def test_what_was_foreseen_comes_to_pass(stopped: set[str], what: str, names: set[str]) -> None:
    """From any state at rest: the runs that end are those, and the runs that begin."""
    s = shop()
    s.stop(*stopped)
    let_all_end(s)
    before = {name: s.service(name).runs for name in s.states()}
    commands: dict[str, Command] = {"stop": stop(*names), "restart": again(*names), "up": up(s, *names)}
    ends, starts = told(s, commands[what])

    {"stop": s.stop, "restart": s.restart, "up": s.up}[what](*sorted(names))
    ended = let_all_end(s)
    while let_all_start(s):
        ended += let_all_end(s)

    assert sorted(ended) == sorted(ends)
    assert {name for name in before if s.service(name).runs > before[name]} == set(starts)


def let_all_end(s: Story) -> Names:
    """Whoever is told to end does; in this order."""
    ended = []
    while going := [n for n in s.states() if s.state(n) == "stopping" and s.service(n).run]:
        for name in going:
            s.stopped(f"{name}#{s.service(name).runs}")
            ended.append(name)
    return ended


def let_all_start(s: Story) -> Names:
    coming = [n for n in s.states() if s.state(n) == "starting"]
    for name in coming:
        s.healthy(f"{name}#{s.service(name).runs}")
    return coming
