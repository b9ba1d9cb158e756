"""What a cluster's pods mean for a run: snapshots in, news out. No cluster is asked."""

from __future__ import annotations

from typing import Any

from locald.adapters.kubernetes.following import Following
from locald.adapters.kubernetes.pods import Pod, Workload, pod, workload
from locald.domain.lifecycle.messages import (
    Event,
    Exit,
    Exited,
    Prepares,
    Replaced,
    Reported,
    Resumed,
    Spawned,
)
from locald.domain.project.names import Key, Run

RUN = Run(Key("shop", "db"), 1)
NAMED = "pod db-a on node n1"
MADE = Workload({})
OVER = Workload({}, is_over=True)
NOW = 50.0


def following(*, has_check: bool = True, is_job: bool = False, again: bool = False) -> Following:
    def steady(wall: float | None) -> float:
        return NOW if wall is None else wall

    return Following(RUN, lambda: NOW, steady, is_job=is_job, has_check=has_check, again=again)


def said(name: str = "a", **status: Any) -> Pod:
    """A pod as the API tells it. `state`, `last`, `count`: of its container; `conditions` by type."""
    state, last = status.pop("state", {}), status.pop("last", None)
    container: dict[str, Any] = {"state": state, "restartCount": status.pop("count", 0)}
    container |= {"lastState": last} if last else {}
    container |= {"containerID": f"containerd://c-{name}"} if "running" in state else {}
    conditions = [{"type": kind, **each} for kind, each in status.pop("conditions", {}).items()]
    deleted = {"deletionTimestamp": "2026-01-01T00:00:09Z"} if status.pop("deleted", False) else {}
    return pod(
        {
            "metadata": {
                "name": f"db-{name}",
                "uid": name,
                "creationTimestamp": f"2026-01-01-{name}",
                **deleted,
            },
            "spec": {"nodeName": status.pop("node", "n1")},
            "status": {"containerStatuses": [container], "conditions": conditions, **status},
        }
    )


def running(name: str = "a", *, ready: bool = True, **more: Any) -> Pod:
    told: dict[str, Any] = {"status": "True" if ready else "False"}
    told |= {} if ready else {"message": "containers with unready status: [db]"}
    state = {"running": {"startedAt": "1970-01-01T00:00:10Z"}}
    return said(name, state=state, phase="Running", conditions={"Ready": told}, **more)


def ended(code: int, reason: str = "Error") -> dict[str, Any]:
    times = {"startedAt": "1970-01-01T00:00:10Z", "finishedAt": "1970-01-01T00:00:20Z"}
    return {"terminated": {"exitCode": code, "reason": reason, **times}}


def kinds(news: list[Event]) -> list[str]:
    return [type(each).__name__ for each in news]


def test_a_start_is_told_step_by_step_and_nothing_is_told_twice() -> None:
    run = following()
    assert run.look([], MADE) == []
    unschedulable = {"PodScheduled": {"status": "False", "reason": "Unschedulable", "message": "no nodes"}}
    (waits,) = run.look([said(node="", phase="Pending", conditions=unschedulable)], MADE)
    assert waits == Prepares(RUN, "pod db-a is pending: Unschedulable: no nodes", NOW)
    pulls = {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}
    (pull,) = run.look([said(state=pulls)], MADE)
    assert isinstance(pull, Prepares)
    assert pull.detail == f"{NAMED} is pending: ImagePullBackOff: no such image"
    assert run.look([said(state=pulls)], MADE) == []
    told = f"{NAMED} is running, its probe has not passed: containers with unready status: [db]"
    assert run.look([running(ready=False)], MADE) == [
        Spawned(RUN, 0, NOW, "c-a"),
        Reported(RUN, False, told, NOW, "c-a"),
    ]
    assert run.look([running(ready=False)], MADE) == []
    assert run.look([running()], MADE) == [
        Reported(RUN, True, f"{NAMED} is ready, its probe passed", NOW, "c-a")
    ]
    assert run.look([running()], MADE) == []


def test_a_warning_of_the_cluster_is_the_reason_where_there_is_one() -> None:
    run = following()
    run.look([running(ready=False)], MADE)
    run.warning = "Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 500"
    (told,) = run.look([running(ready=False)], MADE)
    assert isinstance(told, Reported)
    assert told.detail.endswith(
        "has not passed: Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 500"
    )


def test_without_a_probe_the_cluster_says_nothing_of_health() -> None:
    assert kinds(following(has_check=False).look([running()], MADE)) == ["Spawned"]


