"""Services that all instances of a project share: who starts them, whom they are left to, when they end."""

from __future__ import annotations

from msgspec.structs import replace

from domain.story import Story, key, service
from locald.domain.explain.routes import own_name, routes
from locald.domain.explain.timeline import timeline
from locald.domain.lifecycle.messages import Down, Restart, Shutdown, Stop, Up, Wake
from locald.domain.project.labelled import of_all, parts
from locald.domain.project.names import Key
from locald.domain.project.resolving import Outside, attempt
from locald.domain.project.spec import Caller, Project, ProjectSpec, ServiceSpec

DB = service("db", shared=True)
WEB = service("web", "db")


class Trees(Story):
    """Worktrees of one project. What is not of the first is told by its address: `shop@feat:web#1`."""

    def __init__(self, *specs: ServiceSpec) -> None:
        super().__init__()
        self.specs = specs or (DB, WEB)

    def file(self, name: str, *specs: ServiceSpec) -> Project:
        """What `up` makes of the file in the folder of this instance."""
        services = {each.name: each for each in specs or self.specs}
        ports = {each: 24000 + sum(f"{name}{each}".encode()) for each in services if each != "db"}
        spec = ProjectSpec(name, f"{name}.localhost", services)
        made, faults = attempt(spec, f"/{name}", Outside({**ports, "db": 5432}, {}, {}))
        assert not faults
        return made

    def up_in(self, name: str, *specs: ServiceSpec, only: tuple[str, ...] = ()) -> list[str]:
        file = self.file(name, *specs)
        wanted = frozenset(only or file.definitions)
        return self.tell(Up(file, wanted, frozenset(only), Caller()))

    def stop_in(self, name: str, *services: str) -> list[str]:
        return self.tell(Stop(self.keys(name, *services), name))

    def restart_in(self, name: str, *services: str) -> list[str]:
        return self.tell(Restart(self.keys(name, *services), Caller(), name))

    def down_in(self, name: str) -> list[str]:
        return self.tell(Down(name))

    def keys(self, name: str, *services: str) -> frozenset[Key]:
        own = self.world.of_project(name)
        return frozenset(each.key for each in own if each.spec.name in services or not services)


def both_up(*specs: ServiceSpec) -> Trees:
    s = Trees(*specs)
    s.up_in("shop"), s.up_in("shop@feat")
    s.healthy("shop@_:db#1", "web#1", "shop@feat:web#1")
    return s


def test_the_first_instance_that_needs_it_starts_it_and_the_next_one_uses_it() -> None:
    s = Trees()
    assert s.up_in("shop") == ["start shop@_:db#1"]
    assert s.healthy("shop@_:db#1") == ["start web#1"]
    assert s.up_in("shop@feat") == ["start shop@feat:web#1"]
    db = s.row("shop@_:db")
    assert (db.project, db.instance, db.shared, db.shared_by) == ("shop", "_", True, ("shop", "shop@feat"))
    assert not s.row("web").shared


def test_each_waits_for_it_by_itself() -> None:
    s = Trees()
    s.up_in("shop"), s.up_in("shop@feat")
    assert [s.state(name) for name in ("web", "shop@feat:web")] == ["waiting", "waiting"]
    assert sorted(s.healthy("shop@_:db#1")) == ["start shop@feat:web#1", "start web#1"]


def test_down_leaves_it_to_the_others_and_the_last_one_ends_it() -> None:
    s = both_up()
    assert s.down_in("shop") == ["terminate web#1"]
    s.stopped("web#1")
    assert "shop" not in s.world.places, "it is forgotten, whatever it shared"
    assert s.state("shop@_:db") == "running"
    assert s.down_in("shop@feat") == ["terminate shop@feat:web#1"]
    assert s.stopped("shop@feat:web#1") == ["discard shop@feat:web", "terminate shop@_:db#1"]
    assert s.stopped("shop@_:db#1") == ["discard shop@_:db"]
    assert (s.world.services, s.world.places) == ({}, {})


def test_stop_leaves_it_to_the_others_and_the_last_one_ends_it() -> None:
    s = both_up()
    assert s.stop_in("shop") == ["terminate web#1"]
    s.stopped("web#1")
    assert s.stop_in("shop@feat") == ["terminate shop@feat:web#1"]
    assert s.stopped("shop@feat:web#1") == ["terminate shop@_:db#1"]
    s.stopped("shop@_:db#1")
    assert s.state("shop@_:db") == "stopped", "it is known still"
    assert s.up_in("shop") == ["start shop@_:db#2"]


