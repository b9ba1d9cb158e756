"""A campaign that has begun, for tests of the suite itself."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from faults.rounds import Campaign
from faults.yard import Yard
from whole.network import Network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.session import PrivateDocker


@pytest.fixture(scope="module")
def docked(tmp_path_factory: pytest.TempPathFactory, private_docker: PrivateDocker) -> Iterator[Campaign]:
    """The same with an engine, where containers alone are up: in its own network, that of their ports."""
    yard = Yard(tmp_path_factory.mktemp("dock"), engine=private_docker)
    yard.projects = ("dock",)
    try:
        made = Campaign(yard, Random(0))
        assert made.begin().broken == []
        yield made
    finally:
        yard.machine.close()
        yard.close()


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    """Everything is up, and nothing was done to it. What a test plants, it takes away again."""
    network = Network()
    with network.inside():
        yard = Yard(tmp_path_factory.mktemp("yard"))
        try:
            made = Campaign(yard, Random(0))
            assert made.begin().broken == []
            yield made
        finally:
            yard.machine.close()
            network.close()
