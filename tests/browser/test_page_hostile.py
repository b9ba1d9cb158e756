"""Whatever a program says, the page shows it as text: nothing of it becomes an element, or does anything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from browser.looks import squeezed
from whole.looking import is_healthy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

    from browser.chromium import Visitor
    from whole.machine import Machine
    from whole.puppet import Puppet

MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script><b onmouseover=alert(3)>bold</b>"
NASTY = f"{MARKUP} {{@html x}} &lt;i&gt; \u202egnitirw drawkcab \u2066\u200f [red]text[/red]"
WIDE = "e" + "\u0301" * 9 + "𝔘𝔫𝔦 👩‍👩‍👧‍👦 عربي עברית"
MEGABYTE = 1_000_000


def nothing_came_of_it(page: Page) -> None:
    made = page.evaluate(
        "() => [...document.querySelectorAll("
        "'img, main script, iframe, main :not(.marks) > b, [onerror], [onmouseover]')]"
        ".map((one) => one.outerHTML)"
    )
    assert [one for one in made if "warn" not in one and "busy" not in one] == []


def test_a_nasty_status_is_harmless_everywhere(
    machine: Machine, visitor: Visitor, puppet: Callable[[str], Puppet], tmp_path: Path
) -> None:
    """So is a folder with such a name, and what a check says."""
    machine.folder = tmp_path / "<img src=x onerror=alert(4)>\u202esdrawkcab"
    web = puppet("web")
    check = machine_file(machine, "check", f"echo {MARKUP!r}; exit 1")
    machine.write(
        f"[services.web]\ncommand = {web.command}\n"
        f'[services.checked]\ntype = "worker"\ncommand = "exec sleep 99"\nhealth_check = "sh {check.name}"\n'
    )
    machine.locald("up", "-d")
    run = web.run()
    run.listen()
    run.do("notify", f"READY=1\nSTATUS={NASTY}")
    machine.until("web", lambda row: is_healthy(row) and "backward" in row["because"][::-1])
    page = visitor.signed_in(viewport={"width": 1280, "height": 800})
    for view in (
        "/",
        "/project/shop/graph",
        "/project/shop/timeline",
        "/service/shop/web/why",
        "/service/shop/checked/why",
        "/service/shop/web/environment",
    ):
        page.evaluate("(view) => { location.hash = view }", view)
        expect(page.locator("main h1")).to_be_visible()
        if view == "/":
            expect(page.locator("td.because").first).to_contain_text("<script>")
            expect(page.locator(".folder")).to_contain_text("alert(4)>\ufffdsdrawkcab")
        if view.endswith("environment"):
            expect(page.locator("main")).to_contain_text("alert(4)>\ufffdsdrawkcab")
        if view.endswith("why"):
            expect(page.locator(".evidence li").first).to_be_visible()
            expect(page.locator("main")).to_contain_text("onerror")
        nothing_came_of_it(page)
        for width in (360, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            assert squeezed(page) == [], view


def machine_file(machine: Machine, name: str, text: str) -> Path:
    machine.folder.mkdir(parents=True, exist_ok=True)
    return machine.file(name, text)


def test_nasty_lines_are_text(machine: Machine, visitor: Visitor, puppet: Callable[[str], Puppet]) -> None:
    web = puppet("web")
    machine.write(f'[services.web]\ntype = "worker"\ncommand = {web.command}\ntty = false\n')
    machine.locald("up", "-d")
    run = web.run()
    run.say(
        NASTY,
        WIDE,
        "\x1b[999;999H\x1b[8mhidden\x1b[0m\x1b[?1049h\x1b]8;;javascript:alert(5)\x07link\x1b]8;;\x07",
        "a\rb\x08c\x00d",
    )
    run.do("print", "\udcff\udcfe broken bytes\n")
    page = visitor.signed_in("/service/shop/web/logs", viewport={"width": 1280, "height": 800})
    expect(page.locator(".line", has_text="broken bytes")).to_be_visible()
    expect(page.locator(".line").filter(has_text="<script>alert(2)</script>")).to_be_visible()
    expect(page.get_by_role("main").get_by_role("link", name="link", exact=True)).to_have_count(0)
    nothing_came_of_it(page)
    page.get_by_role("button", name="Wrap").click()
    for width in (360, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert squeezed(page) == []
    page.evaluate("location.hash = '/service/shop/web/why'")
    expect(page.get_by_role("group", name="Last output")).to_contain_text("broken bytes")
    nothing_came_of_it(page)


def test_a_line_of_a_megabyte_is_cut_and_shown_whole_on_demand(
    machine: Machine, visitor: Visitor, puppet: Callable[[str], Puppet]
) -> None:
    web = puppet("web")
    machine.write(f'[services.web]\ntype = "worker"\ncommand = {web.command}\ntty = false\n')
    machine.locald("up", "-d")
    run = web.run()
    run.say("<b>" * (MEGABYTE // 3), "the line after it")
    page = visitor.signed_in("/service/shop/web/logs")
    expect(page.locator(".line", has_text="the line after it")).to_be_visible()
    assert page.locator(".line", has_text="<b><b>").inner_text().count("<b>") < 10_000
    page.get_by_role("button", name=re.compile("show all")).click()
    dialog = page.get_by_role("dialog", name="Full line")
    expect(dialog).to_be_visible()
    assert (
        page.evaluate("() => document.querySelector('dialog[open] pre').textContent.length") > 0.9 * MEGABYTE
    )
    nothing_came_of_it(page)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_a_nasty_environment_is_text_and_secrets_are_masked(machine: Machine, visitor: Visitor) -> None:
    machine.write(
        '[services.web]\ntype = "worker"\ncommand = "exec sleep 99"\n'
        f'env.NASTY = "{MARKUP}"\n'
        'env.API_TOKEN = "hush-hush"\n'
        'env.DATABASE = "postgres://app:hush-hush@db/shop"\n'
    )
    machine.up()
    page = visitor.signed_in("/service/shop/web/environment")
    row = page.get_by_role("row")
    expect(row.filter(has=page.get_by_role("rowheader", name="NASTY"))).to_contain_text("<script>")
    for secret in ("API_TOKEN", "DATABASE"):
        shown = row.filter(has=page.get_by_role("rowheader", name=secret, exact=True))
        expect(shown).to_contain_text("masked")
        expect(shown).to_contain_text(re.compile(r"env$|env\s"))
        expect(shown.get_by_role("button")).to_have_count(0)
    assert "hush-hush" not in page.content()
    nothing_came_of_it(page)
    page.keyboard.press("/")
    page.keyboard.type("locald_service")
    expect(page.locator("tbody tr")).to_have_count(1)


def test_addresses_that_lead_nowhere_are_answered_plainly(machine: Machine, visitor: Visitor) -> None:
    machine.write('[services.web]\ntype = "worker"\ncommand = "exec sleep 99"\n')
    machine.up()
    page = visitor.signed_in()
    for view, said in (
        (f"/project/{MARKUP.replace('/', '%2F')}/graph", "No such project: "),
        ("/service/shop/nobody/why", "No such service: nobody"),
        ("/%zz/x", "1 of 1"),
    ):
        page.evaluate("(view) => { location.hash = view }", view)
        expect(page.locator("main h1")).to_contain_text(said)
        nothing_came_of_it(page)
