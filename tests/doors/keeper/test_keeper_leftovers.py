"""What a killed keeper left is ended by the next one, before it does anything else, and nothing else is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from keeping import House, Keeping, grouped, once, own_house, remove, sh, sockets_in, wait_dead
from locald.keeper.main import is_group
from locald.keeper.runs import leftovers
from locald.keeper.runs.leftovers import Table
from locald.linux import cgroup, procfs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keeping import Daemon

WEB = "shop:web#1"
TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process that no keeper has to do with."""
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as process:
        yield process
        process.kill()


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(str(tmp_path))


def note(folder: Path, **changed: object) -> Path:
    """What a keeper wrote down about a run whose leader was this very process, unless changed."""
    known: dict[str, Any] = {
        "run": WEB,
        "token": TOKEN,
        "boot": procfs.boot_id(),
        "pid": os.getpid(),
        "start": procfs.start_time(os.getpid()),
        "reaper_start": None,
    }
    path = folder / f"{TOKEN}.json"
    path.write_text(json.dumps(known | changed))
    return path


def lives(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is None


# With a real keeper that is killed.


def test_a_killed_keepers_runs_are_ended_by_the_next(daemon: Daemon, keeping: Keeping, kind: str) -> None:
    """Also those that shed session and environment, where something is left to know them by."""
    born = keeping.gate("born")
    deaf = f'trap "" TERM HUP; echo $$ > {born}; while :; do sleep 1000; done'
    daemon.start(WEB, sh(f"(setsid env -i /bin/sh -c '{deaf}' &); (setsid /bin/sh -c '{deaf}' &); {deaf}"))
    pids = [int(born.read()) for _ in range(3)]
    keeping.kill()
    assert kind == "reaper" or all(procfs.alive(pid) for pid in pids)
    keeping.start()
    assert not any(procfs.alive(pid) for pid in pids)
    again = keeping.daemon()
    assert again.of(WEB) == []
    assert sockets_in(keeping.run) == []
    assert os.listdir(os.path.join(keeping.run, "runs")) == []
    again.start(WEB, ["true"])


@own_house
def test_they_are_ended_also_where_their_notes_were_removed_with_the_folder(
    daemon: Daemon, keeping: Keeping
) -> None:
    """Which a logout does."""
    born = keeping.gate("born")
    daemon.start(
        WEB, sh(f"(setsid env -i /bin/sh -c 'echo $$ > {born}; sleep 1000' &); echo $$ > {born}; sleep 1000")
    )
    pids = [int(born.read()) for _ in range(2)]
    keeping.kill()
    remove(keeping.run)
    keeping.start()
    assert not any(procfs.alive(pid) for pid in pids)


@own_house
def test_what_another_keeper_holds_is_left_to_it_although_its_folder_was_removed(
    daemon: Daemon, keeping: Keeping
) -> None:
    pid = daemon.start(WEB, ["sleep", "1000"])["pid"]
    Table(os.path.join(keeping.run, "runs")).end_unrecorded(os.path.join(keeping.run, "n"))
    assert procfs.alive(pid)


@once
def test_a_subreaper_ends_its_tree_when_the_keeper_dies(daemon: Daemon, keeping: Keeping) -> None:
    born = keeping.gate("born")
    daemon.start(
        WEB, sh(f"(setsid env -i /bin/sh -c 'echo $$ > {born}; exec sleep 1000' &); exec sleep 1000")
    )
    orphan = int(born.read())
    keeping.kill()
    wait_dead([orphan])


def test_a_bystander_survives_the_death_of_the_keeper(
    daemon: Daemon, keeping: Keeping, bystander: subprocess.Popen[bytes]
) -> None:
    daemon.start(WEB, ["sleep", "1000"])
    keeping.kill()
    keeping.daemon()
    assert lives(bystander)


def test_the_leftovers_of_one_instance_are_not_those_of_another(daemon: Daemon, keeping: Keeping) -> None:
    spawned = daemon.start(WEB, ["sleep", "1000"])
    house = House()
    other = Keeping(house)
    other.daemon().start(WEB, ["sleep", "1000"])
    other.kill()
    other.daemon()
    assert procfs.alive(spawned["pid"])
    other.close()
    house.close()


# Folders in the tree of cgroups.


@pytest.fixture
def beside(cgroups: bool) -> Iterator[Path]:
    """The cgroup in which keepers and other things have folders."""
    own = cgroup.own_folder()
    if own is None or not cgroups:
        pytest.skip("no cgroup can be made here")
    before = set(os.listdir(own))
    yield Path(own)
    for name in set(os.listdir(own)) - before:
        if name.startswith("locald-0bad"):
            cgroup.kill(f"{own}/{name}")
            cgroup.remove(f"{own}/{name}")


def is_ours(name: str) -> bool:
    """Only what the test made, for tests run side by side."""
    return name.startswith("locald-0bad") and is_group(name)


def test_what_a_killed_keeper_left_of_its_cgroups_is_removed_by_any_other(beside: Path) -> None:
    (beside / "locald-0bad0001" / "shop.web.1.token").mkdir(parents=True)
    cgroup.sweep(is_ours)
    assert not (beside / "locald-0bad0001").exists()


def test_the_cgroup_of_a_keeper_that_lives_stays(beside: Path) -> None:
    (beside / "locald-0bad0002").mkdir()
    claim = cgroup.claim(str(beside / "locald-0bad0002"))
    cgroup.sweep(is_ours)
    assert (beside / "locald-0bad0002").exists()
    os.close(claim)
    cgroup.sweep(is_ours)
    assert not (beside / "locald-0bad0002").exists()


def test_what_is_claimed_is_there_and_stays_whoever_sweeps_meanwhile(beside: Path) -> None:
    base, done = beside / "locald-0bad0005", threading.Event()

    def sweep() -> None:
        while not done.is_set():
            cgroup.sweep(is_ours)

    sweeper = threading.Thread(target=sweep)
    sweeper.start()
    try:
        for _ in range(200):
            claim = cgroup.claim(str(base))
            (base / "shop.web.1.token").mkdir()
            cgroup.sweep(is_ours)
            (base / "shop.web.1.token").rmdir()
            os.close(claim)
    finally:
        done.set()
        sweeper.join()


def test_a_cgroup_with_a_process_in_it_stays(beside: Path, bystander: subprocess.Popen[bytes]) -> None:
    run = beside / "locald-0bad0003" / "shop.web.1.token"
    run.mkdir(parents=True)
    (run / "cgroup.procs").write_text(str(bystander.pid))
    cgroup.sweep(is_ours)
    assert run.exists()
    assert lives(bystander)


@pytest.mark.parametrize("name", ["locald-0bad", "locald-0badXXXX", "locald-0bad-0001", "locald-0bad00011"])
def test_a_cgroup_of_another_kind_of_name_stays(beside: Path, name: str) -> None:
    (beside / name).mkdir()
    cgroup.sweep(is_ours)
    assert (beside / name).exists()


@grouped
def test_a_keeper_claims_its_cgroup_and_sweeps_when_it_begins(beside: Path, keeping: Keeping) -> None:
    (beside / "locald-0bad0004").mkdir()
    daemon = keeping.daemon()
    spawned = daemon.start(WEB, ["true"])
    daemon.wait("gone", WEB)
    cgroup.sweep(is_group)
    assert os.path.isdir(os.path.dirname(spawned["tree"]["cgroup"]))
    keeping.kill()
    keeping.start()
    assert not (beside / "locald-0bad0004").exists()


# With notes alone.


def test_a_process_is_known_by_pid_and_start_time(
    table: Table, tmp_path: Path, bystander: subprocess.Popen[bytes]
) -> None:
    path = note(tmp_path, pid=bystander.pid, start=procfs.start_time(bystander.pid))
    table.end_leftovers()
    assert bystander.wait() == -9
    assert not path.exists()


def test_its_descendants_are_ended_with_it(table: Table, tmp_path: Path) -> None:
    with subprocess.Popen(
        sh("sleep 1000 & echo $!; wait"), stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout
        child = int(process.stdout.readline())
        note(tmp_path, pid=process.pid, start=procfs.start_time(process.pid))
        table.end_leftovers()
        wait_dead([child])


def test_a_pid_that_means_another_process_now_is_left_alone(
    table: Table, tmp_path: Path, bystander: subprocess.Popen[bytes]
) -> None:
    start = procfs.start_time(bystander.pid)
    assert start is not None
    path = note(tmp_path, pid=bystander.pid, start=start - 1)
    table.end_leftovers()
    assert lives(bystander)
    assert not path.exists()


def test_a_pid_that_has_come_to_mean_another_process_since_the_look_is_left_alone(
    bystander: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    monkeypatch.setattr(signal, "pidfd_send_signal", lambda _, number: sent.append(number))
    start = procfs.start_time(bystander.pid)
    assert start is not None
    leftovers._kill(bystander.pid, start - 1)
    assert sent == []
    leftovers._kill(bystander.pid, start)
    assert sent == [signal.SIGKILL]


def test_after_a_restart_of_the_machine_nothing_is_touched(
    table: Table, tmp_path: Path, bystander: subprocess.Popen[bytes]
) -> None:
    path = note(tmp_path, pid=bystander.pid, start=procfs.start_time(bystander.pid), boot="another")
    table.end_leftovers()
    assert lives(bystander)
    assert not path.exists()


def test_a_process_is_known_by_the_token_in_its_environment(table: Table, tmp_path: Path) -> None:
    mine = subprocess.Popen(["sleep", "1000"], env={"LOCALD_RUN": TOKEN, "PATH": os.environ["PATH"]})
    other = subprocess.Popen(["sleep", "1000"], env={"LOCALD_RUN": TOKEN[::-1], "PATH": os.environ["PATH"]})
    note(tmp_path, pid=None, start=None)
    table.end_leftovers()
    assert mine.wait() == -9
    assert lives(other)
    other.kill()
    other.wait()


@pytest.mark.parametrize("folder", ["/", "/sys/fs/cgroup", "/proc", 5, None])
def test_a_cgroup_that_does_not_bear_the_token_is_left_alone(
    table: Table, tmp_path: Path, folder: object
) -> None:
    note(tmp_path, pid=None, start=None, cgroup=folder)
    table.end_leftovers()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"boot": 5}', '{"pid": "x"}', "[" * 100_000])
def test_a_note_that_nobody_can_read_is_dropped(table: Table, tmp_path: Path, content: str) -> None:
    (tmp_path / f"{TOKEN}.json").write_text(content)
    table.end_leftovers()
    assert list(tmp_path.iterdir()) == []


def test_a_note_that_nobody_can_read_still_has_the_token_for_its_name(table: Table, tmp_path: Path) -> None:
    process = subprocess.Popen(["sleep", "1000"], env={"LOCALD_RUN": TOKEN, "PATH": os.environ["PATH"]})
    (tmp_path / f"{TOKEN}.json").write_text('{"run": "shop:we')
    table.end_leftovers()
    assert process.wait() == -9


def test_a_note_is_written_over_the_one_before(table: Table, tmp_path: Path) -> None:
    for leader in (None, os.getpid(), None):
        table.put(TOKEN, {"run": WEB, "token": TOKEN}, leader)
        assert json.loads((tmp_path / f"{TOKEN}.json").read_text())["pid"] == leader


def test_whoever_ends_leftovers_does_not_end_itself(tmp_path: Path) -> None:
    """A daemon that a service started has the run's token in its environment, and so may its keeper have."""
    note(tmp_path, pid=None, start=None)
    code = "import sys; from locald.keeper.runs.leftovers import Table; Table(sys.argv[1]).end_leftovers()"
    source = str(Path(__file__).parents[3] / "src")
    env = {"LOCALD_RUN": TOKEN, "PYTHONPATH": source}
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=env).returncode == 0
