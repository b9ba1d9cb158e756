"""What runs on an engine elsewhere: its word is the health, and what it restarts itself is the same run."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from domain.story import Story, service
from locald.domain.lifecycle.messages import (
    Ends,
    Exit,
    Exited,
    Replaced,
    Reported,
    Resumed,
    Silenced,
    Spawned,
)
from locald.domain.project.names import Key, Run
from locald.domain.project.spec import (
    CommandCheck,
    Engine,
    HealthCheck,
    LogCheck,
    NotifyCheck,
    RestartPolicy,
    ServiceSpec,
    Type,
)

CHECK = HealthCheck(CommandCheck("wget -q -O /dev/null http://127.0.0.1/"))


class OnSwarm(Story):
    """The same stories, of services that the swarm runs."""

    def __init__(self, *specs: ServiceSpec) -> None:
        super().__init__(*specs)
        self.on(Engine.SWARM)

    def on(self, engine: Engine) -> None:
        definitions = {name: replace(each, engine=engine) for name, each in self.project.definitions.items()}
        self.project = replace(self.project, definitions=definitions)

    def starts(self, run: str) -> list[str]:
        return self.tell(Spawned(_run(run), 0, self.now, "c0ffee", 5432))

    def reports(
        self, run: str, ok: bool, detail: str = "task shop-db (ab) on node n1 is running"
    ) -> list[str]:
        return self.tell(Reported(_run(run), ok, detail, self.now))

    def replaces(self, run: str) -> list[str]:
        return self.tell(Replaced(_run(run), "task shop-db (ab) on node n1 failed: exit (137)", self.now))

    def ends(self, run: str) -> list[str]:
        return self.tell(Ends(_run(run), self.now))

    def resumes(self, run: str) -> list[str]:
        return self.tell(Resumed(_run(run), self.now))


def _run(text: str) -> Run:
    name, _, number = text.partition("#")
    return Run(Key("shop", name), int(number))


def db(**keys: Any) -> ServiceSpec:
    return service("db", type=Type.CONTAINER, image="postgres:16", command=None, **keys)


def test_a_dependent_is_created_when_the_engine_says_that_what_it_needs_is_healthy() -> None:
    story = OnSwarm(db(), service("web", "db", type=Type.CONTAINER, image="web:1"))
    assert story.up() == ["start db#1"]
    assert story.starts("db#1") == []
    assert story.reports("db#1", ok=False) == []
    assert story.reports("db#1", ok=True) == ["start web#1"]
    seen = story.row("db")
    assert (seen.health, seen.source, seen.because) == (
        "healthy",
        "swarm",
        "task shop-db (ab) on node n1 is running",
    )


def test_a_check_that_the_engine_carries_out_is_still_the_users_own() -> None:
    story = OnSwarm(db(health_check=CHECK))
    story.up()
    story.starts("db#1")
    story.reports("db#1", ok=True)
    assert (story.row("db").source, story.row("db").check) == ("explicit", "command")


def test_a_log_check_is_not_the_engines_to_carry_out() -> None:
    story = OnSwarm(db(health_check=HealthCheck(LogCheck("ready"))))
    story.up()
    story.starts("db#1")
    story.reports("db#1", ok=True)
    assert story.row("db").health == "starting"
    story.probed("db#1", ok=True)
    assert story.row("db").health == "healthy"


def test_what_the_engine_replaces_is_unhealthy_until_the_other_is_there_and_counts_as_a_restart() -> None:
    story = OnSwarm(db())
    story.up()
    story.starts("db#1")
    story.reports("db#1", ok=True)
    assert story.replaces("db#1") == []
    seen = story.row("db")
    assert (seen.state, seen.health, seen.restarts, seen.run) == ("running", "unhealthy", 1, 1)
    assert seen.because == "task shop-db (ab) on node n1 failed: exit (137); the swarm starts another"
    story.resumes("db#1")
    story.reports("db#1", ok=True)
    assert story.row("db").health == "healthy"
    assert any("failed: exit (137)" in each.detail for each in story.why("db").evidence)


def test_dependents_of_what_is_replaced_keep_running() -> None:
    story = OnSwarm(db(), service("web", "db", type=Type.CONTAINER, image="web:1"))
    story.up()
    story.starts("db#1")
    story.reports("db#1", ok=True)
    story.starts("web#1")
    story.reports("web#1", ok=True)
    assert story.replaces("db#1") == []
    assert story.row("web").state == "running"


def test_what_is_stopping_is_not_replaced() -> None:
    story = OnSwarm(db())
    story.up()
    story.starts("db#1")
    story.reports("db#1", ok=True)
    story.stop("db")
    story.replaces("db#1")
    assert story.row("db").restarts == 0


def test_what_has_nothing_to_look_at_is_believed_when_news_of_its_end_would_have_come() -> None:
    story = OnSwarm(service("job", type=Type.WORKER, image="job:1"))
    story.up()
    story.starts("job#1")
    story.wait(1.9)
    assert story.row("job").health == "starting"
    story.wait(0.2)
    assert (story.row("job").health, story.row("job").source) == ("healthy", "process")


def test_what_has_ended_is_not_believed_nor_too_late_while_its_last_output_is_read() -> None:
    story = OnSwarm(
        service("job", type=Type.WORKER, image="job:1", restart=RestartPolicy.NO, start_timeout=3.0)
    )
    story.up()
    story.starts("job#1")
    story.wait(1.0)
    at = story.now
    assert story.ends("job#1") == []
    story.wait(4.0)
    assert story.row("job").health == "starting"
    story.tell(Exited(_run("job#1"), 0, Exit(3), 0, at))
    story.gone("job#1")
    assert (story.row("job").state, story.row("job").exit_code) == ("failed", 3)
    assert story.row("job").ready_at is None


def test_up_on_another_engine_moves_what_runs() -> None:
    story = OnSwarm(db())
    story.up()
    story.starts("db#1")
    story.reports("db#1", ok=True)
    story.on(Engine.LOCAL)
    assert story.up() == ["terminate db#1"]
    assert story.exited("db#1", 0, pid=0) == []
    assert story.gone("db#1") == ["start db#2"]


def test_up_on_the_same_engine_leaves_it_alone() -> None:
    story = OnSwarm(db())
    story.up()
    story.starts("db#1")
    story.reports("db#1", ok=True)
    assert story.up() == []


def test_a_watchdog_elsewhere_is_heeded_there_or_nowhere_and_never_expires_here() -> None:
    story = OnSwarm(db(watchdog=5.0))
    story.up()
    story.starts("db#1")
    story.reports("db#1", ok=True)
    assert story.wait(60) == []
    assert story.row("db").health == "healthy"


def test_ready_is_the_word_of_systemd_where_that_runs_it() -> None:
    story = OnSwarm(service("web", health_check=HealthCheck(NotifyCheck())))
    story.on(Engine.SYSTEMD)
    story.up()
    story.tell(Spawned(_run("web#1"), 7, story.now))
    assert story.row("web").health == "starting"
    story.reports("web#1", ok=True)
    assert (story.row("web").health, story.row("web").source) == ("healthy", "explicit")


def test_what_a_cluster_lost_is_looked_for_with_kubectl() -> None:
    story = OnSwarm(db())
    story.on(Engine.KUBERNETES)
    story.project = replace(
        story.project,
        definitions={n: replace(d, context="dev") for n, d in story.project.definitions.items()},
    )
    story.up()
    story.starts("db#1")
    story.reports("db#1", True, "pod db-a on node n1 is ready, its probe passed")
    assert (story.row("db").health, story.row("db").source) == ("healthy", "kubernetes")
    story.replaces("db#1")
    assert "Kubernetes starts another" in story.because("db")
    told = "run `kubectl --context dev get pods -A -l locald.service=db` to see its pods"
    assert told in story.why("db").hints


def test_what_is_left_on_an_engine_that_does_not_answer_is_told_until_that_is_back() -> None:
    story = OnSwarm(db())
    story.up()
    story.starts("db#1")
    story.reports("db#1", ok=True)
    assert story.row("db").left is None
    story.tell(Silenced(_run("db#1"), "the swarm does not answer", story.now))
    assert story.row("db").left is None
    story.stop("db")
    left = "the swarm cannot be reached: the service is left there"
    story.tell(Silenced(_run("db#1"), left, story.now, is_left=True))
    assert (story.row("db").left, story.row("db").because) == (left, f"waiting to stop it: {left}")
    story.resumes("db#1")
    assert story.row("db").left is None