def test_who_stops_it_does_without_it_and_nobody_else_does() -> None:
    s = both_up()
    assert s.stop_in("shop@feat", "db") == ["terminate shop@feat:web#1"]
    s.stopped("shop@feat:web#1")
    assert (s.state("shop@_:db"), s.state("web")) == ("running", "running")
    web = s.row("shop@feat:web")
    assert (web.state, web.because) == ("blocked", "blocked by db: stopped by user")
    assert s.up_in("shop@feat") == ["start shop@feat:web#2"]


def test_why_of_what_lacks_it_says_how_to_have_it_again() -> None:
    s = both_up()
    s.stop_in("shop@feat", "db"), s.stopped("shop@feat:web#1")
    found = s.why("shop@feat:web")
    assert [each.name for each in found.blockers] == ["db"]
    assert found.hints == ("run `locald up db` to start it",)


def test_in_the_name_of_all_it_stops_for_all() -> None:
    s = both_up()
    assert sorted(s.stop_in("shop@_")) == ["terminate shop@feat:web#1", "terminate web#1"]
    assert s.stopped("web#1", "shop@feat:web#1") == ["terminate shop@_:db#1"]
    s.stopped("shop@_:db#1")
    assert s.up_in("shop@feat") == ["start shop@_:db#2"]
    s.healthy("shop@_:db#2")
    assert s.state("shop@feat:web") == "starting"
    assert s.state("web") == "blocked", "nobody has asked for it there"


def test_down_in_the_name_of_all_stops_it_but_those_who_have_it_know_it_still() -> None:
    s = both_up()
    s.down_in("shop@_"), s.stopped("web#1", "shop@feat:web#1"), s.stopped("shop@_:db#1")
    assert s.state("shop@_:db") == "stopped"


def test_a_restart_in_one_instance_leaves_what_others_want() -> None:
    s = both_up()
    assert s.restart_in("shop@feat") == ["terminate shop@feat:web#1"]
    assert s.stopped("shop@feat:web#1") == ["start shop@feat:web#2"]
    assert s.restart_in("shop@feat", "db") == []
    assert s.restart_in("shop@_", "db") == ["terminate shop@_:db#1"]
    assert s.stopped("shop@_:db#1") == ["start shop@_:db#2"]


def test_a_restart_by_the_only_one_who_wants_it_is_one() -> None:
    s = both_up()
    s.stop_in("shop"), s.stopped("web#1")
    assert s.restart_in("shop@feat", "db") == ["terminate shop@_:db#1"]
    assert s.stopped("shop@_:db#1") == ["start shop@_:db#2"]


def test_another_definition_waits_until_nobody_else_wants_what_runs() -> None:
    s = both_up()
    changed = replace(DB, command="run db --fast")
    assert s.up_in("shop@feat", changed, WEB) == []
    assert s.service("shop@_:db").definition.spec == DB
    s.down_in("shop"), s.stopped("web#1")
    assert s.up_in("shop@feat", changed, WEB) == ["terminate shop@_:db#1"]
    s.stopped("shop@_:db#1")
    assert s.service("shop@_:db").present.spec == changed


def test_what_does_not_run_is_started_as_the_one_who_asks_has_it() -> None:
    s = Trees()
    s.up_in("shop")
    s.spawned("shop@_:db#1"), s.exits("shop@_:db#1", 127)
    assert s.state("shop@_:db") == "failed"
    changed = replace(DB, command="exec db")
    assert s.up_in("shop@feat", changed, WEB) == ["start shop@_:db#2"]
    assert s.service("shop@_:db").present.spec == changed


def test_another_folder_alone_is_no_change_and_the_next_run_is_in_one_that_wants_it() -> None:
    s = both_up()
    assert s.service("shop@_:db").definition.directory == "/shop"
    s.down_in("shop"), s.stopped("web#1")
    assert s.service("shop@_:db").definition.directory == "/shop@feat"
    assert s.up_in("shop@feat") == []
    s.exits("shop@_:db#1", 1)
    assert s.wait(1) == ["start shop@_:db#2"]
    assert s.service("shop@_:db").present.directory == "/shop@feat"


