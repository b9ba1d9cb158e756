"""What outlives the daemon: everything that it knows, in one file that is never half-written."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import stat
import threading
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest
from msgspec.structs import replace

from locald.adapters.state import store as module
from locald.adapters.state.document import SCHEMA, Writer
from locald.adapters.state.reading import load
from locald.adapters.state.store import Store
from locald.domain.lifecycle.health import Evidence, Health, HealthResult, Source
from locald.domain.lifecycle.messages import Exit, Listener, Process
from locald.domain.lifecycle.phase import (
    Adopting,
    Backoff,
    Blocked,
    Completed,
    Desired,
    Ended,
    Failed,
    Launching,
    Phase,
    Preparing,
    Retry,
    Running,
    Starting,
    Stopped,
    Stopping,
    Waiting,
)
from locald.domain.lifecycle.place import Place
from locald.domain.lifecycle.restarts import Restarts
from locald.domain.lifecycle.run_facts import NotifyState, RunFacts
from locald.domain.lifecycle.service import Service
from locald.domain.lifecycle.world import World
from locald.domain.project.config.checks import PROTOCOLS
from locald.domain.project.names import Key, Run
from locald.domain.project.spec import (
    Caller,
    Check,
    CommandCheck,
    Condition,
    Definition,
    HealthCheck,
    HttpCheck,
    LogCheck,
    NoCheck,
    NotifyCheck,
    ProtocolCheck,
    RestartPolicy,
    ServiceSpec,
    TcpCheck,
    Type,
)
from locald.linux import procfs
from nonblocking import blocking_raises

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable


__all__ = ["blocking_raises"]

EPOCH = 1_700_000_000.5
AT = EPOCH + 3600.123456
WEB, DB = Key("shop", "web"), Key("shop", "db")
RUN = Run(WEB, 3)
SHELL = Caller({"PATH": "/usr/bin", "NAME": "Ærøskøbing", "LINES": "a\nb"}, 0o077, {"nofile": (1024, -1)})

PHASES: list[Phase] = [
    Stopped(),
    Ended("exited with code 0"),
    Waiting(),
    Blocked(DB, DB),
    Launching(RUN),
    Preparing(RUN, "pulling postgres:16, 40 %"),
    Starting(RUN, AT + 60),
    Starting(RUN, None),
    Running(RUN),
    Stopping(RUN, AT + 10),
    Stopping(RUN, None, Retry("exited with code 1")),
    Stopping(RUN, None, Failed("exited with code 1", "fix it")),
    Stopping(RUN, None, Completed(2.5)),
    Stopping(RUN, None, Ended("exited with code 0")),
    Stopping(RUN, None, None),
    Backoff("exited with code 1", AT + 0.1),
    Failed("no such program: x", "check the spelling"),
    Completed(0.25),
    Adopting(Starting(RUN, AT)),
    Adopting(Stopping(RUN, AT, Failed("late"))),
]
CHECKS: list[Check] = [
    HttpCheck("/health", 8080, (200, 204), "https", {"Host": "shop.localhost"}),
    HttpCheck(),
    TcpCheck(5432),
    *(ProtocolCheck(name) for name in PROTOCOLS),
    ProtocolCheck("postgres", 5432),
    CommandCheck("pg_isready"),
    LogCheck("ready$"),
    NotifyCheck(),
    NoCheck(),
]


def spec(name: str, **keys: Any) -> ServiceSpec:
    return ServiceSpec(name, **{"command": f"run {name}"} | keys)


def definition(service: ServiceSpec) -> Definition:
    return Definition(Key("shop", service.name), "/home/shop", service, 24001, {"A": "1"}, {"B": "${x}"})


FULL = definition(
    spec(
        "web",
        command=("node", "server.js"),
        env={"B": "${VAR}"},
        env_file=(".env", "more.env"),
        depends_on={"db": Condition.HEALTHY, "seed": Condition.COMPLETED},
        health_check=HealthCheck(CHECKS[0], 1.5, 0.25, 7),
        restart=RestartPolicy.ALWAYS,
        start_timeout=None,
        watchdog=2.5,
        tty=False,
    )
)


def facts(source: Source) -> RunFacts:
    """A run of which something of everything is known."""
    evidence = Evidence(source, True, AT, "it answered", "http" if source is Source.EXPLICIT else None)
    stranger = Listener("::1", 24001, Process(4711, "node"))
    return RunFacts(
        RUN,
        FULL,
        pid=4790,
        container="0123456789ab",
        spawned_at=AT,
        listening_at=AT + 1,
        ready_at=AT + 2,
        ended_at=AT + 3,
        exit=Exit(None, 9),
        evidence={source: evidence},
        history=(evidence, replace(evidence, ok=False)),
        failures=2,
        listeners=(stranger,),
        open=True,
        holder=stranger,
        notify=NotifyState(True, True, "serving", True, True, True, "ERRNO=2", 3),
        watchdog=2.5,
        watchdog_at=AT + 4,
        expired=True,
        extended_until=AT + 5,
        stuck=(Process(1, ""), Process(2, "cat")),
        silenced="the engine does not answer",
    )


def rich() -> World:
    """A service in every phase, with every source of evidence, every check, every desired state."""
    sources, desires = list(Source), list(Desired)
    services = [
        Service(
            replace(FULL, key=Key("shop", f"s{number}"), spec=replace(FULL.spec, name=f"s{number}")),
            caller=SHELL if number % 2 else replace(SHELL, umask=0),
            desired=desires[number % len(desires)],
            phase=phase,
            facts=facts(sources[number % len(sources)]),
            runs=3,
            restarts=Restarts(4, (AT, AT + 1), 2),
            expects_ready=True,
            result=HealthResult(Health.UNHEALTHY, sources[number % len(sources)], "it does not answer"),
            since=AT,
            queued_at=AT - 1,
            waited_for=frozenset({"db", "seed"}),
            durations=(0.25, 3.5),
            held_by=DB,
        )
        for number, phase in enumerate(PHASES)
    ]
    services += [
        Service(definition(spec(f"c{number}", health_check=HealthCheck(check))))
        for number, check in enumerate(CHECKS)
    ]
    services.append(Service(definition(spec("pg", type=Type.CONTAINER, command=None, image="postgres:16"))))
    places = {
        "shop": Place("/home/shop", "shop.localhost", Caller({"PATH": "/bin"}, 0o077, {"nofile": (1, 2)})),
        "empty": Place("/home/empty", "e.localhost"),
    }
    return replace(World.of(services, places), ready_senders={Key("old", "web"): "('run', None)"})


def service(name: str = "web", **facts: Any) -> Service:
    return Service(definition(spec(name)), **facts)


class Desk:
    """A store of a world that the test changes."""

    def __init__(self, folder: Path, world: World | None = None) -> None:
        self.file, self.wanted = folder / "state.json", folder / "wanted"
        self.world = world or World()
        self.begin()

    def begin(self) -> None:
        """Another daemon's store, of the same file."""
        self.store = Store(str(self.file), str(self.wanted), EPOCH, lambda: self.world)

    def hold(self, *services: Service, moved: Iterable[Key] = ()) -> None:
        """These are all services now. `moved`: of which the store is told; else of all."""
        before = self.world.services.keys()
        self.world = World.of(services, {"shop": Place("/home/shop", "shop.localhost")})
        self.store.change(self.world, frozenset(moved) or before | self.world.services.keys())

    def document(self) -> dict[str, Any]:
        """The first line of the file."""
        told: dict[str, Any] = json.loads(self.file.read_bytes().splitlines()[0])
        return told

    def damage(self, wrong: dict[str, Any]) -> bytes:
        """The first line, with these in place of what was there."""
        return json.dumps(self.document() | wrong).encode() + b"\n"

    @asynccontextmanager
    async def saving(self) -> AsyncIterator[None]:
        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(self.store.run())
            yield
            running.cancel()

    def names(self) -> list[str]:
        """What the file has, read as a later daemon would."""
        return [key.service for key in load(str(self.file)).world.services]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


