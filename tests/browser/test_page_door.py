"""Who gets in, what becomes of an open page when its daemon goes, and of one of another version."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from browser.chromium import Visitor
    from whole.machine import Machine
    from whole.puppet import Puppet

SLEEP = 'type = "worker"\ncommand = "exec sleep 9999"\n'
ASK = """
async (url) => {
  const post = { method: "POST", mode: "no-cors", credentials: "include", body: '{"project": "shop"}' };
  const posted = await fetch(`${url}v1/down`, post).then((answer) => answer.type, () => "failed");
  const read = await fetch(`${url}v1/status`, { credentials: "include" }).then(() => "read", () => "failed");
  const live = await new Promise((done) => {
    const socket = new WebSocket(`${url.replace("http", "ws")}v1/live`);
    socket.onmessage = () => done("live");
    socket.onclose = () => done("closed");
  });
  return { posted, read, live };
}
"""

OF_ANOTHER_VERSION = """
sessionStorage.loads = Number(sessionStorage.loads ?? 0) + 1;
if (Number(sessionStorage.loads) <= TIMES) {
  new MutationObserver((_, observer) => {
    const meta = document.querySelector('meta[name="locald"]');
    if (!meta) return;
    observer.disconnect();
    meta.content = "0.0.0";
  }).observe(document, { childList: true, subtree: true });
}
"""
"""makes of the page one as an older daemon served it, for the first so many times that it is loaded"""


def test_a_stranger_is_told_how_to_sign_in(machine: Machine, visitor: Visitor) -> None:
    machine.write(f"[services.web]\n{SLEEP}")
    machine.up()
    ticket = visitor.ticket()
    page = visitor.stranger()
    answer = page.goto(ticket.partition("signin")[0])
    assert answer is not None
    assert answer.status == 401
    expect(page.locator("body")).to_contain_text("locald dashboard")
    page.goto(ticket)
    expect(page.locator("tr[data-key]")).to_have_count(1)
    visitor.forgive("status of 401")


def test_a_ticket_lets_in_one_browser_only(machine: Machine, visitor: Visitor) -> None:
    ticket = visitor.ticket()
    first = visitor.stranger()
    first.goto(ticket)
    expect(first.locator("main h1")).to_be_visible()
    assert "ticket" not in first.url
    second = visitor.stranger()
    answer = second.goto(ticket)
    assert answer is not None
    assert answer.status == 403
    expect(second.get_by_role("heading")).to_contain_text("used")
    expect(second.locator("body")).to_contain_text("locald dashboard")
    first.goto(ticket)
    expect(first.locator("main h1")).to_be_visible()
    visitor.forgive("status of 403")


def test_the_page_of_a_service_can_neither_read_nor_do_anything_with_the_cookie(
    machine: Machine, visitor: Visitor, puppet: Callable[[str], Puppet]
) -> None:
    """It is of the same site, so the browser does send the cookie."""
    web = puppet("web")
    machine.write(f"[services.web]\ncommand = {web.command}\n")
    machine.locald("up", "-d")
    run = web.run()
    run.do("http", {"/": 200})
    page = visitor.signed_in()
    expect(page.locator("td.health")).to_have_text("healthy")
    ours = page.url.partition("#")[0]
    page.goto(f"http://127.0.0.1:{run.env['PORT']}/")
    assert page.evaluate(ASK, ours) == {"posted": "failed", "read": "failed", "live": "closed"}
    assert machine.status()["web"]["pid"] == run.pid
    visitor.forgive("status of 40", "WebSocket connection", "CORS", "ERR_", "ERR_BLOCKED")


def test_an_open_page_survives_its_daemon(machine: Machine, visitor: Visitor) -> None:
    """It says that the daemon is gone, keeps what it knew, and goes on with the next one."""
    machine.write(f"[services.web]\n{SLEEP}[services.api]\n{SLEEP}")
    machine.up()
    page = visitor.signed_in()
    state = page.locator('tr[data-key="shop:web"] td.state')
    expect(state).to_have_text("running")
    machine.kill_daemon()
    expect(page.get_by_text("The daemon does not answer")).to_be_visible()
    expect(page.get_by_text("This is the last known state. Services keep running.")).to_be_visible()
    expect(page).to_have_title(re.compile("^disconnected · "))
    expect(state).to_have_text("running")
    machine.status()
    expect(page.get_by_text("The daemon does not answer")).to_be_hidden()
    machine.locald("stop", "web")
    expect(state).to_have_text("stopped")
    visitor.forgive("WebSocket connection", "ERR_CONNECTION_REFUSED")


def test_logs_go_on_after_the_daemon_was_killed(
    machine: Machine, visitor: Visitor, puppet: Callable[[str], Puppet]
) -> None:
    web = puppet("web")
    machine.write(f'[services.web]\ntype = "worker"\ncommand = {web.command}\n')
    machine.locald("up", "-d")
    run = web.run()
    run.say("before")
    page = visitor.signed_in("/service/shop/web/logs")
    expect(page.get_by_text("before", exact=True)).to_be_visible()
    machine.kill_daemon()
    run.say("meanwhile")
    machine.status()
    run.say("after")
    for text in ("before", "meanwhile", "after"):
        expect(page.get_by_text(text, exact=True)).to_have_count(1)
    visitor.forgive("WebSocket connection", "ERR_CONNECTION_REFUSED")


def test_a_page_of_another_version_reloads_itself(machine: Machine, visitor: Visitor) -> None:
    page = visitor.stranger()
    page.add_init_script(OF_ANOTHER_VERSION.replace("TIMES", "1"))
    page.goto(visitor.ticket())
    page.wait_for_function("() => sessionStorage.loads === '2'")
    expect(page.locator("main h1")).to_be_visible()
    expect(page.locator('meta[name="locald"]')).not_to_have_attribute("content", "0.0.0")
    assert page.evaluate("() => sessionStorage.loads") == "2"


def test_a_stale_page_that_reloading_does_not_fix_says_so(machine: Machine, visitor: Visitor) -> None:
    page = visitor.stranger()
    page.add_init_script(OF_ANOTHER_VERSION.replace("TIMES", "99"))
    page.goto(visitor.ticket())
    expect(page.get_by_text("this page has another")).to_be_visible()
    assert page.evaluate("() => sessionStorage.loads") == "2"
