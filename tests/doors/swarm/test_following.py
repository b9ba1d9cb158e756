"""What a swarm's tasks mean for a run: snapshots in, news out. No engine is asked."""

from __future__ import annotations

from typing import Any

from locald.adapters.swarm.create import name, network
from locald.adapters.swarm.following import Following
from locald.adapters.swarm.tasks import Node, Task, node, task
from locald.domain.lifecycle.messages import Event, Exit, Exited, Prepares, Replaced, Reported, Spawned
from locald.domain.project.names import Key, Run

RUN = Run(Key("shop", "db"), 1)
TASK = "task locald-shop-db (task1)"
N1 = Node("n1", "alpha", "10.0.0.1", ready=True)
N2 = Node("n2", "beta", "10.0.0.2", ready=True)


def _steady(wall: float | None) -> float:
    return 50.0 if wall is None else wall


def following(*, has_check: bool | None = True, port: int | None = 5432) -> Following:
    made = Following(
        RUN,
        "locald-shop-db",
        port,
        lambda: 50.0,
        lambda wall: 50.0 if wall is None else wall,
        has_check=has_check,
    )
    made.nodes = {"n1": N1, "n2": N2}
    return made


def a(number: int, state: str, wanted: str = "running", **more: Any) -> Task:
    given: dict[str, Any] = {"node": "n1", "container": f"c{number}", "at": 10.0 + number} | more
    return Task(f"task{number}", "s1", created=f"2026-01-0{number}", state=state, wanted=wanted, **given)


def kinds(news: list[Event]) -> list[str]:
    return [type(each).__name__ for each in news]


def test_a_start_is_told_step_by_step_and_nothing_is_told_twice() -> None:
    run = following()
    assert run.look([]) == []
    (waiting,) = run.look([a(1, "pending", node="", container="", error="no suitable node")])
    assert isinstance(waiting, Prepares)
    told = "task locald-shop-db (task1) is pending: no suitable node"
    assert waiting.detail == told
    started = run.look([a(1, "starting")])
    assert started == [
        Spawned(RUN, 0, 11.0, "c1", 5432),
        Reported(
            RUN,
            ok=False,
            detail=f"{TASK} on node alpha is starting, its HEALTHCHECK has not passed yet",
            at=11.0,
            container="c1",
        ),
    ]
    assert run.look([a(1, "starting")]) == []
    (healthy,) = run.look([a(1, "running", at=12.0)])
    assert isinstance(healthy, Reported)
    assert (healthy.ok, healthy.at) == (True, 12.0)
    assert run.look([a(1, "running", at=12.0)]) == []


def test_without_a_healthcheck_the_engines_running_is_no_word_on_health() -> None:
    run = following(has_check=False)
    assert kinds(run.look([a(1, "running")])) == ["Spawned"]
    (word,) = run.unseen("but 10.0.0.1:5432 cannot be reached from here")
    assert isinstance(word, Reported)
    assert word.ok
    assert run.unseen("again") == []


def test_a_failed_task_is_told_with_its_node_and_error_when_another_is_there() -> None:
    run = following()
    run.look([a(1, "running")])
    failed = a(1, "failed", "shutdown", error="task: non-zero exit (137)", code=137)
    assert run.look([a(1, "failed", "running", error="task: non-zero exit (137)")]) == []
    assert run.look([failed, a(2, "ready", "ready", container="")]) == [
        Replaced(RUN, "task locald-shop-db (task1) on node alpha failed: task: non-zero exit (137)", 50.0)
    ]
    assert kinds(run.look([failed, a(2, "starting")])) == ["Resumed", "Reported"]
    assert kinds(run.look([failed, a(2, "running")])) == ["Reported"]


def test_replacements_that_nobody_saw_are_told_one_by_one() -> None:
    run = following()
    run.look([a(1, "running")])
    over = [a(number, "failed", "shutdown", error="exit (1)") for number in (1, 2, 3)]
    assert kinds(run.look([*over, a(4, "running")])) == [
        "Replaced",
        "Replaced",
        "Replaced",
        "Resumed",
        "Reported",
    ]


