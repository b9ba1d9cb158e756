"""A keeper that holds something can be found again when its folder was removed, and only where it belongs."""

from __future__ import annotations

import base64
import errno
import os
import select
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keeping import (
    files_of,
    once,
    own_house,
    python,
    remove,
    sh,
    sockets_in,
    wait_dead,
    wait_files,
    wait_until,
)
from locald.keeper import launch, place
from locald.keeper.loop import Loop
from locald.keeper.place import Place
from locald.linux import inotify, procfs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keeping import Daemon, House, Keeping

WEB = "shop:web#1"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may do this")
pytestmark = own_house


def wait_found(run: str) -> None:
    """Return when a keeper accepts connections there. The kernel has no news of a socket that listens."""
    wait_until(lambda: accepts(run), "the keeper is not found again")


def accepts(run: str) -> bool:
    try:
        launch.connect(run).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("daemon_is", ["there", "away"])
def test_a_removed_folder_is_made_anew_and_the_next_daemon_adopts_everything(
    daemon: Daemon, keeping: Keeping, daemon_is: str
) -> None:
    spawned = daemon.start(WEB, ["sleep", "1000"])
    keeper = keeping.pid
    if daemon_is == "away":
        daemon.close()
    remove(keeping.run)
    wait_found(keeping.run)
    again = keeping.daemon()
    assert keeping.pid == keeper
    assert again.wait("spawned", WEB)["pid"] == spawned["pid"]
    assert procfs.alive(spawned["pid"])
    assert sorted(os.listdir(keeping.run)) == ["keeper.lock", "keeper.sock", "n", "runs"]
    assert os.listdir(f"{keeping.run}/runs") == [f"{spawned['token']}.json"]


@once
def test_it_is_made_anew_as_often_as_it_is_removed(daemon: Daemon, keeping: Keeping) -> None:
    daemon.start(WEB, ["sleep", "1000"])
    for removed in (keeping.run, f"{keeping.run}/keeper.sock", keeping.run, f"{keeping.run}/keeper.lock"):
        if os.path.isdir(removed):
            remove(removed)
        else:
            os.unlink(removed)
        wait_there(f"{keeping.run}/keeper.lock")
        wait_found(keeping.run)
    assert keeping.daemon().of(WEB) == ["spawned"]


@once
def test_a_loss_again_and_again_takes_no_more_descriptors(daemon: Daemon, keeping: Keeping) -> None:
    """And who has been connected from the beginning is heard."""
    go = keeping.gate("go")
    code = (
        "import os, socket\n"
        "s = socket.socket(1, 2); s.connect(os.environ['NOTIFY_SOCKET']); s.send(b'STATUS=up')\n"
        f"open({str(go)!r}).readline(); s.send(b'READY=1'); open({str(go)!r}).readline()"
    )
    daemon.start(WEB, python(code))
    daemon.wait("notified", WEB)
    (name,) = sockets_in(keeping.run)
    held = []
    for _ in range(4):
        remove(keeping.run)
        wait_there(f"{keeping.run}/n/{name}")
        wait_found(keeping.run)
        held.append(len(files_of(keeping.pid)))
    wait_files(keeping.pid, held[0])
    go.write()
    assert base64.b64decode(daemon.wait("notified", WEB, standing="member")["data"]) == b"READY=1"


def wait_there(path: str) -> None:
    wait_until(lambda: os.path.exists(path), f"{path} is not there again")


@once
def test_a_service_can_notify_as_before_also_over_a_connection_that_it_had(
    daemon: Daemon, keeping: Keeping
) -> None:
    go = keeping.gate("go")
    code = (
        "import os, socket\n"
        "def connected():\n"
        "    s = socket.socket(1, 2); s.connect(os.environ['NOTIFY_SOCKET']); return s\n"
        f"old = connected(); old.send(b'STATUS=up'); open({str(go)!r}).readline()\n"
        "connected().send(b'READY=1'); old.send(b'WATCHDOG=1'); open({!r}).readline()"
    ).replace("{!r}", repr(str(go)))
    daemon.start(WEB, python(code))
    daemon.wait("notified", WEB)
    (name,) = sockets_in(keeping.run)
    remove(keeping.run)
    wait_there(f"{keeping.run}/n/{name}")
    go.write()
    said = {base64.b64decode(daemon.wait("notified", WEB, standing="member")["data"]) for _ in range(2)}
    assert said == {b"READY=1", b"WATCHDOG=1"}
    daemon.send(do="kill", run=WEB)
    daemon.wait("gone", WEB)
    assert sockets_in(keeping.run) == []


def test_a_run_that_is_ordered_at_that_very_moment_begins(daemon: Daemon, keeping: Keeping) -> None:
    """Also where nothing was held, and nothing was to be mended."""
    remove(keeping.run)
    spawned = daemon.start(WEB, sh("test -S $NOTIFY_SOCKET && exec sleep 1000"))
    assert procfs.alive(spawned["pid"])
    assert keeping.daemon().of(WEB) == ["spawned"]


def test_should_the_keeper_be_killed_later_what_it_left_is_still_known(
    daemon: Daemon, keeping: Keeping
) -> None:
    spawned = daemon.start(WEB, ["sleep", "1000"])
    remove(keeping.run)
    wait_there(f"{keeping.run}/runs/{spawned['token']}.json")
    wait_found(keeping.run)
    keeping.kill()
    keeping.start()
    wait_dead([spawned["pid"]])
    assert keeping.daemon().of(WEB) == []


