"""Services by name in a real browser that trusts the proxy's authority, and nothing else of it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from browser.chromium import cannot, launched, needs_page
from locald.client import trust
from locald.client.trust import Certificate
from whole.machine import Gate
from whole.test_attach import NODE, VITE
from whole.test_proxy import SERVER, WEB, Proxied
from whole.test_proxy import pytestmark as pytestmark

LOADED = '<script type="module" src="/main.js"></script>'
MAIN = """
import word from "/word.js";
const show = (text) => { document.querySelector("h1").textContent = text; };
show(word);
import.meta.hot.accept("/word.js", (other) => show(other.default));
import.meta.hot.on("vite:ws:connect", () => { window.isConnected = true; });
"""

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from whole.machine import Machine
    from whole.network import Network


@pytest.fixture
def proxy(machine: Machine) -> Proxied:
    return Proxied(machine)


@pytest.fixture
def page(proxy: Proxied, network: Network, tmp_path: Path) -> Iterator[Page]:
    """Of a browser with a home of its own, whose store has this authority. The project is up by then."""
    if not shutil.which("certutil"):
        cannot("there is no certutil; ./test --install installs it")
    proxy.machine.write(WEB)
    proxy.machine.up()
    proxy.ready()
    told = trust._into_browser(Certificate(str(proxy.root)), str(tmp_path / "home/.pki/nssdb"))
    assert told.level == "done", told.told
    with launched(network, str(tmp_path / "home")) as browser:
        yield _page(browser)


def _page(browser: Browser) -> Page:
    page = browser.new_context().new_page()
    page.set_default_timeout(30_000)
    return page


def test_a_page_comes_over_http_2_and_so_does_its_websocket(proxy: Proxied, page: Page) -> None:
    answer = page.goto(f"https://web.shop.localhost:{proxy.https}/")
    assert answer
    assert answer.status == 200
    assert page.evaluate("performance.getEntriesByType('navigation')[0].nextHopProtocol") == "h2"
    said = page.evaluate(
        """() => new Promise((done, failed) => {
            const socket = new WebSocket(`wss://${location.host}/live`);
            const heard = [];
            socket.onerror = () => failed(new Error("no WebSocket"));
            socket.onmessage = ({ data }) => {
                heard.push(data);
                heard.length < 2 ? socket.send("more") : done(heard);
            };
        })"""
    )
    assert said == ["2.0 Caddy", "2.0 Caddy"]


@pytest.mark.skipif(not (NODE and VITE.exists()), reason="no Vite here: tools/page.py installs it")
def test_vite_replaces_a_module_over_http_2(proxy: Proxied, page: Page) -> None:
    """Its WebSocket is one of the page's own connection. The page is not loaded again."""
    machine = proxy.machine
    machine.file("index.html", f"<!doctype html><title>shop</title><h1></h1>{LOADED}\n")
    machine.file("main.js", MAIN)
    machine.file("word.js", 'export default "before"\n')
    machine.write(f'[services.web]\ncommand = "exec {NODE} {VITE} --port $PORT --strictPort"\n')
    machine.up()
    sockets: list[str] = []
    page.on("websocket", lambda socket: sockets.append(socket.url))
    page.goto(f"https://web.shop.localhost:{proxy.https}/")
    expect(page.get_by_role("heading")).to_have_text("before")
    page.wait_for_function("window.isConnected")
    page.evaluate("window.same = true")
    machine.file("word.js", 'export default "after"\n')
    expect(page.get_by_role("heading")).to_have_text("after")
    assert page.evaluate("window.same")
    protocols = "performance.getEntriesByType('resource').map(each => each.nextHopProtocol)"
    assert {*page.evaluate(protocols)} == {"h2"}
    assert [urlsplit(url).netloc for url in sockets] == [f"web.shop.localhost:{proxy.https}"]


def test_the_page_in_place_of_a_service_says_why_and_goes_on_by_itself(
    proxy: Proxied, page: Page, tmp_path: Path
) -> None:
    gate = Gate(tmp_path)
    proxy.machine.write(f'[services.web]\ncommand = "{gate.wait}; exec python3 {SERVER} $PORT"\n')
    proxy.machine.locald("up", "-d")
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    answer = page.goto(f"https://web.shop.localhost:{proxy.https}/deep?q=1")
    assert answer
    assert answer.status == 503
    expect(page.get_by_role("heading", level=1)).to_contain_text("web is starting")
    gate.open()
    expect(page.locator("body")).to_contain_text('"path": "/deep?q=1"')
    assert faults == []


def test_it_can_be_read_without_script(proxy: Proxied, page: Page) -> None:
    proxy.machine.write(f'[services.web]\ncommand = "exec python3 {SERVER} $PORT"\n')
    proxy.machine.locald("stop", "web")
    browser = page.context.browser
    assert browser
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(f"https://web.shop.localhost:{proxy.https}/")
    expect(plain.get_by_role("heading", level=1)).to_contain_text("web is stopped")
    proxy.machine.locald("up", "web")
    expect(plain.locator("body")).to_contain_text('"path": "/"')


def test_the_dashboard_by_name_is_live_and_leads_a_stopped_service_up_again(
    proxy: Proxied, page: Page
) -> None:
    needs_page()
    page.goto(proxy.machine.locald("dashboard", "--by-name", "--no-open").stdout.strip())
    expect(page.locator("tr[data-key]")).to_have_count(1)
    assert page.url.startswith(f"https://locald.localhost:{proxy.https}/")
    proxy.machine.locald("stop", "web")
    expect(page.locator("tr[data-key]")).to_contain_text("stopped")  # by its WebSocket

    page.goto(proxy.machine.locald("dashboard", "--no-open").stdout.strip())
    page.goto(f"https://web.shop.localhost:{proxy.https}/deep")
    page.get_by_role("link", name="Start web").click()
    page.get_by_role("button", name="Start web").click()
    expect(page.locator("body")).to_contain_text('"path": "/"')
    assert page.url == f"https://web.shop.localhost:{proxy.https}/"


def test_who_is_not_signed_in_gets_no_button(proxy: Proxied, page: Page) -> None:
    proxy.machine.locald("stop", "web")
    page.goto(f"https://web.shop.localhost:{proxy.https}/")
    page.get_by_role("link", name="Start web").click()
    expect(page.locator("body")).to_contain_text("locald dashboard")
    expect(page.get_by_role("button")).to_have_count(0)
