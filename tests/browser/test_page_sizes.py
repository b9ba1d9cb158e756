"""The page with one, ten and two hundred services, on a phone, a tablet and a desk, in every view."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from browser.looks import squeezed

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from browser.chromium import Visitor
    from whole.machine import Machine

WIDTHS = (360, 768, 1280)
NAMES = (
    "web",
    "api",
    "db",
    "migrations",
    "billing-events-consumer",
    "mail",
    "search-index",
    "cache",
    "queue",
)
VIEWS = (
    "/",
    "/logs",
    "/project/shop/services",
    "/project/shop/graph",
    "/project/shop/timeline",
    "/project/shop/logs",
    "/service/shop/web/why",
    "/service/shop/web/logs",
    "/service/shop/web/environment",
)


def services(count: int) -> str:
    """So many that say something and stay, each but the first needing some before it."""
    names = [*NAMES, *(f"service-{number}" for number in range(count))][:count]
    tables = []
    for number, name in enumerate(names):
        needs = sorted({names[number // 2], names[number // 3]} - {name}) if number else []
        command = f'echo "{name} has begun" && exec sleep 9999'
        tables.append(
            f"[services.{name}]\ntype = \"worker\"\ncommand = '{command}'\n"
            f"depends_on = {{ {', '.join(f'{one} = {chr(34)}started{chr(34)}' for one in needs)} }}\n"
        )
    return "".join(tables)


@pytest.mark.parametrize("count", [1, 10, 200])
def test_every_view_shows_so_many_services_and_fits_the_window(
    machine: Machine, visitor: Visitor, count: int
) -> None:
    machine.write(services(count))
    machine.up()
    page = visitor.signed_in(viewport={"width": WIDTHS[0], "height": 800})
    plural = "service" if count == 1 else "services"
    expect(page.locator("main h1")).to_contain_text(f"{count} of {count} {plural} ready")
    expect(page.locator("tbody tr[data-key]")).to_have_count(count)
    found = []
    for view in VIEWS:
        page.evaluate("(view) => { location.hash = view }", view)
        shown(page, view, count)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            found += [f"{view} at {width}: {what}" for what in squeezed(page)]
    assert found == []


def test_the_reason_stands_below_the_name_however_wide_the_window(machine: Machine, visitor: Visitor) -> None:
    machine.write(services(1))
    machine.up()
    machine.locald("stop")
    page = visitor.signed_in("/service/shop/web/why", viewport={"width": WIDTHS[0], "height": 800})
    name, reason = page.locator("main h1"), page.locator("main header .because")
    for width in (*WIDTHS, 1920):
        page.set_viewport_size({"width": width, "height": 800})
        boxes = name.bounding_box(), reason.bounding_box()
        assert boxes[0]
        assert boxes[1]
        assert boxes[1]["y"] >= boxes[0]["y"] + boxes[0]["height"], width


def shown(page: Page, view: str, count: int) -> None:
    """Wait until the view has what it shows."""
    last = view.rpartition("/")[2]
    if last == "graph":
        expect(page.locator("[data-node]")).to_have_count(count)
    elif last == "timeline":
        expect(page.locator("tbody tr[data-key]")).to_have_count(count)
    elif last == "logs":
        expect(page.locator(".line").first).to_be_visible()
    elif last == "why":
        expect(page.locator(".evidence li").first).to_be_visible()
    elif last == "environment":
        expect(page.get_by_role("rowheader", name="LOCALD_SERVICE")).to_be_visible()
    else:
        expect(page.locator("tbody tr[data-key]")).to_have_count(count)