@once
def test_where_it_cannot_be_made_yet_it_is_made_as_soon_as_it_can(daemon: Daemon, keeping: Keeping) -> None:
    daemon.start(WEB, ["sleep", "1000"])
    os.rename(keeping.run, keeping.run + ".old")
    Path(keeping.run).write_text("in the way")
    daemon.spawn("shop:web#2", ["true"])
    assert daemon.wait("refused", "shop:web#2")["stage"] == "resources"
    os.unlink(keeping.run)
    wait_found(keeping.run)
    assert keeping.daemon().of(WEB) == ["spawned"]
    assert keeping.log.read_text().count("File exists") == 1


@pytest.fixture
def mounted(house: House) -> Iterator[str]:
    """A folder over which another was mounted, as a login does with `$XDG_RUNTIME_DIR`."""
    yield house.run
    subprocess.run(["umount", "-l", house.run], stderr=subprocess.DEVNULL, check=False)


@needs_root
@once
def test_a_folder_that_was_covered_by_a_mount_is_made_anew_on_it(
    mounted: str, daemon: Daemon, keeping: Keeping
) -> None:
    daemon.start(WEB, ["sleep", "1000"])
    if subprocess.run(["mount", "-t", "tmpfs", "none", mounted], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("nothing can be mounted here")
    wait_found(mounted)
    assert keeping.daemon().of(WEB) == ["spawned"]
    subprocess.run(["umount", "-l", mounted], check=True)
    wait_found(mounted)
    assert keeping.daemon().of(WEB) == ["spawned"]


@pytest.mark.parametrize("removed", ["n", "runs"])
def test_an_idle_keeper_makes_what_a_cleaner_of_old_files_has_removed_when_it_is_needed(
    daemon: Daemon, keeping: Keeping, removed: str
) -> None:
    os.rmdir(f"{keeping.run}/{removed}")
    spawned = daemon.start(WEB, ["sleep", "1000"])
    assert os.listdir(f"{keeping.run}/runs") == [f"{spawned['token']}.json"]
    assert len(os.listdir(f"{keeping.run}/n")) == 1


@once
def test_an_idle_keeper_whose_folder_is_gone_leaves_it_so(daemon: Daemon, keeping: Keeping) -> None:
    daemon.close()
    remove(keeping.run)
    wait_dead([keeping.pid])
    assert not os.path.exists(keeping.run)


@once
def test_what_another_keeper_has_made_meanwhile_stays_its_own(
    daemon: Daemon, keeping: Keeping, house: House
) -> None:
    """The place of the first one is taken: it waits until it is free, and removes nothing."""
    daemon.start(WEB, ["sleep", "1000"])
    other = Place(str(house.home / "made"))
    other.take()
    os.rename(keeping.run, keeping.run + ".old")
    os.rename(other.folder, keeping.run)
    daemon.start("shop:web#2", ["true"])  # before that it looked
    assert not os.path.exists(f"{keeping.run}/keeper.sock")
    remove(keeping.run)
    wait_found(keeping.run)
    assert keeping.daemon().of(WEB) == ["spawned"]
    assert "locked by another keeper" in keeping.log.read_text()


# The place alone.


def test_where_inotify_cannot_be_had_it_is_looked_at_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(place, "PAUSE", 0.01)
    monkeypatch.setattr(inotify, "listen", none_left)
    found, loop, looks = Place(str(tmp_path / "run")), Loop(), iter(range(3))
    found.take()
    found.watch(loop, lambda: None if next(looks, None) is not None else loop.end())
    loop.run()
    assert capfd.readouterr().err.count("inotify is not available") == 1


def none_left() -> int:
    raise OSError(errno.EMFILE, "too many")


def test_one_keeper_has_a_place_until_its_folder_is_another(tmp_path: Path) -> None:
    first, second = Place(str(tmp_path / "run")), Place(str(tmp_path / "run"))
    first.take()
    first.take()
    assert first.stands()
    with pytest.raises(BlockingIOError):
        second.take()
    remove(tmp_path / "run")
    assert not first.stands()
    second.take()
    assert second.stands()
    assert not first.stands()


@needs_root
@pytest.mark.parametrize("kind_of_trap", ["folder", "link"])
def test_a_folder_of_another_user_is_not_taken(tmp_path: Path, kind_of_trap: str) -> None:
    run = tmp_path / "run"
    if kind_of_trap == "folder":
        run.mkdir()
    else:
        (tmp_path / "mine").mkdir()
        run.symlink_to(tmp_path / "mine")
    os.chown(run, 12345, 12345, follow_symlinks=False)
    with pytest.raises(PermissionError, match="belongs to another user"):
        Place(str(run)).take()


def test_losses_in_a_folder_are_news_and_what_is_made_is_not(tmp_path: Path) -> None:
    listener = inotify.listen()
    folder = tmp_path / "folder"
    folder.mkdir()
    inotify.hear_of_losses(listener, str(folder))
    (folder / "file").write_text("made")
    assert select.select([listener], [], [], 0)[0] == []
    (folder / "file").unlink()
    assert select.select([listener], [], [], 0)[0] == [listener]
    inotify.forget_news(listener)
    assert select.select([listener], [], [], 0)[0] == []
    folder.rmdir()
    assert select.select([listener], [], [], 0)[0] == [listener]
    with pytest.raises(FileNotFoundError):
        inotify.hear_of_losses(listener, str(folder))
    os.close(listener)
