"""What a user's check says is what a look has seen: in time, of the right process, leaving nothing behind."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

import pytest
from aiohttp import web

from children import free_port
from locald.adapters import checks as module
from locald.adapters.checks import Checks, Target
from locald.domain.lifecycle.messages import Listener, Probed, Process
from locald.domain.project.names import Key, Run
from locald.domain.project.spec import (
    Check,
    CommandCheck,
    HealthCheck,
    HttpCheck,
    LogCheck,
    NoCheck,
    NotifyCheck,
    ProtocolCheck,
    TcpCheck,
)
from locald.linux import procfs
from nonblocking import blocking_raises
from posted import Posted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

__all__ = ["blocking_raises"]

pytestmark = pytest.mark.usefixtures("blocking_raises")

WEB = Run(Key("shop", "web"), 1)
ENV = {"PATH": "/usr/bin:/bin"}


def at(address: str, kind: Literal["tcp", "udp"] = "tcp", port: int = 0) -> Listener:
    """The service's own socket on its port."""
    return Listener(address, port, Process(os.getpid(), "python"), kind)


class Bench:
    """The checks of one run, and what they posted."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self.posted = Posted()
        self.checks = Checks(self.posted.post, time.time, tasks)

    def watch(
        self, check: Check, port: int | None = None, cwd: str = "/", *, listened: bool = False, **more: Any
    ) -> None:
        what, target = HealthCheck(check, **more), Target(port, cwd, ENV)
        self.checks.watch(WEB, what, target, listened=listened)

    async def probed(self, ok: bool | None = None) -> Probed:
        return await self.posted.wait_for(Probed, lambda event: ok is None or event.ok is ok)

    async def once(self, check: Check, port: int | None = None, cwd: str = "/", **more: Any) -> Probed:
        """The first look, with the listener known."""
        self.watch(check, port, cwd, **more)
        self.checks.listening(WEB, at("127.0.0.1"))
        try:
            return await self.probed()
        finally:
            self.checks.unwatch(WEB)


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    async with asyncio.TaskGroup() as tasks:
        made = Bench(tasks)
        try:
            yield made
        finally:
            made.checks.unwatch(WEB)
            await made.checks.close()


@asynccontextmanager
async def serve(
    answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], host: str = "127.0.0.1"
) -> AsyncIterator[int]:
    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, 0), family=family)
    listener.setblocking(False)
    await web.SockSite(runner, listener).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        await runner.cleanup()


@asynccontextmanager
async def speak(said: bytes, *, then_wait: bool = False) -> AsyncIterator[int]:
    """A server that says this to whoever asks, and ends the connection, or waits for the other side to."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        await writer.drain()
        if then_wait:
            await reader.read()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


# http


@pytest.mark.parametrize(
    ("status", "wanted", "ok"),
    [
        (200, (), True),
        (204, (), True),
        (302, (), True),
        (404, (), False),
        (500, (), False),
        (404, (404,), True),
    ],
)
async def test_the_status_decides_and_is_told(status: int, wanted: tuple[int, ...], ok: bool) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        assert request.path_qs == "/health?full=1"
        return web.Response(status=status, headers={"Location": "/never"} if status == 302 else {})

    async with bench() as made, serve(answer) as port:
        seen = await made.once(HttpCheck("/health?full=1", status=wanted), port)
    assert seen.ok is ok
    assert seen.detail.startswith(f"GET http://127.0.0.1:{port}/health?full=1 returned {status} ")


async def test_a_check_goes_where_the_service_listens() -> None:
    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response()

    async with bench() as made, serve(answer, "::1") as port:
        made.watch(HttpCheck(), port)
        made.checks.listening(WEB, at("::1"))
        assert (await made.probed(ok=True)).detail == f"GET http://[::1]:{port}/ returned 200 OK"