class Gate:
    """Stands in for a function that takes long: it tells that it was called, and waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        self._real = getattr(os, name)
        self._called, self._opened = threading.Event(), threading.Event()
        monkeypatch.setattr(os, name, self)

    def __call__(self, *arguments: Any) -> Any:
        self._called.set()
        assert self._opened.wait(10)
        return self._real(*arguments)

    async def called(self) -> None:
        assert await asyncio.to_thread(self._called.wait, 10)

    def open(self) -> None:
        self._opened.set()


# There and back.


def test_the_world_of_these_tests_has_every_phase() -> None:
    assert {type(phase) for phase in PHASES} == set(get_args(Phase))


async def test_a_world_comes_back_as_it_was(tmp_path: Path) -> None:
    desk = Desk(tmp_path, rich())
    await desk.store.write()
    saved = load(str(desk.file))
    assert not saved.trouble
    assert saved.epoch == EPOCH
    for key, before in desk.world.services.items():
        assert saved.world.services[key] == before
    assert saved.world == desk.world


async def test_what_is_not_unicode_comes_back_too(desk: Desk) -> None:
    """A variable or a folder may have any bytes; Python shows those that are no text as lone surrogates."""
    strange = "caf\udce9"
    odd = replace(definition(spec("web")), directory=f"/home/{strange}", env={"A": strange})
    desk.hold(Service(odd, caller=Caller({"B": strange})))
    async with desk.saving():
        await desk.store.saved()
    (back,) = load(str(desk.file)).world.services.values()
    assert (back.definition, back.caller) == (odd, Caller({"B": strange}))


async def test_a_shell_is_written_once_however_many_services_it_started(desk: Desk) -> None:
    desk.hold(*(service(f"s{number}", caller=replace(SHELL)) for number in range(10)))
    await desk.store.write()
    assert desk.file.read_text().count("/usr/bin") == 1
    assert {each.caller for each in map(hashed, load(str(desk.file)).world.services.values())} == {
        SHELL.umask
    }


async def test_a_file_that_does_not_tell_who_brought_a_project_up_takes_one_of_its_services(
    desk: Desk,
) -> None:
    desk.hold(service("web", caller=SHELL))
    await desk.store.write()
    document = desk.document()
    del document["places"]["shop"]["caller"]
    desk.file.write_bytes(desk.damage(document))
    assert load(str(desk.file)).world.places["shop"].caller == SHELL


def hashed(found: Service) -> Any:
    """Its caller by something that can be in a set."""
    assert found.caller == SHELL
    return replace(found, caller=found.caller.umask)


async def test_of_another_boot_the_desired_states_count_and_its_clock_does_not(desk: Desk) -> None:
    desk.hold(service(desired=Desired.UP, phase=Running(RUN), facts=facts(Source.TCP)))
    await desk.store.write()
    assert desk.document()["boot_id"] == procfs.boot_id()
    desk.file.write_bytes(desk.damage({"boot_id": "another"}))
    saved = load(str(desk.file))
    assert saved.epoch is None
    assert saved.world.services[WEB].desired is Desired.UP
    assert not saved.trouble


def test_no_file_is_an_empty_world_and_no_trouble(tmp_path: Path) -> None:
    saved = load(str(tmp_path / "state.json"))
    assert (saved.world, saved.epoch, saved.trouble) == (World(), None, "")


def test_the_state_of_an_earlier_version_is_read() -> None:
    """What ran is known, what was asked for is wanted, and what was observed is evidence."""
    saved = load(str(Path(__file__).with_name("state-schema-1.json")))
    assert not saved.trouble
    store, seed, web = (saved.world.services[Key("shop", name)] for name in ("store", "seed", "web"))
    assert (store.desired, seed.desired, web.desired) == (Desired.UP, Desired.UP, Desired.DOWN)
    assert isinstance(store.phase, Running)
    assert isinstance(seed.phase, Completed)
    assert store.facts
    assert store.facts.notify.ready
    assert set(store.facts.evidence) == {Source.NOTIFY, Source.TCP}
    assert store.result.because == "pid 11881 (python3) sent READY=1 (status: 3 for sale)"


@pytest.mark.parametrize(("before", "now"), [("again", Desired.RESTART), ("gone", Desired.REMOVED)])
def test_what_an_earlier_version_was_about_to_do_is_still_to_be_done(
    tmp_path: Path, before: str, now: Desired
) -> None:
    text = Path(__file__).with_name("state-schema-1.json").read_text(encoding="utf-8")
    file = tmp_path / "state.json"
    file.write_text(text.replace('"wish": "up"', f'"wish": "{before}"'), encoding="utf-8")
    saved = load(str(file))
    assert {service.desired for service in saved.world.services.values()} == {now, Desired.DOWN}


# What cannot be used.


DAMAGES: dict[str, bytes | dict[str, Any]] = {
    "empty": b"",
    "no text": b"\x00\xff{",
    "half": b'{"schema": 2, "serv',
    "too deep": b"[" * 100_000,
    "a list": b"[]",
    "no schema": b"{}",
    "newer": {"schema": 4},
    "no boot": {"boot_id": None},
    "a clock that is none": {"epoch": "noon"},
    "a clock without a number": {"epoch": float("nan")},
    "a place that is none": {"places": {"shop": {"directory": 5, "domain": "x"}}},
    "a place that is a list": {"places": []},
    "a program that is none": {"ready_senders": {"shop:web": 5}},
    "a caller that is none": {"callers": {"x": {"env": 5}}},
    "a service that is none": {"services": [{"caller": "x", "service": 5}]},
    "services that are none": {"services": 5},
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_file_that_cannot_be_used_is_kept_aside_and_named(desk: Desk, damage: str) -> None:
    """Nothing is raised, nothing overwritten; the next file is a good one."""
    desk.hold(service())
    await desk.store.write()
    wrong = DAMAGES[damage]
    if isinstance(wrong, dict):
        wrong = desk.damage(wrong)
    desk.file.write_bytes(wrong)
    saved = load(str(desk.file))
    assert (saved.world, saved.epoch) == (World(), None)
    aside = desk.file.with_name("state.json.unusable-1")
    assert aside.read_bytes() == wrong
    assert not desk.file.exists()
    assert saved.trouble.startswith("the saved state is unusable (")
    assert f"was moved to {aside}: services were stopped" in saved.trouble
    assert "\n" not in saved.trouble


def test_several_that_cannot_be_used_are_all_kept(tmp_path: Path) -> None:
    for text in ("one", "two"):
        (tmp_path / "state.json").write_text(text)
        load(str(tmp_path / "state.json"))
    kept = [(tmp_path / f"state.json.unusable-{number}").read_text() for number in (1, 2)]
    assert kept == ["one", "two"]


async def test_one_that_cannot_be_read_now_is_left_as_it_is(desk: Desk) -> None:
    """It may be good, and what runs would be ended for it. A real EIO: no process has memory at address 0."""
    desk.hold(service())
    await desk.store.write()
    kept = desk.file.rename(desk.file.with_name("kept"))
    desk.file.symlink_to("/proc/self/mem")
    with pytest.raises(OSError, match="Input/output error") as raised:
        load(str(desk.file))
    assert raised.value.filename == str(desk.file)
    assert desk.file.is_symlink()
    kept.replace(desk.file)
    assert load(str(desk.file)).world.services


def test_a_folder_in_its_place_is_kept_aside(tmp_path: Path) -> None:
    (tmp_path / "state.json").mkdir()
    assert load(str(tmp_path / "state.json")).trouble
    assert (tmp_path / "state.json.unusable-1").is_dir()


def test_one_that_can_neither_be_read_nor_moved_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "state.json").write_text("{")
    monkeypatch.setattr(os, "rename", refuse)
    assert "cannot be moved (Permission denied)" in load(str(tmp_path / "state.json")).trouble


# Writing.


async def test_the_file_is_the_owner_s_alone(desk: Desk) -> None:
    """It holds environments."""
    before = os.umask(0)
    try:
        desk.hold(service(desired=Desired.UP))
        await desk.store.write()
    finally:
        os.umask(before)
    for path in (desk.file, desk.wanted):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_the_old_file_is_whole_until_the_new_one_is(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever the daemon is killed there is one world or the other."""
    desk.hold(service("old"))
    await desk.store.write()
    desk.begin()
    gate = Gate(monkeypatch, "replace")
    desk.hold(service("new"))
    writing = asyncio.ensure_future(desk.store.write())
    await gate.called()
    assert desk.names() == ["old"]
    gate.open()
    await writing
    assert desk.names() == ["new"]


