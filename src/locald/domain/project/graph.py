"""Dependency order: who starts first, and what to say when there is no first.

A graph maps each service to those it depends on. Names that are not in the graph are passed over, so
that a graph with mistakes in it can still be asked about. Every answer is in a stable order.
"""

from __future__ import annotations

from graphlib import TopologicalSorter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    Graph = Mapping[str, Collection[str]]


class DependencyCycle(Exception):
    """Services that wait for each other forever, named in the order of the loop: `a -> b -> a`."""

    def __init__(self, loop: tuple[str, ...]) -> None:
        super().__init__(" -> ".join(loop))
        self.loop = loop


def start_order(graph: Graph) -> list[str]:
    """Dependencies before dependents; ties broken by name, so the order never flickers.

    Raises DependencyCycle.
    """
    if found := cycles(graph):
        raise DependencyCycle(found[0])
    sorter = TopologicalSorter({name: _known(graph, name) for name in graph})
    sorter.prepare()
    order: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        order.extend(ready)
        sorter.done(*ready)
    return order


def cycles(graph: Graph) -> list[tuple[str, ...]]:
    """Loops that have no service in common, each as `(a, b, …, a)`: an arrow from who depends to on what.

    Every knot of services that wait for each other shows at least one loop; it begins with the service
    that the graph names first. When nothing is found, there is a start order.
    """
    found: list[tuple[str, ...]] = []
    done: set[str] = set()
    for name in graph:
        # A walk may end in a loop that `name` is not part of: then walk again, without that loop.
        while name not in done and (loop := _loop_from(graph, name, done)):
            found.append(loop)
            done.update(loop)
    return found


def closure(graph: Graph, names: Iterable[str]) -> set[str]:
    """These, and all that they depend on, directly or not."""
    reached: set[str] = set()
    waiting = [name for name in names if name in graph]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting.extend(_known(graph, name))
    return reached


def dependents(graph: Graph) -> dict[str, set[str]]:
    """The graph turned round: each service with those that depend on it directly."""
    turned: dict[str, set[str]] = {name: set() for name in graph}
    for name in graph:
        for dependency in _known(graph, name):
            turned[dependency].add(name)
    return turned


def _known(graph: Graph, name: str) -> list[str]:
    return [dependency for dependency in graph[name] if dependency in graph]


def _loop_from(graph: Graph, start: str, done: set[str]) -> tuple[str, ...]:
    """The first loop met on a walk from here, or nothing; `done` learns what is known to lead to none.

    An explicit stack: a chain of dependencies may be longer than Python's calls are allowed to be deep.
    """
    trail = {start: iter(_known(graph, start))}
    while trail:
        name = next(reversed(trail))
        dependency = next(trail[name], None)
        if dependency is None:
            done.add(name)
            del trail[name]
        elif dependency in trail:
            return _from_first(graph, list(trail)[list(trail).index(dependency) :])
        elif dependency not in done:
            trail[dependency] = iter(_known(graph, dependency))
    return ()


def _from_first(graph: Graph, loop: list[str]) -> tuple[str, ...]:
    """The loop turned so that it begins with the service that the graph names first."""
    order = {name: place for place, name in enumerate(graph)}
    begin = loop.index(min(loop, key=order.__getitem__))
    return (*loop[begin:], *loop[:begin], loop[begin])