async def test_a_service_on_udp_alone_is_asked_there_and_a_stranger_on_tcp_is_not() -> None:
    loop, asked = asyncio.get_running_loop(), list[bytes]()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own, socket.socket() as stranger:
        own.bind(("127.0.0.1", 0))
        port = own.getsockname()[1]
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        own.setblocking(False)

        def answer() -> None:
            question, sender = own.recvfrom(512)
            asked.append(question)
            own.sendto(question[:2] + b"\x81\x80" + question[4:], sender)

        loop.add_reader(own, answer)
        async with bench() as made:
            made.watch(ProtocolCheck("dns"), port)
            made.checks.listening(WEB, at("127.0.0.1", "udp", port))
            assert (await made.probed(ok=True)).detail.startswith(f"127.0.0.1:{port} answered")
        loop.remove_reader(own)
        stranger.setblocking(False)
        with pytest.raises(BlockingIOError):
            stranger.accept()
    assert len(asked) == 1


async def test_a_check_with_a_port_of_its_own_finds_any_listener_there() -> None:
    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response()

    async with bench() as made, serve(answer, "::1") as port:
        made.watch(HttpCheck(port=port), port=None)
        assert (await made.probed()).ok


async def test_a_hanging_answer_is_given_up_at_the_timeout() -> None:
    async with bench() as made, speak(b"", then_wait=True) as port:
        seen = await made.once(HttpCheck(), port, timeout=0.1)
    assert (seen.ok, seen.detail) == (False, f"GET http://127.0.0.1:{port}/ did not answer within 100ms")


async def test_an_answer_that_never_ends_is_an_answer() -> None:
    async with bench() as made, speak(b"HTTP/1.1 200 OK\r\n\r\ndata: 1\n\n", then_wait=True) as port:
        assert (await made.once(HttpCheck(), port)).ok


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        (b"220 mail.test ESMTP\r\n", "the answer is not HTTP"),
        (b"", "connection closed without an answer"),
        (b"HTTP/1.1 503 \x1b[31mnot now\x07\r\nContent-Length: 0\r\n\r\n", "returned 503"),
    ],
)
async def test_whatever_a_server_says_becomes_one_clean_sentence(said: bytes, detail: str) -> None:
    async with bench() as made, speak(said) as port:
        seen = await made.once(HttpCheck(), port)
    assert not seen.ok
    assert detail in seen.detail
    assert seen.detail.isprintable()


async def test_a_refused_connection_is_told_as_such() -> None:
    port = free_port()
    async with bench() as made:
        assert (
            await made.once(HttpCheck(port=port))
        ).detail == f"GET http://127.0.0.1:{port}/: connection refused"
        assert (
            await made.once(TcpCheck(port=port))
        ).detail == f"connection to 127.0.0.1:{port}: connection refused"


# the service's own port


@pytest.mark.parametrize("check", [HttpCheck(), TcpCheck()])
async def test_a_stale_process_on_the_port_is_not_asked(check: Check) -> None:
    asked = []

    async def answer(request: web.BaseRequest) -> web.Response:
        asked.append(request)
        return web.Response()

    async with bench() as made, serve(answer) as port:
        made.watch(check, port)
        seen = [await made.probed(), await made.probed()]
        assert {(each.ok, each.detail) for each in seen} == {(False, f"not listening on port {port} yet")}
        assert asked == []
        made.checks.listening(WEB, at("127.0.0.1"))
        assert (await made.probed(ok=True)).ok
        made.checks.unwatch(WEB)
        made.watch(check, port)
        assert not (await made.probed()).ok


