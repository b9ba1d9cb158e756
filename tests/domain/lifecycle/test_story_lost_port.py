"""An assigned port that somebody took before the run could begin: the next run has another one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from domain.story import Story, definition, service, task
from locald.domain.lifecycle.messages import NotStarted
from locald.domain.project.names import Key, Run
from locald.domain.project.template import ServiceFact

if TYPE_CHECKING:
    from locald.domain.project.spec import Definition, ServiceSpec
    from locald.domain.project.template import OpenText

TAKEN = "port 24001 is already in use by pid 9 (nc), which listens on 127.0.0.1:24001"
WEB = Run(Key("shop", "web"), 1)


def told_of_web(spec: ServiceSpec, port: int) -> Definition:
    """A service with `env = { WEB = "${services.web.port}" }`, as `up` resolves it."""
    parts: dict[str, OpenText] = {"WEB": (ServiceFact("web", "port"),)}
    return replace(definition(spec), env={"WEB": str(port)}, open_env=parts)


def loses(s: Story, run: Run = WEB, port: int | None = 24999) -> list[str]:
    return s.tell(NotStarted(run, TAKEN, "run `kill 9`", s.now, port))


def test_the_next_run_begins_at_once_with_another_port() -> None:
    s = Story(service("web"))
    s.up()
    assert loses(s) == ["start web#2"]
    assert (s.port("web"), s.row("web").port_source, s.row("web").restarts) == (24999, "assigned", 0)
    assert s.notes == [f"{TAKEN}: uses port 24999 instead"]
    s.spawned("web#2"), s.listens("web#2")
    assert (s.health("web"), s.row("web").url) == (("healthy", "tcp"), "http://127.0.0.1:24999/")


def test_also_after_it_waited_for_what_it_depends_on_and_the_one_behind_it_follows() -> None:
    s = Story(task("seed"), service("web", "seed"), service("api", "web"))
    web, api = s.project.definitions["web"], s.project.definitions["api"]
    s.project.definitions["api"] = told_of_web(api.spec, web.port or 0)  # type: ignore[index]
    s.up(), s.healthy("seed#1"), loses(s)
    s.spawned("web#2")
    assert s.listens("web#2") == ["start api#1"]
    assert s.service("api").present.env == {"WEB": "24999"}


def test_an_up_that_resolves_the_same_restarts_nothing() -> None:
    s = Story(service("web"), service("api"))
    given = s.project.definitions
    given["api"] = told_of_web(given["api"].spec, given["web"].port or 0)  # type: ignore[index]
    s.up(), s.healthy("api#1"), loses(s), s.healthy("web#2")
    given["web"] = replace(given["web"], port=24999)  # type: ignore[index]
    given["api"] = told_of_web(given["api"].spec, 24999)  # type: ignore[index]
    assert s.up() == ["terminate api#1"], "it was told the port that was lost"
    assert s.stopped("api#1") == ["start api#2"]
    assert s.up() == []


def test_what_runs_with_the_old_address_is_told_so() -> None:
    s = Story(service("web"), service("api"))
    given = s.project.definitions
    was = given["web"].port or 0
    given["api"] = told_of_web(given["api"].spec, was)  # type: ignore[index]
    s.up(), s.healthy("api#1"), loses(s)
    assert f"web moves from port {was} to 24999: run `locald restart api`" in s.notes


def test_a_port_of_the_file_is_never_changed() -> None:
    s = Story(service("web", port=24001))
    s.up()
    assert loses(s) == []
    assert (s.state("web"), s.row("web").port, s.because("web")) == ("failed", 24001, TAKEN)


def test_with_no_port_left_it_has_failed() -> None:
    s = Story(service("web"))
    s.up()
    assert loses(s, port=None) == []
    assert (s.state("web"), s.because("web")) == ("failed", TAKEN)
    assert s.why("web").hints[0] == "run `kill 9`"


def test_who_is_stopped_meanwhile_stays_stopped() -> None:
    s = Story(service("web"))
    s.up(), s.stop("web")
    assert loses(s) == []
    assert s.state("web") == "stopped"
