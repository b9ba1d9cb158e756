"""What a run is told of its neighbours is what is so now."""

from __future__ import annotations

from domain.story import Story, service, worker
from locald.domain.explain.located import Others, others


def test_neighbours_without_a_port_are_nothing_to_tell_of() -> None:
    s = Story(service("web", port=2000), worker("mail"))
    s.up()
    assert [each.port for each in others(s.world, "shop").values()] == [2000]


def test_what_is_remembered_of_one_world_is_not_told_of_the_next() -> None:
    s = Story(service("web", port=2000))
    s.up()
    remembered = Others()
    before = remembered.of(s.world, "shop")
    assert remembered.of(s.world, "shop") is before
    assert remembered.of(s.world, "another") == {}
    s.spawned("web#1"), s.listens("web#1")
    after = remembered.of(s.world, "shop")
    assert after is not before
    assert after == others(s.world, "shop")
