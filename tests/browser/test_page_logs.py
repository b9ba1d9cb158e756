"""Logs in the page: floods stay smooth and bounded, and what one looks for is found."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from whole.looking import is_healthy

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page

    from browser.chromium import Visitor
    from whole.machine import Machine
    from whole.puppet import Acting, Puppet

FLOOD = 100_000
DRAWN_AT_MOST = 150
"""lines that a window of 800 pixels has, and some around it"""
JUMP_WITHIN = 50.0
"""milliseconds from a scroll to the frame that shows its lines, median; what a reader takes for smooth"""
JUMPS = """
async () => {
  const box = document.querySelector(".logs .box");
  const took = [];
  for (let i = 1; i <= 21; i++) {
    const began = performance.now();
    box.scrollTop = (box.scrollHeight - box.clientHeight) * ((i * 7919) % 100) / 100;
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    took.push(performance.now() - began);
    const seen = [...box.querySelectorAll(".line")].map((line) => line.getBoundingClientRect());
    const area = box.getBoundingClientRect();
    if (!seen.some((one) => one.top <= area.top + 1) || !seen.some((one) => one.bottom >= area.bottom - 25)) {
      throw new Error(`nothing is drawn at ${box.scrollTop}`);
    }
  }
  return took.sort((a, b) => a - b)[10];
}
"""
TOP = """
() => {
  const area = document.querySelector(".logs .box").getBoundingClientRect();
  return document.elementFromPoint(400, area.top + 15).closest(".line")?.innerText;
}
"""


@pytest.fixture
def web(machine: Machine, puppet: Callable[[str], Puppet]) -> Acting:
    """A worker that says what it is told to."""
    made = puppet("web")
    machine.write(f'[services.web]\ntype = "worker"\ncommand = {made.command}\ntty = false\n')
    machine.locald("up", "-d")
    run = made.run()
    machine.until("web", is_healthy)
    return run


def flood(run: Acting, count: int, what: str = "request") -> None:
    for start in range(0, count, 10_000):
        run.say(*(f"{what} {number} was answered in 12 ms" for number in range(start, start + 10_000)))


def line(page: Page, text: str) -> Locator:
    return page.locator(".line", has_text=re.compile(f"{re.escape(text)}$"))


def heap(page: Page) -> float:
    """Megabytes in use after a collection."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    return float(session.send("Runtime.getHeapUsage")["usedSize"]) / 1e6


def test_where_no_line_is_shown_the_reason_is(web: Acting, visitor: Visitor) -> None:
    """There is no output, or nothing matches the filter: an empty box could be either, or an error."""
    page = visitor.signed_in("/service/shop/web/logs")
    expect(line(page, "run 1")).to_be_visible()
    page.get_by_label("Search the logs").fill("nowhere")
    page.get_by_role("button", name="Only matches").click()
    expect(page.get_by_role("region", name="Log lines")).to_have_text("No line matches.")


def test_a_project_that_printed_nothing_says_so(visitor: Visitor) -> None:
    page = visitor.signed_in("/logs")
    expect(page.get_by_role("region", name="Log lines")).to_have_text("No output yet.")


def test_a_hundred_thousand_lines_stay_smooth_and_memory_bounded(web: Acting, visitor: Visitor) -> None:
    flood(web, FLOOD)
    page = visitor.signed_in("/service/shop/web/logs", viewport={"width": 1280, "height": 800})
    expect(line(page, "request 99999 was answered in 12 ms")).to_be_visible()
    expect(page.locator(".foot")).to_contain_text(re.compile("^ *500 lines(?!.*loading)"))
    while (older := page.get_by_role("button", name="Load older")).count():
        older.click()
        page.wait_for_function("() => !document.querySelector('.foot button:disabled')")
    expect(page.locator(".foot")).to_contain_text(re.compile("^ *100,00[0-9] lines(?!.*loading)"))
    assert page.locator(".line").count() < DRAWN_AT_MOST
    assert page.evaluate(JUMPS) < JUMP_WITHIN
    before = heap(page)

    page.get_by_role("button", name="Follow").click()
    page.evaluate("document.querySelector('.logs .box').scrollTop = 1e9")
    flood(web, FLOOD, "later")
    expect(line(page, "later 99999 was answered in 12 ms")).to_be_visible()
    assert page.locator(".line").count() < DRAWN_AT_MOST
    assert heap(page) < before * 1.3 + 10
    expect(page.locator(".foot")).to_contain_text("older lines: run locald logs -n")


