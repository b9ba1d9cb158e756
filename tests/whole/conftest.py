"""A locald of its own for each test."""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from typing import TYPE_CHECKING

import pytest

from whole.machine import Machine
from whole.network import Network
from whole.puppet import Puppet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def network() -> Iterator[Network]:
    made = Network()
    yield made
    made.close()


@pytest.fixture
def machine(request: pytest.FixtureRequest, tmp_path: Path, network: Network) -> Iterator[Machine]:
    """Containers publish their ports in the network of their engine, so tests with one stay there."""
    with nullcontext() if "docker" in request.fixturenames else network.inside():
        made = Machine(tmp_path / "shop")
        yield made
        made.close()


@pytest.fixture
def puppet(machine: Machine) -> Iterator[Callable[[str], Puppet]]:
    """`puppet("web")` makes a service that does what the test says."""
    with ExitStack() as made:
        yield lambda name: made.enter_context(Puppet(machine.home, name))
