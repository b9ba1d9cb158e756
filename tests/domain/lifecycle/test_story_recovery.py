"""The daemon dies; the next one takes up what it finds, as if it had only looked away."""

from __future__ import annotations

from domain.story import Story, service, task, worker


def test_what_lives_is_kept_and_healthy_as_before() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), s.healthy("db#1", "web#1")
    before = s.row("web")

    assert s.daemon_dies() == ["adopt db#1", "adopt web#1"]
    pid = before.pid
    assert s.because("web") == f"looking for run 1 (pid {pid}), which was running under the previous daemon"
    assert (s.state("web"), s.health("web")) == ("running", ("unknown", "none"))
    assert s.row("web").pid is None
    assert not s.is_settled()
    assert s.spawned("db#1") == s.spawned("web#1") == []
    assert s.asides == ["watch web#1"]
    assert s.row("web") == before


def test_nothing_that_may_be_dead_is_healthy_or_lets_another_one_start() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), s.healthy("db#1"), s.refused("web#1"), s.daemon_dies()

    assert s.up() == []
    assert s.because("web") == "waiting for db to be healthy (now being looked for)"
    s.spawned("db#1")
    assert s.health("db") == ("healthy", "tcp")


def test_what_died_meanwhile_is_restarted_by_its_policy_with_its_exit_code() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1"), s.daemon_dies()

    s.spawned("web#1"), s.exits("web#1", 3)
    assert s.row("web").exit_code == 3
    assert s.because("web") == "exited with code 3, restart 1 of 5 in 100ms"
    assert s.wait(0.1) == ["start web#2"]


def test_a_worker_that_was_ready_before_anybody_wrote_it_down_was_ready() -> None:
    """The next daemon hears of the end, and of when that was: long after a live worker is ready."""
    s = Story(worker("jobs", restart="no"))
    s.up(), s.spawned("jobs#1"), s.daemon_dies()

    s.spawned("jobs#1")
    s.now += 3  # nothing is looked at meanwhile
    s.exits("jobs#1", 0)
    assert (s.state("jobs"), s.row("jobs").exit_code) == ("stopped", 0)


def test_when_the_state_is_lost_the_histories_tell_how_many_runs_there_were() -> None:
    """Or what is printed from now on would come before what had been printed."""
    s = Story(service("db"), service("web", "db"))
    s.up(), s.healthy("db#1", "web#1")

    assert s.state_is_lost(web=7) == []
    assert s.up() == ["start db#1"]
    assert s.healthy("db#1") == ["start web#8"]
    assert not s.world.past_runs


def test_what_was_lost_is_started_again() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), s.healthy("db#1", "web#1"), s.daemon_dies()

    assert s.lost("web#1") == []
    assert s.state("web") == "waiting", "until it is known what has become of db"
    assert s.lost("db#1") == ["start db#2"]
    assert s.healthy("db#2") == ["start web#2"]
    assert s.row("web").restarts == 0


def test_nobody_asks_about_a_run_that_was_lost_again() -> None:
    """Its last line counts as ended; whoever carried it out lets go of it."""
    s = Story(service("web"))
    s.up(), s.healthy("web#1"), s.lost("web#1")

    assert s.asides == ["unwatch web#1", "forget web#1"]


def test_what_was_lost_while_it_was_not_wanted_stays_down() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1"), s.stop("web"), s.daemon_dies()

    assert s.lost("web#1") == []
    assert s.state("web") == "stopped"


def test_how_it_was_lost_is_in_the_evidence() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1"), s.lost("web#1", "the keeper was killed")

    assert s.state("web") == "starting"
    assert s.service("web").runs == 2


def test_a_failure_that_was_found_before_the_loss_stays_a_failure() -> None:
    s = Story(service("web", start_timeout=1.0))
    s.up(), s.spawned("web#1"), s.wait(1), s.daemon_dies()

    s.lost("web#1")
    assert s.state("web") == "failed"


def test_what_was_to_be_retried_when_it_was_lost_is_started_at_once() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1"), s.exited("web#1", 1, left=1), s.daemon_dies()

    assert s.lost("web#1") == ["start web#2"]


