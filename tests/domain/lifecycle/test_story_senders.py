"""READY=1 and STOPPING=1 are true of the process that says them, and for as long as it is there."""

from __future__ import annotations

import pytest

from domain.story import Story, pid_of, service, worker
from locald.domain.lifecycle.messages import Kin, Listener, Listens, Notified, Process, Sender
from locald.domain.project.names import Key, Run
from locald.domain.project.spec import HealthCheck, NotifyCheck

WEB = "web#1"
MAIN = pid_of(WEB)
FIRST, SECOND, SHELL = 71, 72, 73
TOLD = 'serve --port "$PORT"'
"""a command that names PORT: only that one counts"""


def started(**keys: object) -> Story:
    s = Story(service("web", **keys))
    s.up(), s.spawned(WEB)
    return s


def server(s: Story, *words: str, pid: int = FIRST, listens: bool = True) -> None:
    """A server that the main process waits for says something."""
    s.says(WEB, *words, pid=pid, line=(Kin(pid, "node", listens),))


def helper(s: Story, *words: str, above: tuple[Kin, ...] = ()) -> None:
    """A `systemd-notify` below the main process, or below others."""
    s.says(WEB, *words, pid=FIRST, line=(Kin(FIRST, "systemd-notify"), *above))


def main(s: Story, *words: str) -> None:
    s.says(WEB, *words, line=())


def opens(s: Story, *, owner: int = MAIN, port: int = 0) -> None:
    held = Listener("127.0.0.1", port or s.port(WEB), Process(owner, "node"))
    s.tell(Listens(Run(Key("shop", "web"), 1), (held,), held.port == s.port(WEB), None, s.now))


# A server that is followed by another.


def test_ready_of_a_temporary_server_is_not_that_of_the_service() -> None:
    s = started()
    server(s, "READY=1")
    assert s.health("web") == ("starting", "notify")
    assert s.because("web") == (
        "pid 71 (node) sent READY=1, and is not the main process: "
        "waiting up to 10s to see whether pid 71 (node) stays"
    )
    s.wait(6)
    server(s, "STOPPING=1")
    assert (s.state("web"), s.health("web")) == ("starting", ("starting", "none"))
    s.ended(WEB, FIRST)
    main(s, "READY=1")
    assert s.health("web") == ("healthy", "notify")
    assert s.because("web") == f"pid {MAIN} (node) sent READY=1"


def test_nor_where_it_says_nothing_when_it_ends() -> None:
    s = started(command=TOLD)
    server(s, "READY=1")
    assert "waiting for port 24" in s.because("web")
    s.wait(20)
    assert s.health("web")[0] == "starting"
    s.ended(WEB, FIRST)
    assert s.because("web") == f"not listening on port {s.port(WEB)} yet"
    evidence = s.why("web").evidence[0]
    assert evidence.detail == "pid 71 (node) has ended, and what it said before no longer counts"


def test_what_it_promised_is_not_waited_for() -> None:
    """The server that follows may be one that never notifies."""
    s = started(command=TOLD)
    server(s, "READY=1")
    s.ended(WEB, FIRST)
    opens(s)
    assert s.health("web") == ("healthy", "tcp")
    s.restart("web"), s.stopped(WEB), s.spawned("web#2"), s.listens("web#2")
    assert s.health("web") == ("healthy", "tcp"), "nor in the next run"


def test_what_the_main_process_promised_itself_is() -> None:
    s = started(command=TOLD)
    main(s, "STATUS=preparing")
    server(s, "READY=1")
    s.ended(WEB, FIRST)
    opens(s)
    assert s.health("web") == ("starting", "notify")
    main(s, "READY=1")
    assert s.health("web") == ("healthy", "notify")


