"""Whether the dashboard's page stays usable in a flood: 60 services, one of which prints without end."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING

from bench import page as looks
from bench.checks import service
from bench.instance import Instance
from bench.many import WORKER
from bench.table import Measure

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SERVICES = 60
LINES = 5_000
"""a second"""
WATCHED = 10
"""seconds"""
FRAMES = """
(seconds) => new Promise((done) => {
  const took = [];
  const end = performance.now() + 1000 * seconds;
  let before = null;
  const look = (now) => {
    if (before !== null) took.push(now - before);
    before = now;
    if (now < end) return requestAnimationFrame(look);
    took.sort((a, b) => a - b);
    done([took[Math.floor(took.length * 0.95)], took.at(-1)]);
  };
  requestAnimationFrame(look);
})
"""
"""milliseconds from one frame to the next: 95 of 100 below this, and the longest"""
STEADY = f"""
import sys, time
began, told = time.monotonic(), 0
while True:
    due = int((time.monotonic() - began) * {LINES})
    sys.stdout.write("".join(f"request {{n}} was answered in 12 ms\\n" for n in range(told, due)))
    sys.stdout.flush()
    told = due
    time.sleep(0.02)
"""
ENDLESS = "while True: print('x' * 100)"


def measure() -> list[Measure]:
    """the page in a flood: frames with 60 services and 5,000 lines a second; a screenshot while all start"""
    program = shutil.which("chromium")
    if program is None or not looks.PAGE.joinpath("index.html").exists():
        print("not measured: there is no chromium, or no page", file=sys.stderr)
        return []
    with looks.browser(program) as browser:
        return [*_frames(browser), *_screenshot(browser)]


def _frames(browser: Browser) -> list[Measure]:
    with Instance() as instance:
        quiet = {f"s{number}": WORKER for number in range(SERVICES - 1)}
        printing = {"type": "worker", "command": [sys.executable, "-I", "-S", "-c", STEADY]}
        instance.project({"loud": printing, **quiet})
        instance.up()
        page = looks.signed_in(browser, instance)
        found = []
        for view in ("/project/bench/services", "/project/bench/logs", "/service/bench/loud/logs"):
            page.evaluate("(view) => { location.hash = view; }", view)
            page.wait_for_timeout(2_000)
            usual, longest = page.evaluate(FRAMES, WATCHED)
            what = f"page: a frame in {view.rsplit('/', 1)[1]} of {view.split('/')[1]}, p95"
            found += [Measure(what, usual, "ms", 50), Measure("page: the longest of these", longest, "ms")]
        page.context.close()
        return found


def _screenshot(browser: Browser) -> list[Measure]:
    with Instance() as instance:
        kinds = [service("tcp", 1), service("notify", 2), service("tcp", 3)]
        starting = {f"s{number}": kinds[number % len(kinds)] for number in range(SERVICES)}
        instance.project({"loud": {"type": "worker", "command": [sys.executable, "-I", "-S", "-c", ENDLESS]}})
        instance.up()
        page = looks.signed_in(browser, instance)
        page.evaluate("() => { location.hash = '/project/bench/logs'; }")
        page.wait_for_timeout(1_000)
        instance.project(
            {"loud": {"type": "worker", "command": [sys.executable, "-I", "-S", "-c", ENDLESS]}, **starting}
        )
        instance.locald("up", "-d")
        took = []
        for _ in range(5):
            began = time.perf_counter()
            page.screenshot()
            took.append(time.perf_counter() - began)
        page.context.close()
        return [
            Measure(
                f"page: a screenshot while {SERVICES} services start and one prints without end, worst of 5",
                max(took),
                "s",
                5,
            )
        ]
