"""Dependencies come before dependents, and where there is no first, the loop is named in its order."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locald.domain.project.graph import DependencyCycle, closure, cycles, dependents, start_order

GRAPHS = st.dictionaries(st.sampled_from("abcdefg"), st.lists(st.sampled_from("abcdefgx"), max_size=3))


def test_dependencies_start_first_and_ties_are_broken_by_name() -> None:
    graph = {"web": ["api"], "api": ["db", "cache"], "db": [], "cache": [], "also": []}

    assert start_order(graph) == ["also", "cache", "db", "api", "web"]


def test_a_loop_is_named_in_its_order_and_begins_where_the_file_does() -> None:
    assert cycles({"b": ["c"], "c": ["a"], "a": ["b"]}) == [("b", "c", "a", "b")]


def test_a_loop_that_others_only_lead_to_is_told_without_them() -> None:
    assert cycles({"web": ["a"], "a": ["b"], "b": ["a"]}) == [("a", "b", "a")]


def test_two_loops_are_two_problems() -> None:
    graph = {"a": ["b"], "b": ["a", "c"], "c": ["d"], "d": ["c"]}

    assert cycles(graph) == [("a", "b", "a"), ("c", "d", "c")]


def test_who_waits_for_itself_is_a_loop() -> None:
    with pytest.raises(DependencyCycle, match="a -> a"):
        start_order({"a": ["a"]})


def test_a_chain_may_be_longer_than_calls_can_be_deep() -> None:
    long = {str(n): [str(n + 1)] for n in range(5000)} | {"5000": []}

    assert start_order(long)[0] == "5000"


@given(GRAPHS)
def test_there_is_an_order_exactly_when_there_is_no_loop(graph: dict[str, list[str]]) -> None:
    loops = cycles(graph)
    for loop in loops:
        assert loop[0] == loop[-1]
        assert all(after in graph[before] for before, after in pairwise(loop))
    met = [name for loop in loops for name in loop[1:]]
    assert len(met) == len(set(met))
    if loops:
        return
    order = start_order(graph)
    assert sorted(order) == sorted(graph)
    for name in order:
        assert all(order.index(d) < order.index(name) for d in graph[name] if d in graph)


@given(GRAPHS)
def test_closure_and_dependents_see_the_same_arrows(graph: dict[str, list[str]]) -> None:
    turned = dependents(graph)
    for name in graph:
        direct = {other for other in graph[name] if other in graph}
        assert direct == {other for other in graph if name in turned[other]}
        assert direct <= closure(graph, direct)
        assert closure(graph, [name]) == {name} | closure(graph, direct)


def test_only_names_of_the_graph_are_reached() -> None:
    assert closure({"a": ["gone"]}, ["a", "unknown"]) == {"a"}