async def test_saved_waits_for_the_world_as_it_is_when_asked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that is under way has an older one: it is not enough."""
    gate = Gate(monkeypatch, "replace")
    async with desk.saving():
        desk.hold(service("old"))
        await gate.called()
        desk.hold(service("new"))
        saved = asyncio.ensure_future(desk.store.saved())
        gate.open()
        await saved
        assert desk.names() == ["new"]


async def test_two_writers_never_mix(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The daemon writes once more at its end, perhaps while a write is under way: the later world stays."""
    gate = Gate(monkeypatch, "replace")
    desk.hold(service("old"))
    first = asyncio.ensure_future(desk.store.write())
    await gate.called()
    desk.hold(service("new"))
    second = asyncio.ensure_future(desk.store.write())
    gate.open()
    await asyncio.gather(first, second)
    assert desk.names() == ["new"]


async def test_many_changes_are_one_write(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    writes, real = count(), os.replace
    monkeypatch.setattr(os, "replace", lambda *paths: (next(writes), real(*paths)))
    async with desk.saving():
        for number in range(100):
            desk.hold(service(f"s{number}"))
            await asyncio.sleep(0)
        await desk.store.saved(hurry=False)
    assert desk.names() == ["s99"]
    assert next(writes) == 1


async def test_little_is_written_at_once(desk: Desk) -> None:
    desk.hold(service("web"))
    await desk.store.write()
    desk.hold(service("web"), service("db"))
    assert desk.store.save_now()
    assert desk.names() == ["web", "db"]


async def test_what_was_written_at_once_is_not_written_again(desk: Desk) -> None:
    desk.hold(service("web"))
    await desk.store.write()
    desk.hold(service("web", runs=2))
    assert desk.store.save_now()
    before = desk.file.read_bytes()
    async with desk.saving():
        await desk.store.saved()
    assert desk.file.read_bytes() == before


async def test_a_new_file_and_one_that_is_to_forget_are_not_written_at_once(desk: Desk) -> None:
    desk.hold(service("web"))
    assert not desk.store.save_now()
    await desk.store.write()
    desk.world = World()
    desk.store.change(desk.world, {WEB})
    assert not desk.store.save_now()
    await desk.store.write()
    assert desk.names() == []


async def test_much_is_not_written_at_once(desk: Desk) -> None:
    desk.hold(service("web"))
    await desk.store.write()
    desk.hold(*(service(f"s{number}") for number in range(module.LITTLE + 1)))
    assert not desk.store.save_now()


async def test_a_disk_that_was_slow_is_not_waited_for_by_the_loop(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.hold(service("web"))
    monkeypatch.setattr(module, "SLOW", -1.0)
    await desk.store.write()
    desk.hold(service("db"))
    assert not desk.store.save_now()
    monkeypatch.undo()
    await desk.store.write()
    desk.hold(service("cache"))
    assert desk.store.save_now()
    assert desk.names() == ["cache"]


async def test_what_a_full_disk_refuses_at_once_is_written_whole_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a line may be in the file: what came after it would not be read."""
    desk.hold(service("web"))
    await desk.store.write()
    desk.hold(service("web"), service("db"))
    real, parts = os.write, list[bytes]()

    def full(file: int, data: bytes) -> int:
        if parts:
            raise OSError(errno.ENOSPC, "No space left on device")
        parts.append(data)
        return real(file, data[:9])

    monkeypatch.setattr(os, "write", full)
    assert not desk.store.save_now()
    monkeypatch.undo()
    await desk.store.write()
    assert desk.names() == ["web", "db"]


async def test_a_change_costs_its_own_bytes_however_much_else_there_is(desk: Desk) -> None:
    services = [service(f"s{number}", caller=SHELL) for number in range(100)]
    desk.hold(*services)
    await desk.store.write()
    before = desk.file.stat()
    desk.hold(*services[1:], replace(services[0], runs=7), moved=[services[0].key])
    await desk.store.write()
    after = desk.file.stat()
    assert after.st_ino == before.st_ino
    assert after.st_size - before.st_size < before.st_size / 50
    assert load(str(desk.file)).world == desk.world


async def test_what_is_gone_is_gone_from_the_file(desk: Desk) -> None:
    desk.hold(service("web"), service("db"))
    await desk.store.write()
    desk.hold(service("web"))
    await desk.store.write()
    assert desk.names() == ["web"]


async def test_of_a_project_that_is_forgotten_no_word_stays(desk: Desk) -> None:
    """Nor of the environment of the shell that brought it up."""
    desk.hold(service(caller=SHELL))
    await desk.store.write()
    desk.world = World()
    desk.store.change(desk.world, {WEB})
    await desk.store.write()
    assert "shop" not in desk.file.read_text()
    assert "PATH" not in desk.file.read_text()


@pytest.mark.parametrize("missing", [1, 2, 400])
async def test_a_line_that_was_not_finished_counts_for_nothing(desk: Desk, missing: int) -> None:
    """The daemon was killed while it wrote: what the file said before holds."""
    desk.hold(service("web"))
    await desk.store.write()
    desk.hold(service("web"), service("db"))
    await desk.store.write()
    desk.file.write_bytes(desk.file.read_bytes()[:-missing])
    assert desk.names() == ["web"]
    desk.begin()
    desk.hold(service("cache"))
    await desk.store.write()
    assert desk.names() == ["cache"]


async def test_a_file_in_which_too_much_is_out_of_date_is_written_anew(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROOM", 0)
    sizes = []
    for number in range(20):
        desk.hold(service("web", runs=number))
        await desk.store.write()
        sizes.append(desk.file.stat().st_size)
    assert max(sizes) < 4 * min(sizes)
    assert load(str(desk.file)).world == desk.world


async def test_a_file_that_somebody_deleted_is_written_anew(desk: Desk) -> None:
    desk.hold(service("web"), service("db"))
    await desk.store.write()
    desk.file.unlink()
    desk.hold(service("web", runs=1), service("db"), moved=[WEB])
    await desk.store.write()
    assert desk.names() == ["web", "db"]


async def test_nobody_waits_for_the_disk_to_sync(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUIET", 0.0)
    gate = Gate(monkeypatch, "fsync")
    async with desk.saving():
        desk.hold(service("old"))
        await gate.called()
        desk.hold(service("new"))
        await desk.store.saved()
        assert desk.names() == ["new"]
        gate.open()


async def test_nothing_of_it_blocks_the_loop(desk: Desk, blocking_raises: object) -> None:
    desk.hold(service(desired=Desired.UP))
    async with desk.saving():
        await desk.store.saved()
    assert json.loads(await asyncio.to_thread(desk.file.read_text))["schema"] == SCHEMA


# A disk that cannot be written.


async def test_a_disk_that_cannot_be_written_keeps_nobody_waiting_and_is_told_of_once(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    (obstacle := desk.file.with_name("state.json.new")).mkdir()
    async with desk.saving():
        for number in range(3):
            desk.hold(service(f"s{number}"))
            await desk.store.saved()
        assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
            f"the state cannot be saved in {desk.file}: [Errno 21] Is a directory: '{obstacle}'"
        ]
        assert desk.store.trouble == f"the state cannot be saved in {desk.file}: Is a directory"
        obstacle.rmdir()
        desk.hold(service("new"))
        await desk.store.saved()
        assert desk.names() == ["new"]
        assert desk.store.trouble == ""
        assert caplog.records[-1].getMessage() == f"the state is saved in {desk.file} again"


async def test_what_could_not_be_written_is_tried_again_soon_without_a_change(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that is killed until then begins the latest runs anew."""
    monkeypatch.setattr(module, "QUIET", 3600)
    (obstacle := desk.file.with_name("state.json.new")).mkdir()
    async with desk.saving():
        desk.hold(service("web"))
        await desk.store.saved()
        gate = Gate(monkeypatch, "replace")
        gate.open()
        obstacle.rmdir()
        await gate.called()
    await desk.store.write()
    assert desk.names() == ["web"]


async def test_a_fault_of_ours_ends_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be put into words costs the file, not the daemon, which still knows everything."""
    async with desk.saving():
        with monkeypatch.context() as broken:
            broken.setattr(Writer, "_name", lambda *_: 1 / 0)
            desk.hold(service("old"))
            await desk.store.saved()
        assert "ZeroDivisionError" in caplog.text
        desk.hold(service("new"))
        await desk.store.saved()
        assert desk.names() == ["new"]


# Whether there is something to restore.


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        ({}, False),
        ({"desired": Desired.UP}, True),
        ({"desired": Desired.RESTART}, True),
        ({"desired": Desired.UP, "phase": Failed("exited with code 1")}, True),
        ({"desired": Desired.DOWN, "phase": Stopping(RUN, AT)}, True),
        ({"desired": Desired.REMOVED, "phase": Stopping(RUN, AT)}, True),
        ({"desired": Desired.DOWN, "phase": Completed(1.0)}, False),
    ],
)
async def test_a_mark_says_whether_anything_is_wanted_or_still_held(
    desk: Desk, facts: dict[str, Any], wanted: bool
) -> None:
    desk.hold(service(**facts))
    await desk.store.write()
    assert desk.wanted.exists() is wanted
    desk.hold(service())
    await desk.store.write()
    assert not desk.wanted.exists()


async def test_the_mark_is_there_before_what_it_stands_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a daemon that is killed in between would not be started again for what it has saved."""
    gate = Gate(monkeypatch, "replace")
    desk.hold(service(desired=Desired.UP))
    writing = asyncio.ensure_future(desk.store.write())
    await gate.called()
    assert desk.wanted.exists()
    gate.open()
    await writing