def test_the_place_one_reads_at_stays_while_lines_are_added(web: Acting, visitor: Visitor) -> None:
    flood(web, 10_000)
    page = visitor.signed_in("/service/shop/web/logs")
    follow = page.get_by_role("button", name="Follow")
    expect(line(page, "request 9999 was answered in 12 ms")).to_be_visible()
    expect(follow).to_have_attribute("aria-pressed", "true")
    page.locator(".logs .box").hover()
    page.mouse.wheel(0, -4000)
    expect(follow).to_have_attribute("aria-pressed", "false")
    page.wait_for_function("() => !document.querySelector('.logs .box').innerText.includes('request 9999 ')")
    before = page.evaluate(TOP)
    flood(web, 10_000, "later")
    expect(page.locator(".foot")).to_contain_text(re.compile("^ *1[0-9],[0-9]{3} lines"))
    assert page.evaluate(TOP) == before
    follow.click()
    expect(line(page, "later 9999 was answered in 12 ms")).to_be_visible()


def test_older_lines_come_when_one_scrolls_to_the_first(web: Acting, visitor: Visitor) -> None:
    flood(web, 10_000)
    page = visitor.signed_in("/service/shop/web/logs")
    expect(line(page, "request 9999 was answered in 12 ms")).to_be_visible()
    expect(page.locator(".foot")).to_contain_text(re.compile("^ *500 lines"))
    box = page.locator(".logs .box")
    box.hover()
    for _ in range(40):
        page.mouse.wheel(0, -40_000)
        if "Load older" not in page.locator(".foot").inner_text():
            break
        page.wait_for_function("() => !document.querySelector('.foot button:disabled')")
    page.mouse.wheel(0, -1_000_000)
    expect(line(page, "request 0 was answered in 12 ms")).to_be_visible()
    numbers = page.evaluate("() => [...document.querySelectorAll('.line .text')].map((one) => one.innerText)")
    told = [int(found[1]) for text in numbers if (found := re.match(r"request (\d+) was", text))]
    assert told == list(range(len(told)))


def test_of_a_redraw_the_last_state_stays_and_another_run_is_marked(
    web: Acting, machine: Machine, visitor: Visitor
) -> None:
    page = visitor.signed_in("/service/shop/web/logs")
    web.say("step a 1", "step b 1")
    expect(line(page, "step b 1")).to_be_visible()
    web.say("\x1b[2A\x1b[2Kstep a 2", "\x1b[2Kstep b 2")
    expect(line(page, "step b 2")).to_be_visible()
    expect(page.locator(".line", has_text="step")).to_have_count(2)
    expect(page.locator(".line .run")).to_have_count(0)
    machine.locald("restart", "-d", "web")
    expect(page.locator(".line.begins .run")).to_have_text(["run 2"])


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_the_end_is_followed_from_the_start(web: Acting, visitor: Visitor, motion: str) -> None:
    web.say(*(f"line {number}" for number in range(200)))
    page = visitor.signed_in("/service/shop/web/logs", reduced_motion=motion)
    expect(line(page, "line 199")).to_be_in_viewport()
    web.say("the last line")
    expect(line(page, "the last line")).to_be_in_viewport()


def test_a_pause_holds_lines_back_and_its_end_shows_them(web: Acting, visitor: Visitor) -> None:
    web.say("one")
    page = visitor.signed_in("/service/shop/web/logs")
    expect(line(page, "one")).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    web.say("two", "three")
    expect(page.locator(".foot")).to_contain_text("2 new lines")
    expect(line(page, "two")).to_have_count(0)
    page.get_by_role("button", name="Paused").click()
    expect(line(page, "three")).to_be_visible()


