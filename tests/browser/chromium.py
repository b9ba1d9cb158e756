"""A real browser for the tests: Debian's Chromium, driven by Playwright.

Nothing stands in for it: without a browser, or for the dashboard without a built page, these tests are not
run and say why; with CI=true that is a failure. The browser lives in the tests' own network, where its
daemons listen; one serves all tests of a session, each of which has a profile of its own.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Page

    from whole.machine import Machine
    from whole.network import Network

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "src" / "locald" / "daemon" / "dashboard" / "page" / "index.html"
AXE = ROOT / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"
ARGUMENTS = (
    "--no-sandbox",  # root may not have one
    "--no-proxy-server",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--force-color-profile=srgb",
)
PATIENCE = 30_000.0
"""milliseconds: far beyond what anything here takes, also with the other core busy"""


@contextmanager
def launched(network: Network, home: str = "") -> Iterator[Browser]:
    """`home`: whose certificates it trusts; empty: those of who runs the tests. Skips, or fails with CI=true,
    where there is none."""
    program = shutil.which("chromium")
    if program is None:
        cannot("there is no chromium; ./test --install installs it (as root, on Debian or Ubuntu)")
    expect.set_options(timeout=PATIENCE)
    with (
        network.inside(),
        sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path=program,
            args=list(ARGUMENTS),
            env={**os.environ, "HOME": home} if home else None,
        ) as browser,
    ):
        yield browser


def cannot(why: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(f"no browser to test with: {why}")
    pytest.skip(f"no browser to test with: {why}")


def needs_page() -> None:
    if not BUILT.exists():
        cannot("the dashboard's page is not built; ./locald builds it, where npm's packages can be had")


class Visitor:
    """Somebody with a browser of their own, who looks at the dashboard of a machine."""

    def __init__(self, browser: Browser, machine: Machine) -> None:
        self._browser, self._machine = browser, machine
        self._contexts: list[BrowserContext] = []
        self.faults: list[str] = []
        """what no page of ours may do: throw, complain, ask with a dialog, or talk to somebody else"""

    def signed_in(self, route: str = "", **options: object) -> Page:
        """A page as `locald dashboard` opens it. `route`: what follows the `#`; `options` as of a context."""
        page = self.stranger(**options)
        page.goto(self.ticket())
        if route:
            page.goto(f"{page.url.partition('#')[0]}#{route}")
        return page

    def stranger(self, **options: object) -> Page:
        """An empty page of a browser that has never been here. What goes wrong in it, fails the test."""
        context = self._browser.new_context(**options)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE)
        self._contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: self.faults.append(f"thrown: {error}"))
        page.on("console", self._said)
        page.on("dialog", self._asked)
        page.on("request", lambda request: self._requested(request.url))
        page.on("websocket", lambda live: self._requested(live.url))
        return page

    def forgive(self, *parts: str) -> None:
        """Of the faults so far those that a test brought about: a browser complains of what is refused."""
        self.faults = [fault for fault in self.faults if not any(part in fault for part in parts)]

    def ticket(self) -> str:
        """The address that signs in, once."""
        done = self._machine.locald("dashboard", "--url")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def _said(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(f"said: {message.text}")

    def _asked(self, dialog: Dialog) -> None:
        self.faults.append(f"asked: {dialog.message}")
        dialog.dismiss()

    def _requested(self, url: str) -> None:
        """The daemon's own address is all there is; the tests' services are opened in no test."""
        if urlsplit(url).hostname != "127.0.0.1" or urlsplit(url).scheme not in ("http", "ws"):
            self.faults.append(f"requested: {url}")

    def close(self) -> None:
        for context in self._contexts:
            context.close()