@pytest.mark.parametrize("check", [TcpCheck(), CommandCheck("test -e $(cat name)")])
async def test_a_look_is_taken_at_once_when_the_listener_appears(
    check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SOONEST", 60.0)
    monkeypatch.setattr(module, "LATEST", 60.0)
    (tmp_path / "name").write_text(f"{tmp_path}/there")
    async with bench() as made:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            made.watch(check, listener.getsockname()[1], str(tmp_path))
            assert not (await made.probed()).ok
            (tmp_path / "there").touch()
            made.checks.listening(WEB, at("0.0.0.0"))
            assert (await made.probed()).ok


async def test_a_vanished_listener_fails_the_check() -> None:
    async with bench() as made:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            made.watch(TcpCheck(), port, interval=0.01)
            made.checks.listening(WEB, at("127.0.0.1"))
            assert (await made.probed(ok=True)).detail == f"127.0.0.1:{port} accepts connections"
            made.checks.listening(WEB, None)
            gone = await made.probed(ok=False)
    assert gone.detail == f"no longer listening on port {port}"


async def test_nothing_is_said_of_an_earlier_daemon_s_run_before_it_is_known_whether_it_listens() -> None:
    async with bench() as made:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            made.watch(TcpCheck(), listener.getsockname()[1], listened=True)
            for _ in range(5):
                await asyncio.sleep(0)  # the check has begun
            made.checks.listening(WEB, at("127.0.0.1"))
            assert (await made.probed()).ok


async def test_an_earlier_daemon_s_run_that_listens_no_more_fails_the_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "TOLD_WITHIN", 0.05)
    async with bench() as made:
        made.watch(HttpCheck(), 1, listened=True)
        made.checks.listening(WEB, None)
        event = await made.probed()
        assert (event.ok, event.detail) == (False, "no longer listening on port 1")


async def test_a_check_without_any_port_says_so() -> None:
    async with bench() as made:
        assert (await made.once(TcpCheck())).detail == "neither the service nor its check has a port"


# pace


async def test_looks_are_frequent_until_the_first_success_and_then_every_interval() -> None:
    answers = iter([500, 500, 500, 200, 200, 500])

    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(status=next(answers))

    async with bench() as made, serve(answer) as port:
        began = time.monotonic()
        made.watch(HttpCheck(), port, interval=0.3)
        made.checks.listening(WEB, at("127.0.0.1"))
        assert (await made.probed(ok=True)).ok
        first = time.monotonic()
        assert 0.15 <= first - began < 0.45
        assert (await made.probed()).ok
        assert not (await made.probed()).ok
        assert time.monotonic() - first >= 0.55  # the first answer is noticed a little later than it is given


def test_before_its_first_success_a_check_is_looked_at_in_proportion_to_the_age_of_the_run() -> None:
    watched = module._Watched(WEB, HealthCheck(TcpCheck(), interval=7.0), Target(None, "/"), since=100.0)
    assert [watched.pause(100.0 + age) for age in (0, 1, 4, 10, 60)] == [0.05, 0.05, 0.2, 0.5, 1.0]
    watched.succeeded = True
    assert watched.pause(100.0) == 7.0


async def test_a_run_that_is_watched_twice_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SOONEST", 60.0)
    monkeypatch.setattr(module, "LATEST", 60.0)
    async with bench() as made:
        made.watch(TcpCheck(), 1)
        made.watch(TcpCheck(), 1)
        await made.probed()
        made.watch(CommandCheck("true"), 1)
    assert made.posted.events == []


async def test_after_close_nothing_is_looked_at() -> None:
    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response()

    async with bench() as made, serve(answer) as port:
        made.watch(HttpCheck(port=port), interval=0.001)
        await made.probed(ok=True)
        await made.checks.close()
        made.posted.events.clear()
    assert made.posted.events == []


# command