def test_a_search_counts_marks_steps_and_narrows(web: Acting, visitor: Visitor) -> None:
    web.say(*(f"order {number} {'lost' if number % 100 == 50 else 'kept'}" for number in range(1000)))
    page = visitor.signed_in("/service/shop/web/logs")
    expect(line(page, "order 999 kept")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("LOST")
    expect(page.get_by_text("0 matches")).to_be_visible()
    page.keyboard.press("Control+a")
    page.keyboard.type("lost")
    expect(page.get_by_text("10 matches")).to_be_visible()
    page.keyboard.press("Enter")
    expect(page.locator(".line.current")).to_contain_text("order 950 lost")
    expect(page.locator(".line.current mark")).to_have_text("lost")
    page.keyboard.press("Enter")
    expect(page.locator(".line.current")).to_contain_text("order 850 lost")
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".line.current")).to_contain_text("order 950 lost")
    page.get_by_role("button", name="Only matches").click()
    expect(page.locator(".foot")).to_contain_text(re.compile(r"10 of 1,00\d lines"))
    page.get_by_role("searchbox").fill("/order [89]\\d\\d lost/")
    expect(page.get_by_text("2 matches")).to_be_visible()
    page.get_by_role("searchbox").fill("/order [/")
    expect(page.get_by_text("invalid regular expression")).to_be_visible()


def test_lines_are_filtered_by_stream_and_by_level(web: Acting, visitor: Visitor) -> None:
    web.say("all is well", "ERROR it broke", '{"level": "warn", "msg": "careful"}')
    web.do("print", "to stderr\n", 2)
    page = visitor.signed_in("/service/shop/web/logs")
    expect(line(page, "to stderr")).to_be_visible()
    page.get_by_text("Filter", exact=True).click()
    page.get_by_role("checkbox", name="stderr").uncheck()
    expect(line(page, "to stderr")).to_have_count(0)
    page.get_by_role("checkbox", name="locald").uncheck()
    expect(page.locator(".line")).to_have_count(3)
    page.get_by_role("checkbox", name="unknown").uncheck()
    expect(page.locator(".line")).to_have_text([re.compile("ERROR it broke"), re.compile("careful")])
    page.get_by_role("checkbox", name="warn").uncheck()
    expect(page.locator(".line")).to_have_text([re.compile("ERROR it broke")])
    expect(page.locator("summary", has_text="Filter")).to_have_accessible_name("Filter, 2 active")


def test_colours_are_colours_and_no_escape_is_left(web: Acting, visitor: Visitor) -> None:
    web.say("\x1b[1;31mred\x1b[0m plain \x1b[38;2;10;200;30mtrue\x1b[0m \x1b]0;title\x07\x1b[0Kend")
    page = visitor.signed_in("/service/shop/web/logs")
    shown = page.locator(".line.stdout .text")
    expect(shown).to_have_text("red plain true end")
    expect(shown.get_by_text("red")).to_have_class(re.compile(r"ink-1\b.*ansi-bold"))
    plain = page.locator(".line.stdout time").evaluate("(one) => getComputedStyle(one.parentElement).color")
    for coloured in ("red", "true"):
        found = shown.get_by_text(coloured).evaluate("(one) => getComputedStyle(one).color")
        assert found != plain
    assert page.title() != "title"


def test_one_jumps_to_the_moment_of_a_change_of_health(web: Acting, visitor: Visitor) -> None:
    """It is found also where it is older than what came at first."""
    flood(web, 20_000)
    page = visitor.signed_in("/service/shop/web/logs")
    expect(page.locator(".foot")).to_contain_text(re.compile("^ *500 lines"))
    page.get_by_role("button", name="Previous event").click()
    current = page.locator(".line.current")
    expect(current).to_be_in_viewport()
    expect(current).to_have_class(re.compile("locald"))
    expect(current).to_contain_text("healthy (process)")


def test_logs_of_a_project_are_merged_in_order_and_services_can_be_hidden(
    machine: Machine, visitor: Visitor, puppet: Callable[[str], Puppet]
) -> None:
    made = {name: puppet(name) for name in ("api", "web")}
    machine.write(
        "".join(
            f'[services.{name}]\ntype = "worker"\ncommand = {one.command}\n' for name, one in made.items()
        )
    )
    machine.locald("up", "-d")
    runs = {name: one.run() for name, one in made.items()}
    page = visitor.signed_in("/project/shop/logs")
    spoken = page.locator(".line.stdout")
    for number in range(4):
        runs[("api", "web")[number % 2]].say(f"number {number}")
        expect(spoken).to_have_count(number + 1)
    expect(spoken).to_have_text([re.compile(f"{('api', 'web')[n % 2]}.*number {n}") for n in range(4)])
    page.get_by_text("Filter", exact=True).click()
    page.get_by_role("checkbox", name="api").uncheck()
    expect(spoken).to_have_text([re.compile("number 1"), re.compile("number 3")])