def test_ready_that_was_sent_meanwhile_is_not_lost() -> None:
    s = Story(service("web"))
    s.up(), s.spawned("web#1"), s.daemon_dies(), s.wait(3600)

    s.spawned("web#1"), s.says("web#1", "READY=1")
    assert s.state("web") == "running"


def test_what_started_meanwhile_is_watched_from_now_on() -> None:
    s = Story(service("web"))
    s.up(), s.daemon_dies()

    s.spawned("web#1")
    assert s.asides == ["watch web#1"]
    assert s.state("web") == "starting"


def test_what_could_not_be_started_meanwhile_has_failed() -> None:
    s = Story(service("web"))
    s.up(), s.daemon_dies()

    s.refused("web#1")
    assert s.state("web") == "failed"


def test_a_task_that_completed_meanwhile_has_completed() -> None:
    s = Story(task("seed"), service("web", "seed"))
    s.up(), s.spawned("seed#1"), s.daemon_dies()

    s.spawned("seed#1"), s.exited("seed#1", 0)
    assert s.gone("seed#1") == ["start web#1"]


def test_nobody_starts_before_it_is_known_what_became_of_its_dependency() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), s.healthy("db#1"), s.refused("web#1"), s.daemon_dies()

    assert s.up() == []
    assert s.state("web") == "waiting"
    assert s.spawned("db#1") == ["start web#2"]


# Deadlines that passed while nobody looked.


def test_a_start_timeout_that_passed_meanwhile_leaves_time_for_a_look() -> None:
    s = Story(service("web", start_timeout=60.0))
    s.up(), s.spawned("web#1"), s.daemon_dies(), s.wait(3600)

    assert s.spawned("web#1") == []
    assert s.wait(4) == []
    s.listens("web#1")
    assert s.state("web") == "running"


def test_but_no_more_than_that() -> None:
    s = Story(service("web", start_timeout=60.0))
    s.up(), s.spawned("web#1"), s.daemon_dies(), s.wait(3600), s.spawned("web#1")

    assert s.wait(5) == ["terminate web#1"]


def test_a_start_timeout_that_is_to_come_is_not_moved() -> None:
    s = Story(service("web", start_timeout=60.0))
    s.up(), s.spawned("web#1"), s.wait(30), s.daemon_dies(), s.spawned("web#1")

    assert s.wait(29.9) == []
    assert s.wait(0.1) == ["terminate web#1"]


def test_a_watchdog_was_fed_though_nobody_looked() -> None:
    s = Story(service("web", watchdog=2.0))
    s.up(), s.spawned("web#1"), s.says("web#1", "READY=1"), s.daemon_dies(), s.wait(3600)

    assert s.spawned("web#1") == []
    assert s.wait(1.9) == []
    assert s.says("web#1", "WATCHDOG=1") == []
    assert s.wait(1.9) == []
    assert s.wait(0.1) == ["terminate web#1"]


def test_what_was_told_to_stop_is_told_again_and_has_its_grace() -> None:
    """The daemon may have died between its decision and the signal."""
    s = Story(service("web"))
    s.up(), s.healthy("web#1"), s.stop("web"), s.daemon_dies(), s.wait(3600)

    assert s.spawned("web#1") == ["terminate web#1"]
    assert s.wait(9.9) == []
    assert s.wait(0.1) == ["kill web#1"]


def test_what_was_to_be_killed_is_killed_in_the_end() -> None:
    """The daemon may have died between its decision and SIGKILL."""
    s = Story(service("web"))
    s.up(), s.healthy("web#1"), s.stop("web"), s.wait(10), s.daemon_dies()

    assert s.spawned("web#1") == ["terminate web#1"]
    assert s.wait(10) == ["kill web#1"]


def test_what_was_to_be_stopped_before_it_had_a_process_is_stopped_when_it_has_one() -> None:
    s = Story(service("web"))
    s.up(), s.stop("web"), s.daemon_dies()

    assert s.spawned("web#1") == ["terminate web#1"]
    assert s.wait(10) == ["kill web#1"]


def test_leftovers_are_ended_before_the_next_run_as_ever() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1"), s.exited("web#1", 1, left=1), s.daemon_dies()

    assert s.spawned("web#1") == ["terminate web#1"]
    notes = list(s.notes)
    assert s.exited("web#1", 1, left=1) == [], "evidence before"
    assert s.notes == notes
    s.gone("web#1")
    assert s.state("web") == "backoff"


