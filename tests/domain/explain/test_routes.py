"""Names and where they lead, from a world."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from domain.story import Story, key, project, service, task, worker
from locald.domain.explain.routes import Claim, closed_services, find, is_ours, lost, routes
from locald.domain.lifecycle.messages import Proxied, Up
from locald.domain.project.instances import named
from locald.domain.project.names import Key
from locald.domain.project.spec import Caller, HealthCheck, HttpCheck, ProjectSpec, ProtocolCheck

if TYPE_CHECKING:
    from locald.domain.project.spec import Project


def names(story: Story) -> dict[str, str]:
    """Every name, and which service it leads to."""
    return {route.name: str(route.key) for route in routes(story.world)}


def bring_up(story: Story, other: Project) -> None:
    story.tell(Up(other, frozenset(other.definitions), frozenset(), Caller()))


def test_every_service_that_may_speak_http_has_a_name() -> None:
    redis = service("cache", health_check=HealthCheck(ProtocolCheck("redis")))
    s = Story(service("api"), service("admin"), redis, worker("jobs"), task("seed"))
    s.up()

    assert names(s) == {"admin.shop.localhost": "shop:admin", "api.shop.localhost": "shop:api"}


def test_a_name_leads_to_the_address_at_which_the_service_listens() -> None:
    s = Story(service("api", port=3000))
    s.up()
    assert [route.address for route in routes(s.world)] == ["127.0.0.1:3000"] * 2


def test_a_server_that_is_checked_by_https_is_reached_so() -> None:
    s = Story(service("api", health_check=HealthCheck(HttpCheck(scheme="https"))))
    s.up()
    assert {route.scheme for route in routes(s.world)} == {"https"}


def test_the_domain_leads_to_web() -> None:
    s = Story(service("api"), service("web"))
    s.up()
    assert names(s)["shop.localhost"] == "shop:web"


def test_or_to_the_only_one_that_speaks_http() -> None:
    s = Story(service("api"), worker("jobs"))
    s.up()
    assert names(s)["shop.localhost"] == "shop:api"


def test_or_to_none_of_several() -> None:
    s = Story(service("api"), service("admin"))
    s.up()
    assert "shop.localhost" not in names(s)


def test_or_to_the_one_that_the_file_names() -> None:
    s = Story(service("api"), service("web"))
    s.project = replace(s.project, default="api")
    s.up()
    assert names(s)["shop.localhost"] == "shop:api"


def test_a_service_has_the_names_of_its_file_too_and_patterns_come_last() -> None:
    s = Story(service("web", domains=("*.shop.localhost", "admin.shop.localhost")), service("api"))
    s.up()
    assert list(names(s)) == [
        "admin.shop.localhost",
        "api.shop.localhost",
        "shop.localhost",
        "web.shop.localhost",
        "*.shop.localhost",
    ]


def test_a_pattern_stands_for_one_label_where_no_name_is_written_out() -> None:
    s = Story(service("web", domains=("*.shop.localhost",)), service("api"))
    s.up()

    found = {name: find(s.world, f"{name}shop.localhost") for name in ("api.", "x.", "x.y.")}
    assert {name: route and route.key.service for name, route in found.items()} == {
        "api.": "api",
        "x.": "web",
        "x.y.": None,
    }


def test_of_two_projects_with_one_domain_the_first_has_the_name() -> None:
    s = Story(service("web"))
    s.up()
    bring_up(s, replace(project(service("web"), name="other"), domain="shop.localhost"))
    s.tell(Proxied(7443))

    assert set(names(s).values()) == {"shop:web"}
    other = Key("other", "web")
    assert Claim("web.shop.localhost", other, key("web")) in lost(s.world)
    assert s.row("web").name_url == "https://web.shop.localhost:7443/"


def test_a_services_own_name_goes_before_the_domain_of_an_instance() -> None:
    s = Story(service("feat"))
    bring_up(s, replace(project(service("web"), name="shop@feat"), domain="feat.shop.localhost"))
    s.up()

    assert names(s)["feat.shop.localhost"] == "shop:feat"
    assert names(s)["web.feat.shop.localhost"] == "shop@feat:web"


def test_an_instance_has_its_names_below_its_label() -> None:
    written = ("admin.shop.localhost", "*.shop.localhost", "shop.test")
    spec = ProjectSpec("shop", "shop.localhost", {"web": service("web", domains=written)})

    own = named(spec, "shop@feat")
    assert (own.name, own.domain) == ("shop@feat", "feat.shop.localhost")
    assert own.services["web"].domains == ("admin.feat.shop.localhost", "*.feat.shop.localhost")
    assert named(spec, "shop") == spec


def test_a_name_url_is_there_while_there_is_a_proxy() -> None:
    s = Story(service("web"), worker("jobs"))
    s.up()
    assert s.row("web").name_url is None
    s.tell(Proxied(7443))
    assert s.row("web").name_url == "https://web.shop.localhost:7443/"
    assert s.row("jobs").name_url is None
    s.tell(Proxied(443))
    assert s.row("web").name_url == "https://web.shop.localhost/"
    s.tell(Proxied(None))
    assert s.row("web").name_url is None


def test_only_what_is_healthy_serves_who_comes() -> None:
    s = Story(service("web"), service("api"), worker("jobs"))
    s.up(), s.healthy("web#1"), s.spawned("api#1")
    assert closed_services(s.world) == {key("api")}
    s.stop("web")
    assert closed_services(s.world) == {key("api"), key("web")}


def test_what_an_earlier_daemon_left_serves_until_the_opposite_is_known() -> None:
    s = Story(service("web"))
    s.up(), s.healthy("web#1")
    s.daemon_dies()
    assert closed_services(s.world) == set()
    s.lost("web#1")
    assert closed_services(s.world) == {key("web")}


def test_names_of_others_are_not_ours() -> None:
    s = Story(service("web"))
    s.project = replace(s.project, domain="shop.example.org")
    s.up()

    ours = ("nope.localhost", "localhost", "x.test", "shop.example.org", "x.shop.example.org")
    assert all(is_ours(s.world, name) for name in ours)
    others = ("example.org", "notlocalhost", "127.0.0.1", "shop.example.org.evil.com", "")
    assert not any(is_ours(s.world, name) for name in others)
