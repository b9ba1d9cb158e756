"""Keepers for the tests of this tier, once for each kind of process tree."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from keeping import House, Keeping
from locald.linux import cgroup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keeping import Daemon


@pytest.fixture(scope="session")
def cgroups() -> bool:
    """Whether runs can have cgroups on this machine."""
    base = cgroup.usable(f"locald-test-{os.getpid()}")
    return base is not None and cgroup.remove(base)


@pytest.fixture(params=["cgroup", "reaper"])
def kind(request: pytest.FixtureRequest, cgroups: bool, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the keeper holds the processes of a run together."""
    if request.param == "cgroup" and not cgroups:
        pytest.skip("no cgroup can be made here")
    monkeypatch.setenv("LOCALD_TREE", request.param)
    return str(request.param)


@pytest.fixture(scope="session")
def houses() -> Iterator[dict[str, House]]:
    """A keeper of each kind for all tests: it holds nothing when a test begins."""
    houses = {"cgroup": House(), "reaper": House()}
    yield houses
    for house in houses.values():
        house.close()


@pytest.fixture
def house(kind: str) -> Iterator[House]:
    """A house of the test's own, where no keeper has been yet."""
    house = House()
    yield house
    house.close()


@pytest.fixture
def keeping(kind: str, request: pytest.FixtureRequest) -> Iterator[Keeping]:
    """A keeper that holds nothing, in both ways of holding a run's processes."""
    own = "house" in request.fixturenames
    keeping = Keeping(request.getfixturevalue("house") if own else request.getfixturevalue("houses")[kind])
    yield keeping
    keeping.close()


@pytest.fixture
def daemon(keeping: Keeping) -> Daemon:
    """Connected to that keeper."""
    return keeping.daemon()