# Commands meanwhile.


def test_stop_while_it_is_being_looked_for_is_done_when_it_is_found() -> None:
    s = Story(service("db"), service("web", "db"))
    s.up(), s.healthy("db#1", "web#1"), s.daemon_dies()

    assert s.stop("db") == []
    assert s.spawned("db#1") == []
    assert s.spawned("web#1") == ["terminate web#1"]
    assert s.stopped("web#1") == ["terminate db#1"]


def test_what_the_earlier_daemon_told_to_go_with_its_dependency_comes_back_with_it() -> None:
    """That daemon died before it had written down what it did, and `stop` was given again."""
    s = Story(service("db"), service("web", "db"))
    s.up(), s.healthy("db#1", "web#1"), s.daemon_dies(), s.stop("db"), s.spawned("db#1")

    assert s.exits("web#1", 0) == ["terminate db#1"]
    s.stopped("db#1")
    assert s.states() == {"db": "stopped", "web": "blocked"}
    s.up("db")
    assert s.healthy("db#2") == ["start web#2"]


def test_restart_while_it_is_being_looked_for() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1"), s.daemon_dies(), s.restart("web")
    assert not s.is_settled()

    assert s.spawned("web#1") == ["terminate web#1"]
    assert s.stopped("web#1") == ["start web#2"]


def test_down_while_it_is_being_looked_for() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1"), s.daemon_dies(), s.down()

    assert s.lost("web#1") == ["discard web"]


def test_up_forgives_a_failure_that_is_only_being_looked_for() -> None:
    s = Story(service("web", start_timeout=1.0))
    s.up(), s.spawned("web#1"), s.wait(1), s.daemon_dies()

    assert s.up() == []
    s.spawned("web#1")
    assert s.stopped("web#1") == ["start web#2"]


def test_a_change_while_it_is_being_looked_for_restarts_it() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1"), s.daemon_dies()

    s.edit(service("web", command="other"))
    assert s.up() == []
    assert s.spawned("web#1") == ["terminate web#1"]


# What is remembered.


def test_a_retry_that_was_due_meanwhile_is_due_now() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1"), s.exits("web#1", 1), s.daemon_dies()

    assert s.wait(60) == ["start web#2"]


def test_what_was_stopped_and_blocked_is_so_still() -> None:
    s = Story(service("db"), service("api", "db"), worker("web", "api"))
    s.up(), s.healthy("db#1", "api#1", "web#1"), s.stop("db"), s.stopped("web#1", "api#1", "db#1")
    before = s.states()

    s.daemon_dies()
    assert s.states() == before
    assert s.up("api") == ["start db#2"]
    assert s.healthy("db#2") == ["start api#2"]
    assert s.healthy("api#2") == ["start web#2"]


def test_the_main_process_that_was_named_is_still_the_main_process() -> None:
    s = Story(service("web"))
    s.up(), s.spawned("web#1"), s.says("web#1", "MAINPID=88", "READY=1", main=88), s.daemon_dies()

    s.spawned("web#1")
    assert s.row("web").pid == 88
    assert s.exited("web#1", 0) == []
    assert s.state("web") == "running"


def test_news_that_is_told_again_changes_nothing() -> None:
    s = Story(service("web"))
    s.up(), s.spawned("web#1"), s.says("web#1", "READY=1"), s.says("web#1", "STATUS=fine"), s.listens("web#1")
    before = s.service("web")

    s.daemon_dies()
    s.spawned("web#1"), s.says("web#1", "READY=1"), s.says("web#1", "STATUS=fine")
    assert s.service("web") == before


def test_what_ends_by_itself_is_not_told_to_before_what_needs_it() -> None:
    """Also where somebody has asked for it anew meanwhile."""
    s = Story(worker("db"), worker("web", "db"))
    s.up(), s.healthy("db#1", "web#1")
    s.says("db#1", "STOPPING=1")
    s.daemon_dies()
    s.up()
    assert s.spawned("db#1") == []
    assert s.spawned("web#1") == []
    assert s.exits("db#1", 0) == ["start db#2"]