@pytest.mark.parametrize(
    ("command", "ok", "detail"),
    [
        ("exit 0", True, "the health_check command exited with code 0"),
        ("echo fine; true", True, "the health_check command exited with code 0: fine"),
        (
            "echo a; echo 'no such table' >&2; echo; exit 3",
            False,
            "the health_check command exited with code 3: no such table",
        ),
        ("kill -9 $$", False, "the health_check command was killed by SIGKILL"),
        (
            "printf '\\033[31mred\\007\\tand\\r\\n'; false",
            False,
            "the health_check command exited with code 1: red and",
        ),
        ("printf 'half\\377'; false", False, "the health_check command exited with code 1: half\ufffd"),
        ("read line || exit 4", False, "the health_check command exited with code 4"),
        ("yes x | head -c 3000000; echo last", True, "the health_check command exited with code 0: last"),
    ],
)
async def test_a_commands_code_decides_and_its_last_line_is_told(command: str, ok: bool, detail: str) -> None:
    async with bench() as made:
        seen = await made.once(CommandCheck(command), timeout=10)
    assert (seen.ok, seen.detail) == (ok, detail)


async def test_a_long_last_line_is_cut() -> None:
    async with bench() as made:
        detail = (await made.once(CommandCheck("printf '%0500d' 7; exit 1"))).detail
    assert detail == "the health_check command exited with code 1: " + "0" * 199 + "…"


