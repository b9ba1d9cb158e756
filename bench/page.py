"""How the dashboard's page feels, and what it costs: in Debian's chromium, driven by Playwright.

Without chromium, Playwright or a built page nothing is measured, and that is said.
"""

from __future__ import annotations

import gzip
import shutil
import sys
import time
from contextlib import contextmanager
from statistics import median
from typing import TYPE_CHECKING

from bench.checks import service
from bench.instance import ROOT, Instance, cpu
from bench.many import WORKER
from bench.table import Measure

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

PAGE = ROOT / "src" / "locald" / "daemon" / "dashboard" / "page"
ROWS, LOOKS = 50, 9
CHANGES = 15
IDLE, PAGES, MANY = 20.0, 3, 100
"""seconds over which work is measured; who looks; at how many services"""
SETTLE = 3.0
"""seconds before that"""

PAINTED = """
(rows) => new Promise((done) => {
  const look = () => {
    if (document.querySelectorAll("tr[data-key]").length < rows) return requestAnimationFrame(look);
    requestAnimationFrame(() => setTimeout(() => done(performance.now())));
  };
  look();
})
"""
"""milliseconds since the navigation began, at the end of the frame with all rows"""
CHANGED = """
(health) => {
  window.changed = new Promise((done) => {
    const cell = document.querySelector("td.health");
    const observer = new MutationObserver(() => {
      if (cell.innerText.trim() !== health) return;
      observer.disconnect();
      requestAnimationFrame(() => setTimeout(() => done(performance.timeOrigin + performance.now())));
    });
    observer.observe(cell, { childList: true, characterData: true, subtree: true });
  });
}
"""
"""epoch milliseconds at the end of the frame that shows it"""


def measure() -> list[Measure]:
    """the dashboard's page: a look at 50 services, a change on screen, its size, work with three open"""
    if not PAGE.joinpath("index.html").exists():
        print("not measured: the page is not built; ./locald dashboard builds it", file=sys.stderr)
        return []
    size = [Measure("page: all it loads, compressed", _size(), "kB", 150)]
    program = shutil.which("chromium")
    if program is None:
        print("not measured but its size: there is no chromium; ./test --install", file=sys.stderr)
        return size
    with browser(program) as chromium:
        return [*_first_look(chromium), *_change(chromium), *size, *_work(chromium)]


@contextmanager
def browser(program: str) -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    arguments = ["--no-sandbox", "--no-proxy-server", "--disable-gpu", "--disable-background-networking"]
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=program, args=arguments) as browser,
    ):
        yield browser


def signed_in(browser: Browser, instance: Instance) -> Page:
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.goto(instance.locald("dashboard", "--url").stdout.strip())
    page.locator("tr[data-key]").first.wait_for()
    return page


def _first_look(browser: Browser) -> list[Measure]:
    """Of a browser that was here before, whose cache holds the script, and of one that was not."""
    with Instance() as instance:
        instance.project({f"s{number}": WORKER for number in range(ROWS)})
        instance.up()
        page = signed_in(browser, instance)
        again = [_look(page) for _ in range(LOOKS)]
        page.context.new_cdp_session(page).send("Network.setCacheDisabled", {"cacheDisabled": True})
        first = [_look(page) for _ in range(LOOKS)]
        page.context.close()
        return [
            Measure(f"page: {ROWS} services painted, median of {LOOKS}", median(again), "ms", 300),
            Measure("page: the same without a cache", median(first), "ms", 300),
        ]


def _look(page: Page) -> float:
    """Milliseconds until all rows are painted."""
    page.reload(wait_until="commit")
    return float(page.evaluate(PAINTED, ROWS))


def _change(browser: Browser) -> list[Measure]:
    """From the moment that a program opens its port to the frame that says healthy."""
    with Instance() as instance:
        note = instance.folder / "ready"
        instance.project({"s": service("tcp", 0.3, str(note))})
        instance.up()
        page = signed_in(browser, instance)
        took = []
        for _ in range(CHANGES):
            page.get_by_text("healthy", exact=True).first.wait_for()
            instance.locald("stop")
            page.get_by_text("stopped", exact=True).first.wait_for()
            page.evaluate(CHANGED, "healthy")
            instance.locald("up")
            shown = float(page.evaluate("() => window.changed"))
            took.append(shown - 1000 * float(note.read_text()))
        page.context.close()
        return [
            Measure(f"page: a change of health on screen, median of {CHANGES}", median(took), "ms", 100),
            Measure("page: the worst of these", max(took), "ms"),
        ]


def _size() -> float:
    """Kilobytes that a browser loads first: the page, its script and its style, by gzip."""
    wanted: list[Path] = [PAGE / "index.html", *PAGE.glob("assets/*.js"), *PAGE.glob("assets/*.css")]
    return sum(len(gzip.compress(path.read_bytes())) for path in wanted) / 1000


def _work(browser: Browser) -> list[Measure]:
    with Instance() as instance:
        kinds = [service("tcp", 0), service("notify", 0), WORKER]
        instance.project({f"s{number}": kinds[number % len(kinds)] for number in range(MANY)})
        instance.up()
        pages = [signed_in(browser, instance) for _ in range(PAGES)]
        daemon = instance.daemon
        time.sleep(SETTLE)
        before, began = cpu(daemon), time.monotonic()
        time.sleep(IDLE)
        share = (cpu(daemon) - before) / (time.monotonic() - began)
        for page in pages:
            page.context.close()
        what = f"work of the daemon, {MANY} services idle, {PAGES} pages open"
        return [Measure(what, 100 * share, "% of a core", 2)]
