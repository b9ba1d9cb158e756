"""Timeline, graph and explanations of a real start, and of one that is held up."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from playwright.sync_api import expect

from whole.looking import is_healthy, is_in
from whole.machine import kill, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from browser.chromium import Visitor
    from whole.machine import Machine
    from whole.puppet import Puppet

SLEEP = 'type = "worker"\ncommand = "exec sleep 9999"\n'
BLOCKED = (
    '[services.db]\ntype = "worker"\ncommand = "echo no space left; exit 3"\nrestart = "no"\n'
    f'[services.api]\n{SLEEP}depends_on = ["db"]\n'
    f'[services.web]\n{SLEEP}depends_on = ["api"]\n'
    f"[services.mail]\n{SLEEP}"
)
FROM_TOP_TO_BOTTOM = """
() => {
  const [db, api] = ["db", "api"].map((name) => document.querySelector(`[data-node=${name}]`));
  return db.offsetTop < api.offsetTop;
}
"""


def test_a_timeline_has_bars_numbers_and_the_critical_path(
    machine: Machine, visitor: Visitor, puppet: Callable[[str], Puppet]
) -> None:
    """And while a start is under way it grows; the next one is compared with it."""
    db, web = puppet("db"), puppet("web")
    machine.write(
        f'[services.db]\ncommand = {db.command}\nhealth_check = {{ type = "notify" }}\n'
        f'[services.web]\ncommand = {web.command}\ndepends_on = ["db"]\n'
    )
    machine.locald("up", "-d")
    run = db.run()
    page = visitor.signed_in("/project/shop/timeline")
    row = page.get_by_role("row")
    of_db, of_web = (row.filter(has=page.get_by_role("link", name=name)) for name in ("db", "web"))
    expect(of_db).to_contain_text("…")
    run.listen()
    wait_for(lambda: '"listening_at": "' in machine.locald("timeline", "--json").stdout, "the port is seen")
    run.do("notify", "READY=1")
    web.run().listen()
    machine.until("web", is_healthy)
    for kinds, track in (({"starting", "listening"}, of_db), ({"waiting", "starting"}, of_web)):
        for kind in kinds:
            expect(track.locator(f".timebar.{kind}")).to_have_count(1)
    expect(page.locator(".path").get_by_role("link")).to_have_text(["db", "web"])
    expect(of_db).to_contain_text("on the critical path")
    expect(of_web).to_contain_text("waited for db")
    expect(page.locator("h2")).to_contain_text("ready after")
    left = [one.locator(".timebar.starting").bounding_box() for one in (of_db, of_web)]
    assert left[0]
    assert left[1]
    assert left[0]["x"] < left[1]["x"]

    page.evaluate("location.hash = '/'")
    page.get_by_role("button", name="Restart web").click()
    web.run().listen()
    machine.until("web", lambda now: now["run"] == 2 and is_healthy(now))
    page.evaluate("location.hash = '/project/shop/timeline'")
    latest, before = of_web.first, of_web.last
    expect(latest.locator('[data-label="median"]')).to_have_text(re.compile(r"^(\d+ms|\d+\.\ds|\d+s)$"))
    expect(before).to_contain_text("waited for db")
    expect(of_db).to_have_count(1)


def test_a_graph_shows_dependencies_and_lights_the_blocking_ones(machine: Machine, visitor: Visitor) -> None:
    machine.write(BLOCKED)
    machine.locald("up", "-d")
    machine.until("web", is_in("blocked"))
    page = visitor.signed_in("/project/shop/graph", viewport={"width": 1280, "height": 800})
    node = {name: page.locator(f'[data-node="{name}"]') for name in ("db", "api", "web", "mail")}
    expect(node["db"]).to_have_attribute("aria-label", "db failed · worker")
    label = "web blocked · worker, depends on api, waiting for api"
    expect(node["web"]).to_have_attribute("aria-label", label)
    expect(node["web"]).to_contain_text("blocked · worker")
    ends = [(node[name].bounding_box() or {"x": 0, "width": 0}) for name in ("db", "web")]
    assert ends[1]["x"] + ends[1]["width"] - ends[0]["x"] > 1000, "it uses the width"
    expect(page.locator(".drawing .edge.lit")).to_have_count(2)
    left = [(node[name].bounding_box() or {"x": 0})["x"] for name in ("db", "api", "web")]
    assert left == sorted(left)
    node["web"].hover()
    expect(node["mail"]).to_have_class(re.compile("far"))
    expect(node["db"]).to_have_class(re.compile("onway"))
    page.get_by_text("Show as list").click()
    expect(page.locator(".list")).to_contain_text("depends on api (blocking)")

    page.set_viewport_size({"width": 360, "height": 800})
    page.wait_for_function(FROM_TOP_TO_BOTTOM)
    machine.write(BLOCKED.replace("exit 3", "exec sleep 9999"))
    machine.up()
    expect(node["web"]).to_have_attribute("aria-label", "web healthy · worker, depends on api")
    expect(page.locator(".drawing .edge.lit")).to_have_count(0)


def test_a_large_graph_opens_where_something_is_wrong(machine: Machine, visitor: Visitor) -> None:
    """Its corner is empty: what all the others need stands in the middle of its height."""
    needed = '[services.db]\ntype = "worker"\ncommand = "exit 3"\nrestart = "no"\n'
    others = (f'[services.web-{number}]\n{SLEEP}depends_on = ["db"]\n' for number in range(100))
    machine.write(needed + "".join(others))
    machine.locald("up", "-d")
    machine.until("web-99", is_in("blocked"))
    page = visitor.signed_in("/project/shop/graph", viewport={"width": 1280, "height": 800})
    expect(page.locator("[data-node]")).to_have_count(101)
    expect(page.locator('[data-node="db"]')).to_be_in_viewport(ratio=1)


def test_why_leads_to_the_root_with_evidence_hints_and_last_output(
    machine: Machine, visitor: Visitor
) -> None:
    machine.write(BLOCKED)
    machine.locald("up", "-d")
    machine.until("web", is_in("blocked"))
    told = machine.why("web")
    page = visitor.signed_in("/service/shop/web/why", permissions=["clipboard-read", "clipboard-write"])
    expect(page.locator(".blockers a")).to_have_text([one["service"] for one in told["blockers"]])
    expect(page.locator(".blockers li").last).to_contain_text("root cause")
    expect(page.locator(".blockers li").last).to_contain_text(told["blockers"][-1]["because"])
    expect(page.locator(".hints li")).to_have_count(len(told["hints"]))
    expect(page.locator(".evidence li")).to_have_count(len(told["evidence"]))
    expect(page.get_by_role("heading", name="Next steps")).to_be_visible()
    expect(page.get_by_role("group", name="Last output")).to_contain_text("no space left")
    expect(page.get_by_role("heading", name="Blocked by (root cause last)")).to_be_visible()
    expect(page.locator(".blockers .glyph")).to_have_count(len(told["blockers"]))
    page.get_by_role("button", name="Copy as one line").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert copied.startswith("shop:web is blocked: ")
    assert "\n" not in copied
    page.locator(".blockers a").last.click()
    expect(page.locator("main h1")).to_have_text("db")
    expect(page.locator("main")).to_contain_text("Exit code")


def test_what_runs_without_something_is_not_called_blocked(machine: Machine, visitor: Visitor) -> None:
    machine.write(BLOCKED.replace("exit 3", "exec sleep 9999"))
    machine.up()
    kill(machine.status()["db"]["pid"])
    machine.until("db", is_in("failed"))
    page = visitor.signed_in("/service/shop/api/why")
    expect(page.get_by_role("heading", name="Running without (root cause last)")).to_be_visible()
    expect(page.get_by_role("complementary")).to_contain_text("db not ready")


def test_the_last_output_is_that_of_the_latest_run(machine: Machine, visitor: Visitor) -> None:
    """As in the terminal: what an earlier run said explains nothing of this one."""
    said = "[ -e twice ] && echo the second || echo the first; touch twice; exit 3"
    machine.write(f'[services.db]\ntype = "worker"\ncommand = "{said}"\nrestart = "no"\n')
    machine.locald("up")
    machine.locald("up")
    page = visitor.signed_in("/service/shop/db/why")
    output = page.get_by_role("group", name="Last output")
    expect(output).to_contain_text("the second")
    expect(output).to_contain_text("exited with code 3")
    expect(output).not_to_contain_text("the first")


def test_an_environment_tells_where_each_value_is_from(machine: Machine, visitor: Visitor) -> None:
    machine.file(".env", "FROM_FILE=f\n")
    machine.write(f'[services.web]\nenv = {{ FROM_TABLE = "t" }}\n{SLEEP}')
    machine.locald("up", env={"FROM_SHELL": "s"})
    page = visitor.signed_in("/service/shop/web/environment")
    expect(page.get_by_role("rowheader", name="FROM_TABLE")).to_be_visible()
    expect(page.get_by_role("rowheader", name="FROM_SHELL")).to_have_count(0)
    page.get_by_role("button", name="from the shell that started the service").click()
    for name, origin in (
        ("FROM_FILE", "env_file"),
        ("FROM_TABLE", "env"),
        ("FROM_SHELL", "shell"),
        ("LOCALD_SERVICE", "locald"),
    ):
        row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name, exact=True))
        expect(row.locator(".origin")).to_have_text(origin)


def test_a_filter_finds_what_came_from_the_shell_though_it_is_folded(
    machine: Machine, visitor: Visitor
) -> None:
    machine.write(f"[services.web]\n{SLEEP}")
    machine.locald("up", env={"FROM_SHELL": "s"})
    page = visitor.signed_in("/service/shop/web/environment")
    expect(page.get_by_role("rowheader", name="LOCALD_SERVICE")).to_be_visible()
    page.get_by_label("Filter variables").fill("from_sh")
    expect(page.get_by_role("rowheader")).to_have_text(["FROM_SHELL"])


def test_a_service_tells_what_it_runs_and_which_line_says_so(machine: Machine, visitor: Visitor) -> None:
    machine.write('[services.web]\ntype = "worker"\nworkdir = "."\ncommand = ["sleep", "9999"]\n')
    machine.up()
    page = visitor.signed_in("/service/shop/web/why")
    about = page.get_by_role("complementary", name="About web")
    line = (machine.folder / "locald.toml").read_text().splitlines().index("[services.web]") + 1
    for told in ("worker", "sleep 9999", str(machine.folder), f"{machine.folder}/locald.toml:{line}"):
        expect(about).to_contain_text(told)


def test_the_runs_of_a_service_lead_to_their_lines(
    machine: Machine, visitor: Visitor, puppet: Callable[[str], Puppet]
) -> None:
    """And what it takes of the machine is drawn while somebody looks."""
    web = puppet("web")
    machine.write(f'[services.web]\ntype = "worker"\ncommand = {web.command}\nrestart = "always"\n')
    machine.locald("up", "-d")
    first = web.run()
    first.say("of the first")
    machine.until("web", is_healthy)
    first.do("exit", 3)
    web.run().say("of the second")
    machine.until("web", lambda row: row["run"] == 2 and is_healthy(row))

    page = visitor.signed_in("/service/shop/web/why")
    runs = page.get_by_role("region", name="Runs").get_by_role("listitem")
    expect(runs).to_have_count(2)
    expect(runs.first).to_contain_text("running")
    expect(runs.last).to_contain_text("exit code 3")
    graph = page.get_by_role("img", name=re.compile("^CPU of the last 15 minutes, at most "))
    expect(graph).to_be_visible()

    runs.last.get_by_role("link", name="#1").click()
    expect(page.locator(".line", has_text="of the first")).to_be_visible()
    expect(page.locator(".line", has_text="of the second")).to_have_count(0)
    page.get_by_role("link", name="Show all runs").click()
    expect(page.locator(".line", has_text="of the second")).to_be_visible()