def test_an_instance_that_does_not_need_it_does_not_keep_it() -> None:
    s = Trees(DB, WEB, service("docs"))
    s.up_in("shop"), s.healthy("shop@_:db#1", "web#1", "docs#1")
    s.up_in("shop@feat", only=("docs",))
    assert sorted(s.down_in("shop")) == ["terminate docs#1", "terminate web#1"]
    assert s.stopped("docs#1", "web#1")[-1] == "terminate shop@_:db#1"


def test_what_is_shared_no_more_is_left_to_the_others() -> None:
    s = both_up()
    own = replace(DB, shared=False)
    assert s.up_in("shop@feat", own, WEB) == ["start shop@feat:db#1"]
    assert s.state("shop@_:db") == "running"
    assert s.row("shop@_:db").shared_by == ("shop",)


def test_what_was_an_own_one_and_is_shared_now_takes_its_place() -> None:
    s = Trees(replace(DB, shared=False), WEB)
    s.up_in("shop"), s.healthy("db#1", "web#1")
    orders = s.up_in("shop", DB, WEB)
    assert "start shop@_:db#1" in orders
    assert "terminate db#1" in orders
    assert s.stopped("db#1")[-1] == "discard db"


def test_who_wants_it_again_while_it_is_forgotten_has_it_alone() -> None:
    s = Trees(DB)
    s.up_in("shop"), s.healthy("shop@_:db#1")
    assert s.down_in("shop") == ["terminate shop@_:db#1"]
    assert s.up_in("shop@feat") == []
    assert s.stopped("shop@_:db#1") == ["start shop@_:db#2"]
    assert set(s.world.places) == {"shop@feat"}


def test_a_shared_one_may_need_another() -> None:
    s = Trees(service("net", shared=True), service("db", "net", shared=True), WEB)
    assert s.up_in("shop") == ["start shop@_:net#1"]
    assert s.healthy("shop@_:net#1") == ["start shop@_:db#1"]
    s.healthy("shop@_:db#1", "web#1")
    s.up_in("shop@feat")
    assert s.down_in("shop") == ["terminate web#1"]
    assert s.state("shop@_:net") == s.state("shop@_:db") == "running"


def test_a_request_that_starts_an_instances_service_wants_what_it_shares() -> None:
    s = both_up()
    s.stop_in("shop@feat"), s.stopped("shop@feat:web#1")
    assert s.tell(Wake(key("shop@feat:web"))) == ["start shop@feat:web#2"]
    assert s.service("shop@_:db").users == {"shop": True, "shop@feat": True}


def test_everything_stops_with_the_daemon() -> None:
    s = both_up()
    s.tell(Shutdown())
    s.stopped("web#1", "shop@feat:web#1"), s.stopped("shop@_:db#1")
    assert not any(each.run for each in s.world.services.values())


def test_another_daemon_knows_who_wants_it() -> None:
    s = both_up()
    s.daemon_dies()
    assert s.service("shop@_:db").users == {"shop": True, "shop@feat": True}


def test_a_timeline_has_it_only_where_it_was_waited_for() -> None:
    s = Trees()
    s.up_in("shop"), s.healthy("shop@_:db#1", "web#1")
    s.wait(600)
    s.up_in("shop@feat"), s.wait(1), s.healthy("shop@feat:web#1")
    of_first = timeline("shop", s.world.of_project("shop"))
    of_second = timeline("shop@feat", s.world.of_project("shop@feat"))
    assert [each.name for each in of_first.services] == ["db", "web"]
    assert [each.name for each in of_second.services] == ["web"]
    assert of_second.total == 1


def test_it_has_the_name_of_each_instance() -> None:
    s = both_up(replace(DB, domains=("data.shop.localhost",)), WEB)
    names = {route.name for route in routes(s.world) if route.key == key("shop@_:db")}
    assert names == {"db.shop.localhost", "db.shop@feat.localhost", "data.shop.localhost"}
    s.down_in("shop"), s.stopped("web#1")
    assert own_name(s.world, s.service("shop@_:db")) == "db.shop@feat.localhost"


def test_what_is_shared_is_of_no_instance() -> None:
    assert of_all("shop") == of_all("shop@feat") == "shop@_"
    assert parts("shop@_") == ("shop", "_")
    assert Key.parse("shop@_:db").is_shared
    assert not Key.parse("shop@a_:db").is_shared
