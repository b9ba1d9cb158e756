"""Nobody is kept out by how the page is made: axe's rules, in both themes, on every view."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from browser.looks import violations
from locald.faces import states
from whole.looking import is_in

if TYPE_CHECKING:
    from browser.chromium import Visitor
    from whole.machine import Machine

SLEEP = 'type = "worker"\ncommand = "echo hello; echo ERROR broken >&2; exec sleep 9999"\n'
SHOP = (
    f"[services.db]\n{SLEEP}"
    f'[services.api]\n{SLEEP}depends_on = ["db"]\n'
    '[services.seed]\ntype = "task"\ncommand = "printf \'\\\\033[31mred\\\\033[0m \\\\033[93mpale\\\\n\'"\n'
    '[services.broken]\ntype = "worker"\ncommand = "echo no; exit 3"\nrestart = "no"\n'
    f'[services.web]\n{SLEEP}depends_on = ["api", "broken"]\n'
)
VIEWS = (
    ("/", "h1"),
    ("/logs", ".line"),
    ("/project/shop/services", "tr[data-key]"),
    ("/project/shop/graph", "[data-node]"),
    ("/project/shop/timeline", "tr[data-key]"),
    ("/project/shop/logs", ".line"),
    ("/service/shop/web/why", ".blockers"),
    ("/service/shop/broken/why", ".line"),
    ("/service/shop/db/logs", ".line"),
    ("/service/shop/db/environment", "tbody tr"),
    ("/service/shop/nobody/why", "h1"),
)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_any_view(machine: Machine, visitor: Visitor, theme: str) -> None:
    machine.write(SHOP)
    machine.locald("up", "-d")
    machine.until("web", is_in("blocked"))
    page = visitor.signed_in(color_scheme=theme, viewport={"width": 1280, "height": 800})
    found = []
    for view, sign in VIEWS:
        page.evaluate("(view) => { location.hash = view }", view)
        expect(page.locator(f"main {sign}").first).to_be_visible()
        found += [f"{view}: {what}" for what in violations(page)]
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    found += [f"keys: {what}" for what in violations(page)]
    page.keyboard.press("Escape")
    page.evaluate("location.hash = '/'")
    page.get_by_role("button", name="Stop db").click()
    expect(page.get_by_role("dialog", name="Stop db?")).to_be_visible()
    found += [f"effect: {what}" for what in violations(page)]
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 360, "height": 800})
    found += [f"phone: {what}" for what in violations(page)]
    assert found == []


def test_axe_finds_nothing_serious_at_the_door(machine: Machine, visitor: Visitor) -> None:
    page = visitor.stranger()
    page.goto(visitor.ticket().partition("signin")[0])
    assert violations(page) == []
    visitor.forgive("status of 401")


def test_the_theme_follows_the_system_until_one_is_chosen(machine: Machine, visitor: Visitor) -> None:
    page = visitor.signed_in(color_scheme="dark")
    paper = "() => getComputedStyle(document.documentElement).backgroundColor"
    dark = page.evaluate(paper)
    page.emulate_media(color_scheme="light")
    light = page.evaluate(paper)
    assert light != dark
    page.get_by_role("button", name="Theme: system").click()
    page.get_by_role("button", name="Theme: light").click()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    assert page.evaluate(paper) == dark
    page.reload()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    assert page.evaluate(paper) == dark


def test_standings_differ_in_more_than_their_colour(machine: Machine, visitor: Visitor) -> None:
    """Each row says its state in words, no two have the same shape, and tones are those of terminals."""
    machine.write(SHOP)
    machine.locald("up", "-d")
    machine.until("web", is_in("blocked"))
    page = visitor.signed_in()
    shapes = {}
    for name, word in (("db", "healthy"), ("seed", "completed"), ("broken", "failed"), ("web", "blocked")):
        row = page.locator(f'tr[data-key="shop:{name}"]')
        expect(row).to_contain_text(word)
        expect(row.locator("svg.glyph")).to_have_class(re.compile(rf"\b{states.tone(word)}\b"))
        shapes[word] = row.locator("svg.glyph").inner_html()
    assert len(set(shapes.values())) == len(shapes)
