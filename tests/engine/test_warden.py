"""A private engine starts whenever it is told to, and leaves nothing behind, however its session ends."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine import warden
from engine.api import Api
from engine.images import make, name, root_filesystem
from engine.remains import Slot, remove
from engine.session import PrivateDocker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 60.0

pytestmark = pytest.mark.skipif(bool(warden.missing()), reason=warden.missing() or "there is one")

SESSION = """
import subprocess, sys
engine = subprocess.Popen([sys.executable, sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
print(engine.pid, engine.stdout.readline().decode(), flush=True)
engine.wait()
"""


class Session:
    """A test session of its own, with an engine and a container that runs in it."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", SESSION, str(Path(warden.__file__))], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        pid, _, said = self.process.stdout.readline().partition(" ")
        self.warden, host = int(pid), json.loads(said)["host"]
        self.slot = Slot(int(host.split("-")[-1].split("/")[0]))
        api = Api(host)
        make(api, name("plain"), (), root_filesystem())
        body = {"Image": name("plain"), "Cmd": ["/bin/sleep", "1000000"], "Labels": {"mark": str(self.slot)}}
        api.post("/networks/create", {"Name": "net"})
        self.container = api.post("/containers/create", {**body, "HostConfig": {"NetworkMode": "net"}})["Id"]
        api.post(f"/containers/{self.container}/start")
        self.inside = int(api.get(f"/containers/{self.container}/json")["State"]["Pid"])

    def end(self, pid: int) -> None:
        """SIGKILL for one of the session's processes, and for the session itself in the end."""
        subprocess.run(["kill", "-9", str(pid)], check=True)
        self.process.kill()
        self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()
        wait_for(lambda: not _runs(pid))  # till then it has its slot

    def left(self) -> list[str]:
        """What is still there of the engine."""
        links = subprocess.run(["ip", "-o", "-4", "addr"], capture_output=True, text=True, check=True).stdout
        mounts = Path("/proc/self/mountinfo").read_text()
        cgroups = [*Path("/sys/fs/cgroup").glob(f"**/{self.slot.cgroup}")]
        addresses = [line.split()[3].partition("/")[0] for line in links.splitlines()]
        return [
            *(address for address in addresses if self.slot.owns(address)),
            *(["mounts"] if f"{self.slot.folder}/" in mounts else []),
            *(["folder"] if self.slot.folder.exists() else []),
            *map(str, cgroups),
            *([f"pid {self.inside}"] if _runs(self.inside) else []),
        ]


def _runs(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def claimed(slot: Slot) -> Iterator[bool]:
    """Have the slot, as a session that begins has it; False when another one was quicker."""
    with slot.lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def test_nothing_is_left_when_the_session_is_killed() -> None:
    session = Session()
    session.end(session.process.pid)
    wait_for(lambda: not _runs(session.warden))
    with claimed(session.slot) as ours:
        assert not _runs(session.inside)
        assert not ours or session.left() == []


def test_whoever_comes_after_a_killed_warden_finds_nothing() -> None:
    session = Session()
    session.end(session.warden)
    with claimed(session.slot) as ours:
        if ours:
            remove(session.slot)
            assert session.left() == []
    wait_for(lambda: not _runs(session.inside))


@contextmanager
def database_in_use(slot: Slot) -> Iterator[None]:
    """An engine that starts meanwhile waits a second for its database, and ends."""
    with slot.folder.joinpath("data/volumes/metadata.db").open("rb") as database:
        fcntl.flock(database, fcntl.LOCK_EX)
        yield


def ends(slot: Slot) -> int:
    """How often the engine has ended for its database."""
    return slot.folder.joinpath("dockerd.log").read_text().count("volume store metadata database: timeout")


@pytest.fixture
def spare() -> Iterator[PrivateDocker]:
    made = PrivateDocker()
    yield made
    made.close()


def test_an_engine_that_ends_while_it_starts_is_started_again(spare: PrivateDocker) -> None:
    slot = Slot(int(spare.slot))
    spare.kill()
    with ThreadPoolExecutor() as pool, database_in_use(slot):
        started = pool.submit(spare.start)
        wait_for(lambda: ends(slot) == 1)
    started.result()
    assert spare.api.get("/_ping") == b"OK"


def test_an_engine_that_does_not_start_keeps_its_slot_and_may_start_later(
    spare: PrivateDocker,
) -> None:
    slot = Slot(int(spare.slot))
    spare.kill()
    with database_in_use(slot), pytest.raises(warden.Unable, match=r"dockerd did not start: .*timeout"):
        spare.start()
    assert ends(slot) == warden.LAUNCHES
    with claimed(slot) as ours:
        assert not ours
    spare.start_again()
    assert spare.api.get("/_ping") == b"OK"


def test_an_engine_that_runs_is_not_started_beside_itself(spare: PrivateDocker) -> None:
    note = Slot(int(spare.slot)).folder / "docker.pid"
    first = note.read_text()
    spare.start()
    assert note.read_text() == first
    spare.start_again()
    assert note.read_text() != first
