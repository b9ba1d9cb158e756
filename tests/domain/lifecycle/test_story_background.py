"""Stories: a program that goes to the background has failed, and the way to the foreground is told."""

from __future__ import annotations

import pytest

from domain.story import Story, listener, service, worker
from locald.domain.knowledge.foreground import keep
from locald.domain.lifecycle.messages import Listens, Process
from locald.domain.project.names import Key, Run

WEB = Run(Key("shop", "web"), 1)


def forked(program: str = "nginx", *, after: float = 0.5, **keys: object) -> Story:
    """Its child listens, and its leader ends well `after` so many seconds."""
    s = Story(service("web", port=8080, **keys), service("api", "web"))
    s.up(), s.spawned("web#1", pid=7)
    s.tell(Listens(WEB, (listener(8080, Process(8, program)),), True, None, s.now, Process(8, program)))
    s.wait(after)
    s.exited("web#1", 0, left=1, pid=7)
    s.wait(0.1)
    s.gone("web#1")
    return s


@pytest.mark.parametrize("policy", ["on-failure", "no", "always"])
def test_who_goes_to_the_background_has_failed(policy: str) -> None:
    s = forked(restart=policy)
    assert s.state("web") == "failed"
    assert s.because("web") == (
        "went to the background: exited with code 0, leaving pid 8 (nginx) on 127.0.0.1:8080"
    )
    assert s.why("web").hints[0] == "run it in the foreground: nginx -g 'daemon off;'"


def test_a_program_that_is_not_known_is_told_what_to_look_for() -> None:
    s = forked("mine")
    assert s.why("web").hints[0] == "run it in the foreground, so that locald can manage its process"


def test_who_forked_before_its_listener_was_seen_is_known_by_its_program() -> None:
    s = Story(service("web", port=8080, command="exec nginx -p . -c nginx.conf"))
    s.up(), s.spawned("web#1", pid=7)
    s.exited("web#1", 0, pid=7, behind=(Process(8, "sh"), Process(9, "nginx")))
    assert s.wait(0.1) == ["terminate web#1"]
    s.gone("web#1")

    assert (s.state("web"), s.service("web").runs) == ("failed", 1)
    assert s.because("web") == "went to the background: exited with code 0, leaving pid 9 (nginx)"
    assert s.why("web").hints[0] == (
        "run it in the foreground: `exec nginx -p . -c nginx.conf -g 'daemon off;'`"
    )


def test_what_ends_with_its_leader_went_nowhere() -> None:
    """A helper notices the end of its parent a moment later: nothing is signalled, and nothing named."""
    s = Story(service("web", port=8080, command="hypercorn nosuch:app"))
    s.up(), s.spawned("web#1", pid=7)
    assert s.exited("web#1", 0, pid=7, behind=(Process(8, "python3"),)) == []
    s.wait(0.05), s.gone("web#1")

    assert s.state("web") == "failed"
    assert s.because("web") == "exited with code 0 before becoming ready"
    assert not [hint for hint in s.why("web").hints if "foreground" in hint]


def test_a_worker_that_was_ready_and_leaves_its_work_behind_went_to_the_background() -> None:
    s = Story(worker("jobs", command="celery worker --detach"))
    s.up(), s.healthy("jobs#1"), s.wait(2)
    s.exited("jobs#1", 0, behind=(Process(8, "celery"),)), s.wait(0.1), s.gone("jobs#1")

    assert s.state("jobs") == "failed"
    assert s.why("jobs").hints[0] == "run it in the foreground: `celery worker`"


def test_what_is_left_is_ended_at_once_when_the_leader_failed() -> None:
    s = Story(worker("jobs", restart="no"))
    s.up(), s.spawned("jobs#1")

    assert s.exited("jobs#1", 1, left=1) == ["terminate jobs#1"]


KEPT = [
    ("mosquitto", "mosquitto -c m.conf -d", "`mosquitto -c m.conf`"),
    ("mosquitto", "mosquitto -d -p 1883", "`mosquitto -p 1883`"),
    ("dnsmasq", "dnsmasq -C d.conf", "`dnsmasq -C d.conf --keep-in-foreground`"),
    ("apache2", "/usr/sbin/apache2 -f a.conf", "`/usr/sbin/apache2 -f a.conf -DFOREGROUND`"),
    ("apache2", "apachectl start", "apache2 -DFOREGROUND"),
    ("haproxy", "haproxy -f h.cfg -D", "`haproxy -f h.cfg`"),
    ("nginx", "mkdir -p logs && nginx", "nginx -g 'daemon off;'"),
    ("nginx: worker", "nginx", "`nginx -g 'daemon off;'`"),
    ("mosquitto", "./broker.sh", "mosquitto (without -d)"),
]


@pytest.mark.parametrize(("program", "command", "told"), KEPT)
def test_the_foreground_is_told_with_the_users_own_command(program: str, command: str, told: str) -> None:
    assert keep(program, command) == f"run it in the foreground: {told}"


def test_a_leader_that_ends_much_later_has_ended() -> None:
    """It may hand over to another process on purpose; what is left is ended all the same."""
    s = forked(after=11)
    assert s.state("web") == "stopped"


def test_a_leader_that_fails_and_leaves_listeners_is_a_failure_like_any() -> None:
    s = Story(service("web", port=8080))
    s.up(), s.spawned("web#1", pid=7)
    s.tell(Listens(WEB, (listener(8080, Process(8, "node")),), True, None, s.now, Process(8, "node")))
    s.exited("web#1", 1, left=1, pid=7), s.gone("web#1")
    assert s.state("web") == "backoff"


def test_a_leader_that_listened_itself_and_leaves_helpers_did_not() -> None:
    s = Story(service("web", port=8080))
    s.up(), s.spawned("web#1", pid=7)
    s.tell(Listens(WEB, (listener(8080, Process(7, "node")),), True, None, s.now))
    s.wait(2), s.exited("web#1", 0, left=2, pid=7), s.gone("web#1")
    assert s.state("web") == "stopped"
