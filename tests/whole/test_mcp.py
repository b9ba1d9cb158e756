"""A coding agent's client at `locald mcp`: what it is offered, what it gets, and what it may do wrong."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError

from whole.machine import PATIENCE, by_name, is_alive
from whole.programs import SERVE, STAY, command

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from whole.machine import Machine

Json = dict[str, Any]

SHOP = f"""
[services.web]
command = {SERVE}
depends_on = ["jobs"]
[services.jobs]
type = "worker"
command = {STAY}
"""
ALL = {"up", "stop", "restart", "exec", "wait", "status", "why", "timeline", "logs", "config_check"}
LOOKING = ALL - {"up", "stop", "restart", "exec"}


@asynccontextmanager
async def client(
    machine: Machine, *options: str, folder: Path | None = None, mode: str = "auto", **more: Any
) -> AsyncIterator[Client]:
    parameters = StdioServerParameters(
        command=machine.python[0],
        args=[*machine.python[1:], "-m", "locald", "mcp", *options],
        cwd=folder or machine.folder,
        env=machine.env,
    )
    async with asyncio.timeout(PATIENCE), Client(stdio_client(parameters), mode=mode, **more) as found:
        yield found


async def told(agent: Client, tool: str, **arguments: Any) -> Json:
    """What a tool answers that has to do what it is asked."""
    result = await agent.call_tool(tool, arguments)
    assert not result.is_error, result.content
    found: Json = result.structured_content
    return found


async def refused(agent: Client, tool: str, **arguments: Any) -> tuple[Json, str]:
    """The error that a tool answers, and the text beside it."""
    result = await agent.call_tool(tool, arguments)
    assert result.is_error
    schemas = {each.name: each.output_schema for each in (await agent.list_tools()).tools}
    jsonschema.validate(result.structured_content, schemas[tool])  # as clients in other languages do
    text = str(getattr(result.content[0], "text", ""))
    assert result.structured_content["error"]["message"] in text
    return result.structured_content["error"], text


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_an_agent_starts_looks_and_stops(machine: Machine, mode: str) -> None:
    """In the protocol of today and of before. Answers fit their schemas: the client checks that."""
    machine.write(SHOP)
    heard: list[str] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(message or "")

    async with client(machine, mode=mode) as agent:
        tools = {tool.name: tool for tool in (await agent.list_tools()).tools}
        result = await agent.call_tool("up", {}, progress_callback=hear)
        rows = by_name(result.structured_content)
        status = await told(agent, "status", services=["web"])
        why = await told(agent, "why", service="web")
        timeline = await told(agent, "timeline")
        waited = await told(agent, "wait", services=["jobs"])
        stopped = await told(agent, "stop", services=["web"])
        after = by_name(await told(agent, "status"))

    assert set(tools) == ALL
    assert all(tool.output_schema and tool.description for tool in tools.values())
    assert {row["health"] for row in rows.values()} == {"healthy"}
    assert any("web is healthy; 2 of 2 services ready" in message for message in heard)
    assert status["services"] == [rows["web"]]
    assert (why["service"], timeline["critical_path"]) == ("web", ["jobs", "web"])
    assert [row["name"] for row in waited["services"]] == ["jobs"]
    assert stopped["stopped"] == ["web"]
    assert (after["web"]["state"], after["jobs"]["state"]) == ("stopped", "running")


async def test_who_may_only_look_is_offered_nothing_else(machine: Machine) -> None:
    machine.write(SHOP)
    machine.up()

    async with client(machine, "--read-only") as agent:
        tools = (await agent.list_tools()).tools
        with pytest.raises(MCPError, match="no such tool: stop"):
            await agent.call_tool("stop", {})

    assert {tool.name for tool in tools} == LOOKING
    assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
    assert machine.status()["web"]["state"] == "running"


async def test_logs_come_in_pages_with_a_cursor(machine: Machine) -> None:
    lines = command(
        "import time; [print('WARN' if n % 10 == 0 else 'INFO', n) for n in range(100)]; time.sleep(99)"
    )
    machine.write(f'[services.jobs]\ntype = "worker"\ncommand = {lines}')
    machine.up()

    async with client(machine) as agent:
        last = await told(agent, "logs", lines=3, grep="INFO")
        graver = await told(agent, "logs", level="warn", services=["jobs"])
        short = await told(agent, "logs", bytes=20, grep="INFO")
        await told(agent, "restart")
        more = await told(agent, "logs", cursor=last["cursor"], level="info", lines=2, since="1h")
        rest = await told(agent, "logs", cursor=more["cursor"], level="info", lines=1000)

    assert [line["line"] for line in last["lines"]] == ["INFO 97", "INFO 98", "INFO 99"]
    assert last["truncated"]
    assert [line["line"] for line in graver["lines"]] == [f"WARN {n}" for n in range(0, 100, 10)]
    assert [line["line"] for line in short["lines"]] == ["INFO 98", "INFO 99"]
    assert [line["line"] for line in more["lines"]] == ["WARN 0", "INFO 1"]
    assert (more["truncated"], rest["truncated"], len(rest["lines"])) == (True, False, 98)


async def test_a_command_beside_a_service_has_an_end_and_bounds(machine: Machine) -> None:
    machine.write(SHOP + "env = { COLOUR = 'blue' }\n")
    machine.up()
    sleeper = "import subprocess, sys, time; print('begun', flush=True); time.sleep(99)"

    async with client(machine) as agent:
        done = await told(
            agent, "exec", service="jobs", command=["sh", "-c", "echo $COLOUR; cat; echo e >&2; exit 3"]
        )
        much = await told(agent, "exec", service="jobs", command=["seq", "100000"], bytes=13)
        late, _ = await refused(
            agent, "exec", service="jobs", command=[sys.executable, "-c", sleeper], timeout="500ms"
        )
        missing, text = await refused(agent, "exec", service="jobs", command=["nosuchcommand"])

    assert done == {"exit_code": 3, "stdout": "blue\n", "stderr": "e\n", "truncated": False}
    assert (much["stdout"], much["truncated"]) == ("99999\n100000\n", True)
    assert (late["code"], late["message"].startswith("killed after 500ms")) == (124, True)
    assert "nosuchcommand" in missing["message"]
    assert "\nhint: " in text


async def test_what_goes_wrong_is_told_with_its_hint(machine: Machine) -> None:
    broken = command("raise SystemExit(3)")
    machine.write(f"{SHOP}[services.bad]\ntype = 'worker'\nrestart = 'no'\ncommand = {broken}\n")

    async with client(machine) as agent:
        absent, _ = await refused(agent, "status", services=["nosuch"])
        failed = await agent.call_tool("up", {})
        misspelt, _ = await refused(agent, "up", servces=["web"])
        near, _ = await refused(agent, "why", service="wbe")
        foreign, _ = await refused(agent, "stop", services=["other:web"])
        much, _ = await refused(agent, "logs", lines=1_000_000)
        rubbish, _ = await refused(agent, "logs", cursor="rubbish")
        pattern, _ = await refused(agent, "logs", grep="(")
        duration, _ = await refused(agent, "wait", timeout="soon")
        machine.write("[services.web]\ncomand = 'true'")
        checked = await told(agent, "config_check")
        wrong, text = await refused(agent, "up")

    assert (absent["code"], absent["hint"]) == (3, "run `locald up` to start it")
    assert failed.is_error
    assert failed.structured_content["error"]["message"].startswith("bad failed: exited with code 3")
    assert len(failed.structured_content["services"]) == 3
    assert misspelt["hint"] == 'did you mean "services"?'
    assert near["hint"] == 'did you mean "web"?'
    assert "not a service of this project" in foreign["message"]
    assert "10000" in much["message"]
    assert rubbish["where"] == "cursor"
    assert pattern["where"] == "("
    assert duration["where"] == "timeout"
    assert checked["problems"][0]["hint"] == 'did you mean "command"?'
    assert "hint: did you mean" in text
    assert wrong["where"].startswith("locald.toml:4")


async def test_a_wait_that_is_over_says_how_things_stand(machine: Machine) -> None:
    machine.write(f"[services.web]\ncommand = {STAY}\n")

    async with client(machine) as agent:
        result = await agent.call_tool("up", {"timeout": "1s"})

    assert result.is_error
    assert result.structured_content["error"]["code"] == 124
    assert "web is not ready after 1s" in result.structured_content["error"]["message"]
    assert result.structured_content["services"][0]["state"] == "starting"


async def text_of(agent: Client, uri: str) -> str:
    found = await agent.read_resource(f"locald://{uri}")
    return str(getattr(found.contents[0], "text", ""))


async def test_resources_are_the_files_their_schemas_and_the_services(machine: Machine) -> None:
    machine.write(SHOP)
    machine.file("locald.local.toml", '[project]\ninstance = "mine"\n')
    machine.up()

    async with client(machine) as agent:
        listed = {str(each.uri) for each in (await agent.list_resources()).resources}
        config, schema, web = [await text_of(agent, uri) for uri in ("config", "schema", "services/web")]
        own, of_own = await text_of(agent, "config/local"), await text_of(agent, "schema/local")
        with pytest.raises(MCPError, match="no such resource"):
            await agent.read_resource("locald://nosuch")

    services = {"locald://services/web", "locald://services/jobs"}
    files = {"locald://config", "locald://config/local"}
    assert listed == {*files, "locald://schema", "locald://schema/local", *services}
    assert config == (machine.folder / "locald.toml").read_text()
    assert json.loads(schema) == json.loads(machine.locald("config", "schema").stdout)
    assert own == '[project]\ninstance = "mine"\n'
    assert json.loads(of_own) == json.loads(machine.locald("config", "schema", "--local").stdout)
    assert json.loads(web)["health"] == "healthy"


async def test_who_listens_is_told_that_a_service_has_changed(machine: Machine) -> None:
    machine.write(SHOP)
    machine.up()
    uri = "locald://services/web"

    async with client(machine) as agent, agent.listen(resource_subscriptions=[uri]) as changes:
        news = asyncio.ensure_future(anext(aiter(changes)))
        while not news.done():  # what happens before it is watched is no change
            await told(agent, "restart", services=["web"])
            await asyncio.wait([news], timeout=0.5)
        found = await news

    assert str(getattr(found, "uri", "")) == uri


@pytest.mark.filterwarnings("ignore:resources/:mcp.shared.exceptions.MCPDeprecationWarning")
async def test_who_subscribes_is_told_that_a_service_has_changed(machine: Machine) -> None:
    machine.write(SHOP)
    machine.up()
    uri = "locald://services/web"
    heard = asyncio.Event()

    async def hear(message: Any) -> None:
        if getattr(message, "method", "") == "notifications/resources/updated":
            heard.set()

    async with client(machine, mode="legacy", message_handler=hear) as agent:
        await agent.subscribe_resource(uri)
        while not heard.is_set():
            await told(agent, "restart", services=["web"])
            await asyncio.wait([asyncio.ensure_future(heard.wait())], timeout=0.5)
        await agent.unsubscribe_resource(uri)


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
async def test_an_agent_in_a_worktree_has_its_own_instance(machine: Machine) -> None:
    """It chooses no name and no port, and what it stops is its own."""
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "init.defaultBranch=main"]
    machine.write(SHOP)
    feat = machine.folder.with_name("feat-tree")
    for words in (
        ["init"],
        ["add", "."],
        ["commit", "-m", "x"],
        ["worktree", "add", "-b", "feat", str(feat)],
    ):
        subprocess.run([*git, *words], cwd=machine.folder, check=True, capture_output=True)  # noqa: ASYNC221
    machine.up()

    async with client(machine, folder=feat) as agent:
        rows = by_name(await told(agent, "up"))
        told_port = await told(
            agent, "exec", service="web", command=["sh", "-c", "echo $LOCALD_INSTANCE $PORT"]
        )
        stopped = await told(agent, "stop")
        own = await told(agent, "status")

    assert {row["instance"] for row in rows.values()} == {"feat"}
    assert rows["web"]["port"] != machine.status()["web"]["port"]
    assert told_port["stdout"] == f"feat {rows['web']['port']}\n"
    assert (stopped["instance"], set(stopped["stopped"])) == ("feat", {"web", "jobs"})
    assert {row["state"] for row in own["services"]} == {"stopped"}
    assert {row["state"] for row in machine.status().values()} == {"running"}


def raw(machine: Machine) -> subprocess.Popen[bytes]:
    """The server, for a client that keeps no rules."""
    return subprocess.Popen(
        [*machine.python, "-m", "locald", "mcp"],
        cwd=machine.folder,
        env=machine.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def message(number: int, method: str, **params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode() + b"\n"


HELLO = message(
    1, "initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo={"name": "raw", "version": "1"}
)


def test_rubbish_is_passed_over_and_the_rest_goes_on(machine: Machine) -> None:
    machine.write(SHOP)
    machine.up()
    call = message(7, "tools/call", name="status", arguments={})
    with raw(machine) as server:
        assert server.stdin
        assert server.stdout
        server.stdin.write(b"rubbish\n\x00\xff\xfe\n[1,2\n{}\n" + HELLO)
        server.stdin.write(
            message(5, "nosuch/method") + b'{"jsonrpc":"2.0","id":6,"method":"tools/call"}\n' + call
        )
        server.stdin.flush()
        answers: dict[int, Any] = {}
        while 7 not in answers:
            answer = json.loads(server.stdout.readline())
            answers[answer.get("id")] = answer
        server.stdin.close()
        assert server.wait(PATIENCE) == 0
        assert server.stderr
        assert b"Traceback" not in server.stderr.read()

    assert len(answers[7]["result"]["structuredContent"]["services"]) == 2
    assert "error" in answers[5]
    assert "error" in answers[6]


@pytest.mark.parametrize("way", ["closes", "is told to end"])
def test_a_client_that_goes_in_the_middle_leaves_nothing_behind(machine: Machine, way: str) -> None:
    """Its command is ended, and services and daemon go on."""
    machine.write(SHOP)
    machine.up()
    pid_file = machine.folder / "pid"
    script = f"echo $$ > {pid_file}.new; mv {pid_file}.new {pid_file}; exec sleep 600"
    with raw(machine) as server:
        assert server.stdin
        server.stdin.write(HELLO + b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
        run = {"service": "jobs", "command": ["sh", "-c", script], "timeout": "10m"}
        server.stdin.write(message(2, "tools/call", name="exec", arguments=run))
        server.stdin.flush()
        until(pid_file.exists)
        pid = int(pid_file.read_text())
        if way == "closes":
            server.stdin.close()
        else:
            server.terminate()
        server.wait(PATIENCE)
        until(lambda: not is_alive(pid))

    assert {row["state"] for row in machine.status().values()} == {"running"}


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


async def test_a_call_that_is_cancelled_ends(machine: Machine) -> None:
    """The client does not wait any more, and neither does the server: other calls are answered."""
    machine.write(f"[services.web]\ncommand = {STAY}\n")

    async with client(machine) as agent:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await agent.call_tool("up", {"timeout": "10m"})
        assert (await told(agent, "status"))["services"][0]["name"] == "web"


async def test_a_daemon_that_was_replaced_is_found_again(machine: Machine) -> None:
    machine.write(SHOP)
    machine.up()

    async with client(machine) as agent:
        before = await told(agent, "status")
        machine.locald("server", "restart")
        after = await told(agent, "status")
        machine.kill_daemon()
        again = await told(agent, "status")

    pids = {each["daemon"]["pid"] for each in (before, after, again)}
    assert len(pids) == 3
    assert [row["pid"] for row in again["services"]] == [row["pid"] for row in before["services"]]


async def test_a_folder_without_a_project_is_told_what_to_do(machine: Machine, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()

    async with client(machine, folder=empty) as agent:
        error, text = await refused(agent, "status")

    assert error["message"] == "no locald.toml found"
    assert "`locald init`" in text


def test_a_status_is_the_work_of_some_milliseconds(machine: Machine) -> None:
    """Of server and daemon, on a processor: how long it takes beside that depends on what else is running."""
    machine.write(SHOP)
    machine.up()
    daemon = json.loads(machine.locald("status", "--json").stdout)["daemon"]["pid"]
    with raw(machine) as server:
        assert server.stdin
        assert server.stdout
        server.stdin.write(HELLO)
        before = 0.0
        for number in range(2, 60):
            server.stdin.write(message(number, "tools/call", name="status", arguments={}))
            server.stdin.flush()
            while json.loads(server.stdout.readline()).get("id") != number:
                pass
            if number == 9:  # what it takes to begin counts for nothing
                before = worked(server.pid, daemon)
        work = (worked(server.pid, daemon) - before) / 50
        server.stdin.close()
        server.wait(PATIENCE)
    print(f"status over mcp: {work * 1000:.1f} ms of work")
    assert work < 0.01


def worked(*pids: int) -> float:
    """Seconds on a processor so far, of all threads: proc_pid_schedstat."""
    threads = [thread for pid in pids for thread in Path(f"/proc/{pid}/task").iterdir()]
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def test_without_the_library_it_is_said_how_to_install_it(machine: Machine) -> None:
    machine.write(SHOP)
    hidden = (
        "import sys; sys.modules['mcp'] = None; from locald.cli.main import main; sys.exit(main(['mcp']))"
    )

    done = subprocess.run(
        [machine.python[0], "-c", hidden], cwd=machine.folder, env=machine.env, capture_output=True, text=True
    )

    assert done.returncode == 2
    assert "error: mcp needs a library that is not installed" in done.stderr
    assert f"{machine.python[0]} -m pip install 'mcp>=2.3,<3'`" in done.stderr


@pytest.mark.timeout(120)
async def test_whatever_an_agent_asks_has_an_answer_of_its_tool(machine: Machine) -> None:
    """Arguments that are nearly right, for each tool that only looks: the document, or an error that fits."""
    machine.write(SHOP)
    machine.locald("up")
    random = Random(0)
    nearly: dict[str, list[Any]] = {
        "services": [[], ["web"], ["nobody"], ["web", "web"], ["a/b"], "web", None, [1]],
        "service": ["web", "nobody", "", "shop:web", 3],
        "timeout": ["1ms", "0s", "-1s", "forever", 5],
        "since": ["5m", "1e9h", "", None],
        "lines": [0, 5, -1, 10**30, "5"],
        "bytes": [1, 100, 0, True],
        "grep": ["web", "(", "(.*a){30}", "\x00"],
        "cursor": ["", "AAAA", "e30=", "\xe9"],
        "level": ["error", "loud"],
    }
    async with client(machine, "--read-only") as agent:
        tools = {tool.name: tool for tool in (await agent.list_tools()).tools}
        for _ in range(80):
            name = random.choice(sorted(tools))
            known = [each for each in tools[name].input_schema.get("properties", {}) if each in nearly]
            chosen = random.sample(known, random.randint(0, len(known)))
            result = await agent.call_tool(name, {each: random.choice(nearly[each]) for each in chosen})
            schema = tools[name].output_schema
            jsonschema.validate(result.structured_content, schema)
            assert "internal" not in json.dumps(result.structured_content.get("error", {})), (name, chosen)
