"""One browser for the tests of a module; for each a visitor, who is somebody new.

Not one for all: Playwright's own event loop runs in this thread as long as there is a browser, and whatever
test comes next may want one of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from browser.chromium import Visitor, launched, needs_page
from whole.conftest import machine, network, puppet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from whole.machine import Machine
    from whole.network import Network

__all__ = ["machine", "network", "puppet"]


@pytest.fixture(scope="module")
def browser(network: Network) -> Iterator[Browser]:
    with launched(network) as found:
        yield found


@pytest.fixture
def visitor(browser: Browser, machine: Machine) -> Iterator[Visitor]:
    needs_page()
    made = Visitor(browser, machine)
    yield made
    made.close()
    assert made.faults == []