def test_a_node_that_is_down_is_the_reason() -> None:
    run = following()
    run.look([a(1, "running")])
    run.nodes = {"n1": Node("n1", "alpha", "10.0.0.1", ready=False), "n2": N2}
    (lost, *_) = run.look([a(1, "running", "shutdown"), a(2, "assigned", node="n2", container="")])
    assert isinstance(lost, Replaced)
    assert lost.detail == "task locald-shop-db (task1) on node alpha is lost: the node is down"


def test_what_the_swarm_gives_up_has_ended() -> None:
    run = following()
    run.look([a(1, "running")])
    (end,) = run.look([a(1, "failed", "shutdown", error="task: non-zero exit (3)", code=3)])
    assert isinstance(end, Exited)
    told = "task locald-shop-db (task1) on node alpha: task: non-zero exit (3)"
    assert end.exit == Exit(code=3, reason=told)


def test_a_signal_is_told_as_one_and_a_job_that_is_complete_exited_with_0() -> None:
    run = following()
    run.look([a(1, "running")])
    (end,) = run.look([a(1, "shutdown", "shutdown", code=143)])
    assert isinstance(end, Exited)
    assert (end.exit.signal, end.exit.code) == (15, None)
    job = following(has_check=False)
    assert kinds(job.look([a(1, "complete", "complete", code=0)])) == ["Spawned", "Exited"]


def test_a_task_that_no_node_can_run_is_told_while_the_swarm_tries_again() -> None:
    run = following()
    rejected = a(1, "rejected", "shutdown", container="", error="No such image: nowhere:1")
    (first,) = run.look([rejected, a(2, "preparing", container="")])[:1]
    assert isinstance(first, Prepares)
    (again,) = [
        each
        for each in run.look([a(2, "rejected", "running", container="", error="No such image: nowhere:1")])
    ]
    assert isinstance(again, Prepares)
    assert "No such image: nowhere:1" in again.detail


def test_a_run_that_is_found_again_is_told_from_what_is_there_now() -> None:
    assert kinds(following().look([a(1, "failed", "shutdown"), a(2, "running")])) == ["Spawned", "Reported"]


def test_a_swarms_words_are_read_whatever_is_missing() -> None:
    assert task({}) == Task("", "", "", "", "new", "running")
    assert node({"ID": "abc"}) == Node("abc", "abc", "", ready=False)


def test_names_are_labels_and_no_two_services_share_one() -> None:
    assert name(Key("shop", "web")) == "locald-shop-web"
    assert (name(Key("shop@feat", "web")), network("shop@feat")) == (
        "locald-shop_feat-web",
        "locald_shop_feat",
    )
    long = [name(Key("p" * 40, "s" * 40 + end)) for end in "ab"]
    assert all(len(each) <= 63 for each in long)
    assert len(set(long)) == 2


def test_without_a_healthcheck_it_is_there_when_its_task_runs() -> None:
    """On a busy node its container is there seconds after its task is starting, and may end at once."""
    run = following(has_check=False)
    (told,) = run.look([a(1, "starting")])
    assert isinstance(told, Prepares)
    assert told.detail == f"{TASK} on node alpha is starting"
    assert run.look([a(1, "running", at=14.0)]) == [Spawned(RUN, 0, 14.0, "c1", 5432)]
    assert kinds(run.look([a(1, "failed", "shutdown"), a(2, "starting")])) == ["Replaced"]
    assert kinds(run.look([a(1, "failed", "shutdown"), a(2, "running")])) == ["Resumed"]


def test_that_it_runs_is_not_enough_while_nobody_knows_whether_it_has_a_healthcheck() -> None:
    run = following(has_check=None, port=None)
    _, told = run.look([a(1, "starting")])
    assert isinstance(told, Reported)
    assert not told.ok
    assert told.detail.endswith("is starting, its HEALTHCHECK, if it has one, has not passed yet")
    assert run.look([a(1, "running")]) == []
    (known,) = run.unseen("and nobody knows")
    assert isinstance(known, Reported)
    assert known.ok
    assert kinds(following(has_check=None).look([a(1, "starting")])) == ["Spawned"]
