"""What happens is on the page at once, and what is done on the page happens."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from whole.looking import is_healthy, is_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page

    from browser.chromium import Visitor
    from whole.machine import Machine
    from whole.puppet import Puppet

SLEEP = 'type = "worker"\ncommand = "exec sleep 9999"\n'
CHAIN = (
    f"[services.db]\n{SLEEP}"
    f'[services.api]\n{SLEEP}depends_on = ["db"]\n'
    f'[services.web]\n{SLEEP}depends_on = ["api"]\n'
)


def row(page: Page, name: str) -> Locator:
    return page.locator(f'tr[data-key="shop:{name}"]')


def cell(page: Page, name: str, kind: str) -> Locator:
    return row(page, name).locator(f"td.{kind}")


@pytest.mark.parametrize("hours", [1000, -26])
def test_how_long_ago_something_was_is_told_also_where_the_wall_clock_of_the_browser_is_wrong(
    machine: Machine, visitor: Visitor, hours: int
) -> None:
    machine.write(f"[services.web]\n{SLEEP}")
    machine.up()
    page = visitor.stranger()
    page.add_init_script(f"const right = Date.now; Date.now = () => right() + {hours} * 3600e3;")
    page.goto(visitor.ticket())
    expect(cell(page, "web", "uptime")).to_have_text(re.compile(r"^(\d+ms|\d+\.\ds|[1-5]?\ds)$"))


def test_state_health_source_and_reason_follow_what_happens(
    machine: Machine, visitor: Visitor, puppet: Callable[[str], Puppet]
) -> None:
    web = puppet("web")
    machine.write(f'[services.web]\ncommand = {web.command}\nrestart = "no"\n')
    machine.locald("up", "-d")
    run = web.run()
    page = visitor.signed_in()
    expect(cell(page, "web", "state")).to_have_text("starting")
    run.listen()
    expect(cell(page, "web", "state")).to_have_text("running")
    expect(cell(page, "web", "health")).to_have_text("healthy")
    expect(cell(page, "web", "source")).to_have_text(re.compile(r"tcp\s*\(fallback\)"))
    expect(cell(page, "web", "because")).to_contain_text(f"pid {run.pid}")
    expect(cell(page, "web", "port").get_by_role("link")).to_have_attribute(
        "href", f"http://127.0.0.1:{run.env['PORT']}/"
    )
    run.do("notify", "READY=1\nSTATUS=warm and waiting")
    expect(cell(page, "web", "source")).to_have_text("notify")
    expect(cell(page, "web", "because")).to_contain_text("warm and waiting")
    run.do("exit", 3)
    expect(cell(page, "web", "state")).to_have_text("failed")
    expect(cell(page, "web", "because")).to_contain_text("3")
    expect(cell(page, "web", "port").get_by_role("link")).to_have_count(0)


def test_what_a_service_uses_is_shown_while_it_runs(machine: Machine, visitor: Visitor) -> None:
    machine.write(f"[services.web]\n{SLEEP}")
    machine.up()
    page = visitor.signed_in()
    expect(cell(page, "web", "memory")).to_have_text(re.compile(r"\d[KM]B"))
    expect(cell(page, "web", "cpu")).to_have_text(re.compile(r"\d"))
    expect(cell(page, "web", "uptime")).to_have_text(re.compile(r"\d(ms|s)$"))


def test_projects_and_services_come_and_go(machine: Machine, visitor: Visitor) -> None:
    page = visitor.signed_in()
    expect(page.get_by_text("No project is running.")).to_be_visible()
    machine.write(f"[services.web]\n{SLEEP}")
    machine.up()
    expect(cell(page, "web", "health")).to_have_text("healthy")
    machine.write(f"[services.web]\n{SLEEP}[services.api]\n{SLEEP}")
    machine.up()
    expect(cell(page, "api", "health")).to_have_text("healthy")
    page.get_by_role("button", name="Remove shop").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("locald forgets the project")
    dialog.get_by_role("button", name="Remove 2 services").click()
    expect(page.get_by_text("No project is running.")).to_be_visible()


def test_all_of_a_project_stop_and_start_and_it_stays(machine: Machine, visitor: Visitor) -> None:
    """To remove it is another matter."""
    machine.write(CHAIN)
    machine.up()
    page = visitor.signed_in()
    dialog = page.get_by_role("dialog")
    page.get_by_role("button", name="Stop all of shop").click()
    dialog.get_by_role("button", name="Stop 3 services").click()
    for name in ("db", "api", "web"):
        expect(cell(page, name, "state")).to_have_text("stopped")
    expect(page.get_by_role("button", name="Stop all of shop")).to_be_disabled()
    page.get_by_role("button", name="Start all of shop").click()
    expect(cell(page, "web", "health")).to_have_text("healthy")


def test_what_failed_stands_first_with_what_it_said_and_is_counted_on_a_phone(
    machine: Machine, visitor: Visitor
) -> None:
    machine.write(
        f"[services.web]\n{SLEEP}"
        '[services.db]\ntype = "worker"\nrestart = "no"\ncommand = "echo Error: no such volume >&2; exit 3"\n'
        f'[services.api]\n{SLEEP}depends_on = ["db"]\n'
    )
    machine.locald("up")
    page = visitor.signed_in(viewport={"width": 390, "height": 844})
    expect(page.locator("tr[data-key] .name a")).to_have_text(["db", "api", "web"])
    expect(cell(page, "db", "because")).to_have_text("Error: no such volume")
    expect(cell(page, "api", "because")).to_have_text("blocked by db: Error: no such volume")
    expect(page.locator("header.bar .tally li")).to_have_text(["1 failed", "1 blocked", "1 healthy"])
    expect(page.locator("header.bar .tally li").first).to_be_visible()
    machine.write(f"[services.web]\n{SLEEP}[services.db]\n{SLEEP}[services.api]\n{SLEEP}")
    machine.up()
    expect(page.locator("tr[data-key] .name a")).to_have_text(["web", "db", "api"])


def test_a_stop_names_its_dependents_before_it_is_done(machine: Machine, visitor: Visitor) -> None:
    machine.write(CHAIN)
    machine.up()
    page = visitor.signed_in()
    row(page, "db").get_by_role("button", name="Stop db").click()
    dialog = page.get_by_role("dialog", name="Stop db?")
    expect(dialog.get_by_role("listitem")).to_have_text(["web", "api", "db"])
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    assert machine.status()["db"]["state"] == "running"

    row(page, "db").get_by_role("button", name="Stop db").click()
    dialog.get_by_role("button", name="Stop 3 services").click()
    expect(cell(page, "db", "state")).to_have_text("stopped")
    expect(cell(page, "web", "state")).to_have_text("blocked")
    expect(cell(page, "web", "because")).to_have_text("blocked by api, which needs db: stopped by user")

    row(page, "db").get_by_role("button", name="Start db").click()
    dialog = page.get_by_role("dialog", name="Start db?")
    expect(dialog.get_by_role("listitem")).to_have_text(["db", "api", "web"])
    dialog.get_by_role("button", name="Start 3 services").click()
    expect(cell(page, "web", "health")).to_have_text("healthy")


def test_a_restart_of_one_is_done_without_a_question(machine: Machine, visitor: Visitor) -> None:
    machine.write(CHAIN)
    before = machine.up()
    page = visitor.signed_in()
    row(page, "db").get_by_role("button", name="Restart db").click()
    machine.until("db", lambda now: now["run"] == before["db"]["run"] + 1 and is_healthy(now))
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(cell(page, "db", "health")).to_have_text("healthy")
    after = machine.status()
    assert after["web"]["pid"] == before["web"]["pid"]
    row(page, "web").get_by_role("button", name="Stop web").click()
    machine.until("web", is_in("stopped"))
    expect(page.get_by_role("dialog")).to_have_count(0)
    row(page, "web").get_by_role("button", name="Start web").click()
    machine.until("web", is_healthy)


def test_a_refused_action_says_why(machine: Machine, visitor: Visitor) -> None:
    machine.write(f"[services.web]\n{SLEEP}")
    machine.up()
    page = visitor.signed_in()
    machine.locald("stop")
    expect(cell(page, "web", "state")).to_have_text("stopped")
    machine.write('[services.web]\ncomand = "sleep 9"\n')
    row(page, "web").get_by_role("button", name="Start web").click()
    notice = page.get_by_label("Notifications")
    expect(notice).to_contain_text("locald.toml:4")
    expect(notice).to_contain_text('did you mean "command"')
    visitor.forgive("status of 4")


def test_who_looks_elsewhere_is_told_by_the_title(
    machine: Machine, visitor: Visitor, puppet: Callable[[str], Puppet]
) -> None:
    web = puppet("web")
    machine.write(f'[services.web]\ncommand = {web.command}\nrestart = "no"\n')
    machine.locald("up", "-d")
    page = visitor.stranger()
    page.add_init_script("document.hasFocus = () => false")
    page.goto(visitor.ticket())
    run = web.run()
    expect(cell(page, "web", "state")).to_have_text("starting")
    run.listen()
    expect(page).to_have_title("✓ shop is running · locald")
    notices = page.get_by_label("Notifications")
    expect(notices).to_contain_text("shop is running")
    run.do("exit", 1)
    expect(page).to_have_title("✗ shop:web has failed · locald")
    expect(notices).to_contain_text("web has failed")
    expect(page.locator('link[rel="icon"]')).to_have_attribute("href", re.compile("bad"))
    page.evaluate("dispatchEvent(new Event('focus'))")
    expect(page).to_have_title("✗ 1 failed · locald")
    expect(notices.locator(".notice")).to_have_text(
        [re.compile("shop is running"), re.compile("web has failed")]
    )
    notices.get_by_role("button", name="Dismiss").first.click()
    expect(notices.locator(".notice")).to_have_text([re.compile("web has failed")])


FRAMES = 60
EACH_FRAME = f"""
async () => {{
  for (let i = 0; i < {FRAMES}; i++) await new Promise(requestAnimationFrame);
}}
"""
FRAME_WITHIN = 0.05
"""seconds of processor time for a frame"""
PICTURE_WITHIN = 5.0
"""seconds"""


def frame_time(page: Page) -> float:
    """Seconds of processor time that the page's thread takes for a frame, however busy the machine is."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def busy() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))

    before = busy()
    page.evaluate(EACH_FRAME)
    return (busy() - before) / FRAMES


def test_a_page_stays_usable_while_sixty_services_start_and_one_prints_without_end(
    machine: Machine, visitor: Visitor
) -> None:
    flood = "while :; do seq 1000; sleep 0.2; done"
    tables = [f'[services.flood]\ntype = "worker"\ncommand = "{flood}"\n']
    tables += [f"[services.s{number:02}]\n{SLEEP}" for number in range(59)]
    machine.write("".join(tables))
    machine.locald("up", "-d")
    page = visitor.signed_in("/service/shop/flood/logs", viewport={"width": 1280, "height": 800})
    expect(page.locator(".line").first).to_be_visible()
    began = time.monotonic()
    page.screenshot()
    assert time.monotonic() - began < PICTURE_WITHIN
    assert frame_time(page) < FRAME_WITHIN
    page.keyboard.press("s")
    expect(page.locator("tr[data-key]")).to_have_count(60)
    began = time.monotonic()
    page.screenshot()
    assert time.monotonic() - began < PICTURE_WITHIN
    expect(page.locator("header.project ul.tally")).to_have_text("60 healthy")