async def test_a_command_runs_in_the_folder_and_environment_of_the_service(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as tasks:
        made = Bench(tasks)
        target = Target(None, str(tmp_path), ENV | {"COLOUR": "blue"})
        made.checks.watch(WEB, HealthCheck(CommandCheck('echo "$PWD $(pwd -P) $COLOUR $HOME"')), target)
        seen = await made.probed()
        made.checks.unwatch(WEB)
    assert seen.detail == f"the health_check command exited with code 0: {tmp_path} {tmp_path} blue"


async def test_signals_and_descriptors_of_ours_are_not_the_commands() -> None:
    async with bench() as made:
        signals = await made.once(CommandCheck("grep -E 'Sig(Ign|Blk)' /proc/self/status | tr -d '\\n'"))
        files = await made.once(CommandCheck("ls -l /proc/$$/fd | grep -c -e socket -e anon_inode"))
    assert "SigBlk: 0000000000000000" in signals.detail
    ignored = int(signals.detail.rpartition(" ")[2], 16)
    assert ignored & 0x7FFFFFFF == 0  # the C library keeps 32 and 33 to itself
    assert files.detail.endswith(": 0")


async def test_a_folder_that_is_not_there_is_told() -> None:
    async with bench() as made:
        seen = await made.once(CommandCheck("true"), cwd="/nowhere")
    assert not seen.ok
    assert "/nowhere" in seen.detail


async def test_a_command_that_cannot_be_started_is_told() -> None:
    async with bench() as made:
        seen = await made.once(CommandCheck("true\0"))
    assert seen.detail.startswith("the health_check command could not be started: ")


async def until(condition: Callable[[], bool]) -> None:
    """Of files and of processes that are not ours there is no news."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.002)


LEAVES = """
echo $$ >> pids
setsid sh -c 'echo $$ >> pids; sleep 60' &
(setsid sh -c 'echo $$ >> pids; trap "" TERM INT HUP; while :; do sleep 60; done' &)
sh -c 'echo $$ >> pids; sleep 60 & echo $! >> pids; wait' &
while [ $(wc -l < pids) -lt 5 ]; do :; done
touch begun
wait
"""


def left(folder: Path) -> list[int]:
    return [pid for pid in map(int, (folder / "pids").read_text().split()) if procfs.alive(pid)]


async def test_at_its_timeout_a_command_is_ended_with_all_it_started_wherever_that_went(
    tmp_path: Path,
) -> None:
    async with bench() as made:
        seen = await made.once(CommandCheck(LEAVES), cwd=str(tmp_path), timeout=0.5)
        assert (seen.ok, seen.detail) == (False, "the health_check command did not end within 500ms")
    assert (tmp_path / "begun").exists()
    assert left(tmp_path) == []


async def test_unwatch_ends_a_command_that_runs(tmp_path: Path) -> None:
    async with bench() as made:
        made.watch(CommandCheck(LEAVES), cwd=str(tmp_path), timeout=60)
        await until((tmp_path / "begun").exists)
        made.checks.unwatch(WEB)
    assert left(tmp_path) == []
    assert made.posted.events == []


async def test_what_a_command_leaves_in_the_background_is_ended_with_it(tmp_path: Path) -> None:
    async with bench() as made:
        seen = await made.once(CommandCheck("sleep 60 & echo $! > pids; exit 0"), cwd=str(tmp_path))
    assert seen.ok
    await until(lambda: not left(tmp_path))


async def test_commands_leave_no_zombies_and_no_descriptors() -> None:
    others = set(procfs.children(os.getpid()) or ())
    async with bench() as made:
        await made.once(CommandCheck("true"))
        before = sorted(os.listdir("/proc/self/fd"))
        for command in ("true", "false", "sleep 60", "sleep 60 & exit 1", "exec >&- 2>&-; sleep 60"):
            await made.once(CommandCheck(command), timeout=0.05)
        assert sorted(os.listdir("/proc/self/fd")) == before
    assert set(procfs.children(os.getpid()) or ()) <= others


# log, notify, none


async def test_the_first_line_that_matches_is_told_and_no_other() -> None:
    async with bench() as made:
        made.watch(LogCheck(r"ready on \d+"))
        made.checks.line(WEB, "getting ready on")
        made.checks.line(WEB, "\x1b[32mserver ready\x1b[0m on 80\x07")
        made.checks.line(WEB, "ready on 81")
        (event,) = made.posted.events
        assert event == Probed(WEB, True, r'a line matched /ready on \d+/: "server ready on 80"', event.at)


async def test_a_line_that_no_disk_has_taken_is_looked_at_too() -> None:
    async with bench() as made:
        made.watch(LogCheck(r"ready on \d+"))
        made.checks.unwritten(WEB, b"on 79\n\xff\nready ")
        assert not made.posted.events
        made.checks.unwritten(WEB, b"y\nready on 81\r\nmo")
        (event,) = made.posted.events
        assert event == Probed(WEB, True, r'a line matched /ready on \d+/: "ready on 81"', event.at)


async def test_of_an_endless_line_only_the_beginning_is_searched() -> None:
    async with bench() as made:
        made.watch(LogCheck("ready$"))
        made.checks.line(WEB, "x" * 10_000_000 + "ready")
        assert made.posted.events == []


@pytest.mark.parametrize("check", [LogCheck("x"), NotifyCheck(), NoCheck()])
async def test_other_checks_are_not_looked_at(check: Check) -> None:
    async with bench() as made:
        made.watch(check, 1)
        made.checks.listening(WEB, at("127.0.0.1"))
        made.checks.line(WEB, "nothing")
        made.checks.unwatch(WEB)
        made.checks.line(WEB, "x")
    assert made.posted.events == []


async def test_a_pattern_that_takes_too_long_passes_a_line_over_and_finds_the_next() -> None:
    async with bench() as b:
        b.watch(LogCheck("(a|aa)+$"))
        b.checks.line(WEB, "a" * 200 + "!")
        b.checks.line(WEB, "ready, aa")
        slow, found = await b.probed(False), await b.probed(True)
    assert slow.detail.endswith("against a line of 201 characters took longer than 50ms")
    assert found.detail == 'a line matched /(a|aa)+$/: "ready, aa"'


async def test_a_pattern_that_takes_too_long_again_and_again_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LOOKING", 0.01)
    async with bench() as b:
        b.watch(LogCheck("(a|aa)+$"))
        for _ in range(module.TRIES):
            b.checks.line(WEB, "a" * 200 + "!")
        b.checks.line(WEB, "ready, aa")
        last = [await b.probed(False) for _ in range(module.TRIES)][-1]
        assert not [event for event in b.posted.events if isinstance(event, Probed) and event.ok]
    assert last.detail.endswith("took longer than 10ms, as in 9 lines before (no longer checked)")