def test_one_on_the_port_itself_is_believed_and_taken_back() -> None:
    """It serves, so whoever comes is served; it is not what the service will be."""
    s = Story(service("web", command=TOLD, start_timeout=30.0), worker("job", "web"))
    s.up(), s.spawned(WEB)
    opens(s, owner=FIRST)
    server(s, "READY=1")
    assert s.health("web") == ("healthy", "notify")
    s.spawned("job#1")
    s.wait(5)
    s.exits("job#1", 1)
    server(s, "STOPPING=1")
    assert (s.state("web"), s.health("web")) == ("starting", ("starting", "notify"))
    assert s.because("web") == "pid 71 (node) sent STOPPING=1, and has not ended yet"
    assert s.row("web").ready_at is None
    assert s.state("job") == "waiting", "its failure counts for nothing"
    s.closes(WEB), s.ended(WEB, FIRST)
    assert s.state("web") == "starting"
    s.wait(20)
    opens(s)
    main(s, "READY=1")
    assert (s.state("web"), s.health("web")) == ("running", ("healthy", "notify"))


def test_long_after_the_start_it_is_a_loss_of_health() -> None:
    s = started(command=TOLD, start_timeout=30.0)
    opens(s, owner=FIRST)
    server(s, "READY=1")
    s.wait(31)
    s.closes(WEB), s.ended(WEB, FIRST)
    assert (s.state("web"), s.health("web")[0]) == ("running", "unhealthy")


def test_a_required_notification_is_taken_back_with_its_sender() -> None:
    s = started(health_check=HealthCheck(NotifyCheck()))
    server(s, "READY=1")
    assert s.health("web") == ("healthy", "explicit")
    s.wait(5)
    s.ended(WEB, FIRST)
    assert (s.state("web"), s.health("web")) == ("starting", ("starting", "explicit"))


# Who may speak for the service.


def test_the_process_on_the_port_may() -> None:
    """As squid's child does: READY=1 first, the port a moment later."""
    s = started(command=TOLD)
    server(s, "READY=1")
    s.wait(0.1)
    opens(s, owner=FIRST)
    assert s.health("web") == ("healthy", "notify")


def test_it_is_ready_from_when_its_port_was_open_also_where_ready_is_heard_of_last() -> None:
    s = started(command=TOLD)
    said_at = s.now
    s.wait(0.1)
    open_at = s.now
    held = Listener("127.0.0.1", s.port(WEB), Process(FIRST, "node"))
    s.tell(Listens(Run(Key("shop", "web"), 1), (held,), True, None, open_at, can_notify=True))
    assert s.health("web")[0] == "starting"
    s.wait(0.01)
    sender = Sender(Process(FIRST, "node"), 1000, "member", (Kin(FIRST, "node", False),))
    s.tell(Notified(Run(Key("shop", "web"), 1), sender, b"READY=1", said_at, None))
    assert (s.health("web"), s.row("web").ready_at) == (("healthy", "notify"), open_at)


def test_it_counts_when_its_port_has_served_and_not_when_it_was_only_opened() -> None:
    s = started(command=TOLD)
    server(s, "READY=1")
    s.listens(WEB, accepts=False)
    assert s.health("web") == ("starting", "notify")
    assert s.because("web").endswith(f"is not the main process: waiting for port {s.port(WEB)} to serve")
    s.listens(WEB)
    assert s.health("web") == ("healthy", "notify")


def test_so_may_one_on_another_port_of_a_service_that_was_told_none() -> None:
    s = started()
    server(s, "READY=1")
    opens(s, owner=FIRST, port=3128)
    assert s.health("web") == ("healthy", "notify")


def test_and_one_that_stays_though_it_listens_nowhere() -> None:
    s = started()
    server(s, "READY=1", listens=False)
    s.wait(9.9)
    assert s.health("web")[0] == "starting"
    s.wait(0.1)
    assert s.health("web") == ("healthy", "notify")


def test_a_service_without_a_port_is_not_kept_waiting() -> None:
    s = Story(worker("web"))
    s.up(), s.spawned(WEB)
    server(s, "READY=1")
    assert s.health("web") == ("healthy", "notify")