def test_a_container_that_crashed_is_told_once_and_the_next_resumes() -> None:
    run = following()
    run.look([running()], MADE)
    assert run.look([said(state=ended(3), phase="Running")], MADE) == [
        Replaced(RUN, f"{NAMED}: its container ended: exit code 3", NOW)
    ]
    backing_off = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    assert run.look([said(state=backing_off, last=ended(3), phase="Running")], MADE) == []
    assert kinds(run.look([running(count=1, last=ended(3), ready=False)], MADE)) == ["Resumed", "Reported"]


def test_a_restart_that_nobody_saw_is_told_with_how_the_one_before_ended() -> None:
    run = following()
    run.look([running()], MADE)
    killed = ended(137, "OOMKilled")
    (first, *others) = run.look([running(count=1, last=killed)], MADE)
    assert first == Replaced(RUN, f"{NAMED}: its container ended: exit code 137 (OOMKilled)", NOW)
    assert kinds(others) == ["Resumed", "Reported"]


def test_each_crash_counts_also_while_none_was_seen_to_run() -> None:
    run = following()
    backing_off = {"waiting": {"reason": "CrashLoopBackOff"}}
    first = run.look([said(state=backing_off, last=ended(1))], MADE)
    assert kinds(first) == ["Spawned", "Replaced"]
    assert kinds(run.look([said(state=backing_off, last=ended(1), count=1)], MADE)) == ["Replaced"]


def test_a_pod_that_is_removed_is_followed_by_another() -> None:
    run = following()
    run.look([running("a")], MADE)
    assert run.look([], MADE) == [Replaced(RUN, f"{NAMED} was removed", NOW)]
    assert run.look([], MADE) == []
    assert run.look([said("b", node="")], MADE) == []
    assert kinds(run.look([running("b")], MADE)) == ["Resumed", "Reported"]


def test_an_evicted_pod_is_told_with_the_reason() -> None:
    run = following()
    run.look([running("a")], MADE)
    (told,) = run.look([said(phase="Failed", reason="Evicted", message="low on memory")], MADE)
    assert isinstance(told, Replaced)
    assert told.detail == f"{NAMED} has failed: Evicted: low on memory"


def test_what_is_ending_is_not_the_run_any_more() -> None:
    run = following()
    run.look([running("b")], MADE)
    news = run.look([running("b", deleted=True), running("a")], MADE)
    assert kinds(news) == ["Replaced", "Resumed", "Reported"]


def test_a_job_decides_itself_whether_another_pod_follows() -> None:
    run = following(is_job=True, has_check=False)
    failed = said(state=ended(1), phase="Failed")
    assert kinds(run.look([failed], MADE)) == ["Spawned"]
    assert run.look([failed], MADE) == []
    (again,) = run.look([failed, said("b")], MADE)
    assert isinstance(again, Replaced)
    assert kinds(run.look([failed, running("b")], MADE)) == ["Resumed"]
    completed = said("b", state=ended(0, "Completed"), phase="Succeeded")
    (end,) = run.look([failed, completed], OVER)
    assert isinstance(end, Exited)
    assert (end.exit, end.at) == (Exit(code=0), 20.0)


def test_a_job_that_failed_ended_with_its_code_or_its_signal() -> None:
    for code, told in ((3, Exit(code=3, reason=NAMED)), (137, Exit(signal=9, reason=NAMED))):
        run = following(is_job=True, has_check=False)
        (_, end) = run.look([said(state=ended(code), phase="Failed")], OVER)
        assert isinstance(end, Exited)
        assert end.exit == told


def test_a_deployment_that_can_make_no_pod_says_why() -> None:
    failed = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: pods"}
    made = workload({"status": {"conditions": [failed]}})
    (told,) = following().look([], made)
    assert isinstance(told, Prepares)
    assert told.detail == "no pod can be made: exceeded quota: pods"


def test_a_run_that_is_found_again_is_told_with_the_clusters_times() -> None:
    (spawned, reported) = following(again=True).look([running()], MADE)
    assert isinstance(spawned, Spawned)
    assert spawned.at == 10.0
    assert isinstance(reported, Reported)
    (_, resumed) = [each for each in following().look([running()], MADE) if not isinstance(each, Resumed)]
    assert isinstance(resumed, Reported)


def test_a_clusters_words_are_read_whatever_is_missing() -> None:
    assert pod({}) == Pod("", "", "")
    assert workload({}) == Workload({})
