"""Without a mouse: everything can be reached and done by keys, and one sees where one is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from whole.looking import is_healthy, is_in

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from browser.chromium import Visitor
    from whole.machine import Machine

SLEEP = 'type = "worker"\ncommand = "echo hello && exec sleep 9999"\n'
CHAIN = (
    f"[services.db]\n{SLEEP}"
    f'[services.api]\n{SLEEP}depends_on = ["db"]\n'
    f'[services.web]\n{SLEEP}depends_on = ["api"]\n'
)
UNSEEN = """
() => {
  const one = document.activeElement;
  const style = getComputedStyle(one);
  const box = one.getBoundingClientRect();
  const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
  const inside = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  return outlined && inside ? null : one.outerHTML.slice(0, 200);
}
"""
NAME = """
() => {
  const one = document.activeElement;
  if (one === document.body) return null;
  return (one.getAttribute("aria-label") ?? one.innerText).trim() || one.tagName;
}
"""


def walked(page: Page, most: int = 120) -> list[str]:
    """The names of all that Tab comes to from the top of the page; each has to be seen as focused."""
    found: list[str] = []
    page.evaluate("() => { document.activeElement.blur(); scrollTo(0, 0) }")
    for _ in range(most):
        page.keyboard.press("Tab")
        name = page.evaluate(NAME)
        if name is None or (found and name == found[0]):
            return found
        assert page.evaluate(UNSEEN) is None, f"{name}: focused, but one does not see it"
        found.append(name)
    raise AssertionError(f"Tab goes on and on: {found}")


def test_tab_reaches_everything_and_one_sees_where_one_is(machine: Machine, visitor: Visitor) -> None:
    machine.write(CHAIN)
    machine.up()
    page = visitor.signed_in()
    expect(page.locator("tr[data-key]")).to_have_count(3)
    found = walked(page)
    for wanted in (
        "Skip to content",
        "locald",
        "All logs",
        "Keyboard shortcuts",
        "Start all of shop",
        "Stop all of shop",
        "Remove shop",
        "shop",
        "Graph",
    ):
        assert wanted in found
    for name in ("db", "api", "web"):
        assert {name, f"Stop {name}", f"Restart {name}"} <= set(found)
    for view, wanted in (
        ("/project/shop/graph", "Show as list"),
        ("/project/shop/logs", "Pause"),
        ("/service/shop/web/why", "Full log"),
        ("/service/shop/web/environment", "Filter variables"),
    ):
        page.evaluate("(view) => { location.hash = view }", view)
        expect(page.locator("main")).to_contain_text("web")
        expect(page.get_by_text(wanted).or_(page.get_by_label(wanted)).first).to_be_visible()
        assert wanted in walked(page), view


def test_the_first_tab_skips_to_the_content(machine: Machine, visitor: Visitor) -> None:
    machine.write(CHAIN)
    machine.up()
    page = visitor.signed_in()
    expect(page.locator("tr[data-key]")).to_have_count(3)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_single_keys_go_everywhere_and_back(machine: Machine, visitor: Visitor) -> None:
    machine.write(CHAIN)
    machine.up()
    page = visitor.signed_in()
    expect(page.locator("tr[data-key]")).to_have_count(3)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    first = page.evaluate("() => document.activeElement.closest('[data-key]').dataset.key")
    assert first == page.locator("tr[data-key]").first.get_attribute("data-key")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/why$"))
    for key, where in (
        ("l", "/logs$"),
        ("e", "/environment$"),
        ("w", "/why$"),
        ("g", "/project/shop/graph$"),
        ("t", "/project/shop/timeline$"),
        ("s", "/project/shop/services$"),
        ("l", "/project/shop/logs$"),
        ("Escape", "#/$"),
        ("l", "#/logs$"),
    ):
        page.keyboard.press(key)
        expect(page).to_have_url(re.compile(where))
        expect(page.locator("main h1")).to_be_focused()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    for label in ("Next match", "Previous service", "Explain status"):
        expect(dialog).to_contain_text(label)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_a_service_is_stopped_and_started_by_keys(machine: Machine, visitor: Visitor) -> None:
    machine.write(CHAIN)
    machine.up()
    page = visitor.signed_in("/service/shop/db/why")
    expect(page.locator("main h1")).to_have_text("db")
    page.keyboard.press("x")
    dialog = page.get_by_role("dialog", name="Stop db?")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.keyboard.press("x")
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Tab")
    expect(dialog.get_by_role("button", name="Stop 3 services")).to_be_focused()
    page.keyboard.press("Enter")
    machine.until("db", is_in("stopped"))
    expect(page.locator(".status").first).to_contain_text("stopped")
    page.keyboard.press("u")
    expect(page.get_by_role("dialog", name="Start db?")).to_be_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    machine.until("db", is_healthy)


def test_arrows_walk_the_graph(machine: Machine, visitor: Visitor) -> None:
    machine.write(CHAIN)
    machine.up()
    page = visitor.signed_in("/project/shop/graph", viewport={"width": 1280, "height": 800})
    nodes = {name: page.locator(f'[data-node="{name}"]') for name in ("db", "api", "web")}
    nodes["db"].focus()
    page.keyboard.press("ArrowRight")
    expect(nodes["api"]).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(nodes["web"]).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(nodes["api"]).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/service/shop/api/why$"))


def test_single_keys_can_be_turned_off(machine: Machine, visitor: Visitor) -> None:
    machine.write(CHAIN)
    machine.up()
    page = visitor.signed_in("/service/shop/db/why")
    expect(page.locator("main h1")).to_have_text("db")
    page.keyboard.press("?")
    page.get_by_label("Enable single-key shortcuts").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    page.keyboard.press("l")
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile("/project/shop/services$"))
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert machine.status()["db"]["state"] == "running"