def test_mainpid_makes_a_sender_the_main_process() -> None:
    s = started(command=TOLD)
    s.says(WEB, f"MAINPID={FIRST}", "READY=1", pid=FIRST, main=FIRST, line=(Kin(FIRST, "node"),))
    assert s.health("web") == ("healthy", "notify")


# Helpers.


def test_a_helper_speaks_for_the_process_above_it() -> None:
    s = started(command=TOLD)
    helper(s, "READY=1")
    assert s.health("web")[0] == "starting"
    s.wait(0.01)
    s.ended(WEB, FIRST)
    assert s.health("web") == ("healthy", "notify")


def test_and_so_on_up_to_the_main_process() -> None:
    s = started(command=TOLD)
    helper(s, "READY=1", above=(Kin(SHELL, "sh"),))
    s.ended(WEB, FIRST)
    assert s.health("web")[0] == "starting", "the shell is there still"
    s.ended(WEB, SHELL)
    assert s.health("web") == ("healthy", "notify")


def test_also_where_the_one_above_ends_first() -> None:
    s = started(command=TOLD)
    helper(s, "READY=1", above=(Kin(SHELL, "sh"),))
    s.ended(WEB, SHELL)
    s.ended(WEB, FIRST)
    assert s.health("web") == ("healthy", "notify")


def test_a_helper_of_a_temporary_server_s_speaks_for_that_alone() -> None:
    s = started()
    helper(s, "READY=1", above=(Kin(SHELL, "sh"),))
    s.ended(WEB, FIRST)
    s.wait(5)
    s.ended(WEB, SHELL)
    assert s.health("web") == ("starting", "none")


@pytest.mark.parametrize(("listens", "lives"), [(True, 0.1), (False, 1.1)])
def test_what_listens_or_stays_for_longer_is_no_helper(listens: bool, lives: float) -> None:
    s = started()
    server(s, "READY=1", listens=listens)
    s.wait(lives)
    s.ended(WEB, FIRST)
    assert s.health("web") == ("starting", "none")


# STOPPING=1.


def test_stopping_of_another_process_does_not_stop_the_service() -> None:
    s = started(command=TOLD)
    opens(s)
    main(s, "READY=1")
    server(s, "STOPPING=1")
    assert (s.state("web"), s.health("web")) == ("running", ("healthy", "notify"))
    assert s.why("web").evidence[0].detail == "pid 71 (node) sent STOPPING=1, which is true of itself alone"


def test_it_is_final_for_its_sender() -> None:
    s = started(command=TOLD)
    opens(s, owner=FIRST)
    server(s, "READY=1")
    server(s, "STOPPING=1")
    server(s, "READY=1")
    assert s.health("web")[0] == "starting"


def test_of_the_main_process_it_is_final_for_the_run() -> None:
    s = started()
    main(s, "READY=1")
    main(s, "STOPPING=1")
    assert s.state("web") == "stopping"


def test_while_another_says_ready_the_service_is() -> None:
    s = started(command=TOLD)
    opens(s, owner=SECOND)
    server(s, "READY=1")
    server(s, "READY=1", pid=SECOND)
    s.ended(WEB, FIRST)
    assert s.health("web") == ("healthy", "notify")


# What is told again.


def test_a_replay_of_what_is_over_changes_nothing() -> None:
    s = started()
    began = s.now
    server(s, "READY=1")
    s.wait(5)
    s.ended(WEB, FIRST)
    main(s, "READY=1")
    facts = s.service("web").facts
    s.daemon_dies()
    s.spawned(WEB)
    now, s.now = s.now, began
    server(s, "READY=1")
    s.now = now
    s.ended(WEB, FIRST)
    main(s, "READY=1")
    assert facts is not None
    assert s.service("web").facts.words == facts.words  # type: ignore[union-attr]
    assert (s.state("web"), s.health("web")) == ("running", ("healthy", "notify"))


def test_what_an_earlier_keeper_tells_has_no_line_and_counts() -> None:
    s = started(command=TOLD)
    s.says(WEB, "READY=1", pid=FIRST)
    assert s.health("web") == ("healthy", "notify")
