"""The search of the documentation, as the site is served: plain files from a plain web server."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from browser.chromium import AXE, PATIENCE
from browser.looks import squeezed, violations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from whole.network import Network

ROOT = Path(__file__).resolve().parents[2]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a freshly rendered site."""
    folder = tmp_path_factory.mktemp("site")
    subprocess.run([sys.executable, "tools/pages.py", "--to", str(folder)], cwd=ROOT, check=True)
    with (
        network.inside(),
        ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server,
    ):
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def opened(browser: Browser, address: str, **options: object) -> Page:
    page = browser.new_context(**options).new_page()  # type: ignore[arg-type]
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    return page


@pytest.fixture
def page(browser: Browser, site: str) -> Iterator[Page]:
    """A page below the top of the site. Nothing may be thrown in it, or asked of anybody else."""
    faults: list[str] = []
    page = opened(browser, "about:blank")
    page.on("pageerror", lambda error: faults.append(f"thrown: {error}"))
    page.on("console", lambda said: faults.extend([f"said: {said.text}"] if said.type == "error" else []))
    page.on("request", lambda asked: faults.extend([] if asked.url.startswith(site) else [asked.url]))
    page.goto(f"{site}/guides/logs.html")
    yield page
    page.context.close()
    assert faults == []


def look_for(page: Page, words: str) -> None:
    page.keyboard.press("/")
    page.keyboard.type(words)


def test_a_search_by_keyboard_finds_a_section_and_leads_there(page: Page, site: str) -> None:
    look_for(page, "exit codes")
    first = page.locator(".found a").first
    expect(first).to_contain_text("Exit codes")
    expect(first).to_contain_text("Scripts and CI")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{site}/guides/scripts.html#exit-codes")
    expect(page.get_by_role("heading", name="Exit codes")).to_be_in_viewport()


def test_every_word_must_be_there_and_is_marked(page: Page) -> None:
    look_for(page, "WATCHDOG_USEC kills")
    expect(page.locator(".found li")).to_have_count(1)
    expect(page.locator(".found strong")).to_have_text("Watchdog")
    expect(page.locator(".found mark").first).to_have_text("WATCHDOG_USEC")
    page.keyboard.type(" zebra")
    expect(page.locator(".found [role=status]")).to_have_text("No section has all these words.")
    expect(page.locator(".found li")).to_have_count(0)


def test_two_sections_with_the_same_heading_are_two_places(page: Page, site: str) -> None:
    """`port` is a key of a service and of several checks."""
    page.goto(f"{site}/reference/file.html")
    ids = page.locator("main [id]").evaluate_all("all => all.map((one) => one.id)")
    assert len(ids) == len(set(ids))
    assert {"port", "port-1"} <= set(ids)


def test_the_arrows_choose_and_escape_leaves(page: Page, site: str) -> None:
    look_for(page, "readiness")
    links = page.locator(".found a")
    expect(links.nth(2)).to_be_visible()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    expect(links.nth(2)).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(links.nth(1)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".found")).to_be_hidden()
    expect(page).to_have_url(f"{site}/guides/logs.html")


def test_signs_are_looked_for_as_they_are(page: Page) -> None:
    for words in ("$PORT", "(a|aa)+$", "`", "\\", "[services.NAME]", "<b>"):
        page.get_by_role("searchbox").fill(words)
        expect(page.locator(".found [role=status]")).to_have_text(re.compile("section"))
    page.get_by_role("searchbox").fill("(a|aa)+$")
    expect(page.locator(".found li")).not_to_have_count(0)


def test_without_scripts_the_search_leads_to_a_list_of_all_sections(browser: Browser, site: str) -> None:
    page = opened(browser, f"{site}/guides/logs.html", java_script_enabled=False)
    page.get_by_role("searchbox").fill("exit codes")
    page.keyboard.press("Enter")
    page.get_by_role("main").get_by_role("link", name="Exit codes").first.click()
    expect(page).to_have_url(f"{site}/guides/scripts.html#exit-codes")
    page.context.close()


@pytest.mark.parametrize("width", [390, 1400])
def test_the_site_is_good_to_look_at(browser: Browser, site: str, width: int) -> None:
    if not AXE.exists():
        pytest.skip("axe-core comes with the dashboard's sources: ./locald dashboard")
    page = opened(browser, f"{site}/index.html", viewport={"width": width, "height": 800})
    assert squeezed(page) == []
    assert violations(page) == []
    look_for(page, "port")
    expect(page.locator(".found li").first).to_be_visible()
    assert violations(page) == []
    page.context.close()
