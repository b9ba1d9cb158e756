"""Stories: a program that goes to the background has failed, and the way to the foreground is told."""

from __future__ import annotations

import pytest

from domain.story import Story, listener, service
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
