"""What follows a run that ended by itself: another, rest, or failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from domain.story import Story, service, task, worker

if TYPE_CHECKING:
    from locald.domain.project.spec import ServiceSpec


def crash(s: Story, run: str, code: int = 1) -> list[str]:
    """It is spawned, and exits before it was ready."""
    return s.spawned(run) + s.exits(run, code)


def test_a_crash_is_retried_and_says_when() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1")

    assert s.exits("web#1", 1) == []
    assert s.state("web") == "backoff"
    assert s.because("web") == "exited with code 1, restart 1 of 5 in 100ms"
    assert s.health("web") == ("unknown", "none")
    assert s.wait(0.099) == []
    assert s.wait(0.001) == ["start web#2"]


def test_the_delay_doubles_and_the_sixth_crash_within_a_minute_fails() -> None:
    s = Story(service("web"))
    s.up()
    for number, delay in enumerate([0.1, 0.2, 0.4, 0.8, 1.6], 1):
        crash(s, f"web#{number}")
        assert s.deadline is not None
        assert s.deadline[0] - s.now == pytest.approx(delay)
        assert s.wait(delay) == [f"start web#{number + 1}"]
    crash(s, "web#6")

    assert s.state("web") == "failed"
    assert s.because("web") == "exited with code 1, crash loop: 5 restarts in 60s (max_restarts)"
    assert s.wait(3600) == []
    assert s.row("web").restarts == 5


def test_the_delay_is_never_more_than_30_seconds() -> None:
    s = Story(service("web", max_restarts=100))
    s.up()
    delays = []
    for number in range(1, 13):
        crash(s, f"web#{number}")
        assert s.deadline is not None
        delays.append(round(s.deadline[0] - s.now, 3))
        s.wait(delays[-1])

    assert delays[-4:] == [25.6, 30, 30, 30]


def test_only_restarts_of_the_last_minute_count() -> None:
    s = Story(service("web", max_restarts=1))
    s.up(), crash(s, "web#1"), s.wait(60)
    assert s.state("web") == "starting"

    crash(s, "web#2")
    assert s.state("web") == "backoff", "the first restart was a minute ago"
    s.wait(1), crash(s, "web#3")
    assert s.state("web") == "failed"
    assert s.because("web") == "exited with code 1, crash loop: 1 restart in 60s (max_restarts)"


def test_no_restarts_are_allowed_where_the_file_says_so() -> None:
    s = Story(service("web", max_restarts=0))
    s.up(), crash(s, "web#1")

    assert s.state("web") == "failed"
    assert s.because("web") == "exited with code 1"


@pytest.mark.parametrize("lost", ["by exit", "after a while unhealthy", "after STOPPING=1"])
def test_ten_seconds_of_health_bring_the_delay_back(lost: str) -> None:
    s = Story(service("web"))
    s.up(), crash(s, "web#1"), s.wait(0.1), crash(s, "web#2"), s.wait(0.2)
    s.healthy("web#3"), s.wait(10)
    if lost == "after a while unhealthy":
        s.closes("web#3"), s.wait(1)
    elif lost == "after STOPPING=1":
        s.says("web#3", "STOPPING=1")

    s.exits("web#3", 1)
    assert s.because("web") == "exited with code 1, restart 3 of 5 in 100ms"


def test_less_than_ten_seconds_of_health_do_not() -> None:
    s = Story(service("web"))
    s.up(), crash(s, "web#1"), s.wait(0.1), s.healthy("web#2"), s.wait(9.9)

    s.exits("web#2", 1)
    assert s.because("web") == "exited with code 1, restart 2 of 5 in 200ms"


def test_each_run_has_to_become_healthy_anew() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1"), s.exits("web#1", 1), s.wait(0.1)

    s.spawned("web#2")
    row = s.row("web")
    assert (row.state, row.health, row.source, row.ready_at) == ("starting", "starting", "none", None)
    assert (row.run, row.restarts, row.exit_code) == (2, 1, None)


def test_news_of_an_earlier_run_is_not_news() -> None:
    s = Story(service("web"))
    s.up(), crash(s, "web#1"), s.wait(0.1), s.spawned("web#2")

    before = s.world
    assert s.listens("web#1") == []
    assert s.exits("web#1", 0) == []
    assert s.world == before


# The policies.

EXITS = {"0": (0, None), "1": (1, None), "SIGSEGV": (None, 11), "nobody knows": (None, None)}


@pytest.mark.parametrize(
    ("policy", "how", "leads_to"),
    [
        ("no", "0", "stopped"),
        ("no", "1", "failed"),
        ("no", "SIGSEGV", "failed"),
        ("no", "nobody knows", "failed"),
        ("on-failure", "0", "stopped"),
        ("on-failure", "1", "backoff"),
        ("on-failure", "SIGSEGV", "backoff"),
        ("on-failure", "nobody knows", "backoff"),
        ("always", "0", "backoff"),
        ("always", "1", "backoff"),
        ("always", "SIGSEGV", "backoff"),
    ],
)
def test_what_follows_the_end_of_a_run_that_was_ready(policy: str, how: str, leads_to: str) -> None:
    s = Story(service("web", restart=policy))
    s.up(), s.healthy("web#1")
    code, signal = EXITS[how]

    s.exits("web#1", code, signal=signal)
    assert s.state("web") == leads_to


@pytest.mark.parametrize(
    ("policy", "how", "leads_to"),
    [
        ("no", "0", "failed"),
        ("no", "1", "failed"),
        ("on-failure", "0", "failed"),
        ("on-failure", "1", "backoff"),
        ("always", "0", "backoff"),
        ("always", "1", "backoff"),
    ],
)
def test_what_follows_the_end_of_a_run_that_was_never_ready(policy: str, how: str, leads_to: str) -> None:
    s = Story(service("web", restart=policy))
    s.up(), s.spawned("web#1")

    s.exits("web#1", EXITS[how][0])
    assert s.state("web") == leads_to


def test_an_exit_with_0_before_it_was_ready_says_what_to_do() -> None:
    s = Story(service("web"))
    s.up(), s.spawned("web#1"), s.exits("web#1", 0)

    assert s.because("web") == "exited with code 0 before becoming ready"
    assert s.why("web").hints[0] == (
        'set type = "task" if the command runs to completion, '
        'or stdin = "open" if it exits when its standard input ends'
    )


def test_what_is_known_to_exit_when_its_input_ends_is_told_to_keep_it_open() -> None:
    for command in (
        "cat",
        "npx esbuild app.js --watch --outfile=o.js",
        ("tailwindcss", "-i", "a", "--watch"),
    ):
        s = Story(worker("web", command=command))
        s.up(), s.spawned("web#1"), s.exits("web#1", 0)

        assert s.state("web") == "failed"
        assert s.why("web").hints[0].startswith('set stdin = "open", since ')
        assert not [hint for hint in s.why("web").hints if "task" in hint]


def test_what_was_taken_for_ready_before_it_read_the_end_of_its_input_is_told_so_too() -> None:
    s = Story(worker("css", command="npx tailwindcss -o out.css --watch"))
    s.up(), s.spawned("css#1"), s.wait(1), s.exits("css#1", 0)

    assert s.state("css") == "stopped"
    assert s.why("css").hints[0] == (
        'set stdin = "open", since tailwindcss exits when its standard input ends'
    )


def test_an_open_input_is_not_offered_again() -> None:
    s = Story(worker("css", command="cat", stdin="open"))
    s.up(), s.spawned("css#1"), s.exits("css#1", 0)

    assert s.why("css").hints[0] == 'set type = "task" if the command runs to completion'


def test_a_service_that_forks_away_is_told_to_stay_in_the_foreground() -> None:
    s = Story(service("web"))
    s.up(), s.spawned("web#1")

    assert s.exited("web#1", 0, left=1) == []
    assert s.wait(0.1) == ["terminate web#1"]
    s.gone("web#1")
    assert s.because("web") == "exited with code 0 before becoming ready, leaving processes behind"
    assert any("foreground" in hint for hint in s.why("web").hints)


def test_exiting_with_0_for_ever_before_being_ready_is_a_crash_loop_too() -> None:
    s = Story(worker("jobs", restart="always", max_restarts=2))
    s.up()
    for number in (1, 2, 3):
        crash(s, f"jobs#{number}", 0), s.wait(5)

    assert s.because("jobs") == (
        "exited with code 0 before becoming ready, crash loop: 2 restarts in 60s (max_restarts)"
    )


def test_a_service_that_exits_0_later_is_stopped_and_says_that_it_exited() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1"), s.exits("web#1", 0)

    assert s.because("web") == "exited with code 0, not restarted (restart policy: on-failure)"
    assert s.row("web").exit_code == 0
    assert s.is_settled()


def test_what_cannot_be_started_is_not_retried() -> None:
    s = Story(service("web", restart="always"))
    s.up(), s.refused("web#1", "no such program: run", "check the spelling")

    assert s.state("web") == "failed"
    assert s.because("web") == "no such program: run"
    assert s.why("web").hints[0] == "check the spelling"
    assert s.notes == ["not started: no such program: run"]
    assert s.wait(3600) == []


KILLED = "was killed before it could start"


def test_a_run_that_never_began_for_want_of_something_is_retried() -> None:
    """No descriptors, no memory, killed before its program was there: the next may begin."""
    s = Story(service("web"))
    s.up(), s.refused("web#1", KILLED, "run `locald doctor`", may_pass=True)

    assert (s.state("web"), s.because("web")) == ("backoff", f"{KILLED}, restart 1 of 5 in 100ms")
    assert s.notes == [f"not started: {KILLED}"]
    assert s.wait(0.1) == ["start web#2"]
    s.healthy("web#2")
    assert s.row("web").restarts == 1


def test_a_machine_that_goes_on_lacking_something_fails_a_service_with_what_to_do() -> None:
    s = Story(service("web", max_restarts=1))
    s.up(), s.refused("web#1", KILLED, may_pass=True), s.wait(0.1)
    s.refused("web#2", KILLED, "run `locald doctor`", may_pass=True)

    assert s.state("web") == "failed"
    assert s.because("web") == f"{KILLED}, crash loop: 1 restart in 60s (max_restarts)"
    assert s.why("web").hints[0] == "run `locald doctor`"


@pytest.mark.parametrize("one", [service("web", restart="no"), task("web")])
def test_what_is_not_restarted_is_not_begun_again_either(one: ServiceSpec) -> None:
    s = Story(one)
    s.up(), s.refused("web#1", KILLED, "run `locald doctor`", may_pass=True)

    assert (s.state("web"), s.because("web")) == ("failed", KILLED)


def test_a_run_that_never_began_while_it_was_being_stopped_is_stopped() -> None:
    s = Story(service("web"))
    s.up(), s.stop("web"), s.refused("web#1", KILLED, may_pass=True)

    assert s.state("web") == "stopped"
    assert s.wait(3600) == []


# The leader dies, others live.


def test_a_run_that_leaves_nothing_is_not_said_to_have_left_something() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1")

    s.exited("web#1", 1)
    assert (s.state("web"), s.because("web")) == ("stopping", "exited with code 1")


def test_what_is_left_of_a_run_is_ended_before_the_next_begins() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1")

    assert s.exited("web#1", 1, left=3) == ["terminate web#1"]
    assert s.state("web") == "stopping"
    assert s.because("web") == "exited with code 1, stopping remaining processes"
    assert s.health("web") == ("unknown", "none")
    assert s.wait(9.9) == []
    assert s.wait(0.1) == ["kill web#1"]
    assert s.gone("web#1") == []
    assert s.wait(0.1) == ["start web#2"]


def test_nothing_is_signalled_when_nothing_is_left() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1")

    assert s.exited("web#1", 1) == []
    assert s.gone("web#1") == []
    assert s.asides == ["unwatch web#1", "forget web#1"]


def test_a_run_that_is_gone_without_an_exit_has_ended_nobody_saw_how() -> None:
    s = Story(service("web"))
    s.up(), crash(s, "web#1"), s.wait(0.1), s.healthy("web#2"), s.wait(10)

    assert s.gone("web#2") == []
    assert s.because("web") == "exit status unknown, restart 2 of 5 in 100ms"


def test_an_exit_is_told_in_the_log() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1"), s.exits("web#1", signal=9)

    assert s.notes[-1] == "killed by SIGKILL"


def test_the_end_of_another_process_of_the_tree_is_no_end_of_the_run() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1")

    assert s.exited("web#1", 1, pid=99) == []
    assert s.state("web") == "running"


def test_unhealthiness_alone_restarts_nothing() -> None:
    s = Story(service("web", restart="always"))
    s.up(), s.healthy("web#1"), s.wait(1), s.closes("web#1")

    assert s.wait(86_400) == []
    assert s.health("web") == ("unhealthy", "tcp")
    assert s.state("web") == "running"


# What would end the same way, and what may.


@pytest.mark.parametrize("code", [126, 127])
@pytest.mark.parametrize("policy", ["on-failure", "always"])
def test_a_shell_that_finds_no_program_is_not_asked_again(code: int, policy: str) -> None:
    s = Story(service("web", restart=policy))
    s.up(), s.spawned("web#1"), s.exits("web#1", code)
    assert (s.state("web"), s.row("web").restarts) == ("failed", 0)
    assert s.because("web") == f"exited with code {code}"


def test_a_worker_that_fails_while_it_imports_is_healthy_once_at_most() -> None:
    """From the second run on it has to live longer than the one before did."""
    s = Story(worker("jobs"), service("web", "jobs"))
    s.up(), s.spawned("jobs#1")
    assert s.wait(0.2) == ["start web#1"]
    s.wait(0.8), s.exits("jobs#1", 1), s.wait(0.1)

    s.spawned("jobs#2")
    assert s.wait(1.4) == []
    assert s.health("jobs") == ("starting", "none")
    pid = s.row("jobs").pid
    told = f"process running (pid {pid}), but not yet for 1.5s, and the run before failed sooner"
    assert s.because("jobs") == told
    s.exits("jobs#2", 1), s.wait(0.2), s.spawned("jobs#3")
    assert s.wait(2.0) == []
    assert s.health("jobs") == ("starting", "none")
    s.wait(0.2)
    assert s.health("jobs") == ("healthy", "process")


def test_a_quick_failure_does_not_shorten_the_doubt() -> None:
    """Runs of the same worker differ, most of all on a busy machine."""
    s = Story(worker("jobs"))
    s.up(), s.spawned("jobs#1"), s.wait(1), s.exits("jobs#1", 1), s.wait(0.1)
    s.spawned("jobs#2"), s.wait(0.4), s.exits("jobs#2", 1), s.wait(0.2)
    s.spawned("jobs#3"), s.wait(1.4)
    assert s.health("jobs") == ("starting", "none")
    s.wait(0.1)
    assert s.health("jobs") == ("healthy", "process")


def test_the_doubt_is_ten_seconds_at_most_and_gone_when_somebody_asks() -> None:
    s = Story(worker("jobs"))
    s.up(), s.spawned("jobs#1"), s.wait(300), s.exits("jobs#1", 1), s.wait(0.1)
    s.spawned("jobs#2"), s.wait(9.9)
    assert s.health("jobs") == ("starting", "none")
    s.wait(0.2)
    assert s.health("jobs") == ("healthy", "process")

    s.exits("jobs#2", 1), s.restart("jobs"), s.spawned("jobs#3"), s.wait(0.2)
    assert s.health("jobs") == ("healthy", "process")
