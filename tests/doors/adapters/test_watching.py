"""Files that are watched: every way in which a file changes is told, once, and nothing else is."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from locald.adapters import watching
from locald.adapters.watching import Watching
from locald.domain.lifecycle.messages import FilesChanged, WatchTold
from locald.domain.project.names import Key
from locald.domain.project.spec import FileWatch
from locald.linux import file_news

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from locald.domain.lifecycle.messages import OfFiles

WEB = Key("shop", "web")
PATIENCE = 20.0


class Watched:
    """The files of one service, and what was told of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.news: asyncio.Queue[OfFiles] = asyncio.Queue()
        self._watching = Watching(self.news.put_nowait, time.time)
        self._seen: list[str] = []

    async def begin(self, *paths: str, ignore: tuple[str, ...] = ()) -> WatchTold:
        """Watch, and wait until all that is there is watched."""
        self._watching.watch(WEB, str(self.folder), FileWatch(paths, ignore))
        return await self.until_told()

    async def until_told(self) -> WatchTold:
        while True:
            news = await asyncio.wait_for(self.news.get(), PATIENCE)
            if isinstance(news, WatchTold):
                return news
            self._seen += news.paths

    async def sees(self, *paths: str) -> None:
        """Exactly these are told of, each once."""
        self.write("fence", str(time.monotonic()))
        while "fence" not in self._seen:
            news = await asyncio.wait_for(self.news.get(), PATIENCE)
            if isinstance(news, FilesChanged):
                self._seen += news.paths
        self._seen.remove("fence")
        assert sorted(self._seen) == sorted(paths)
        self._seen.clear()

    @property
    def folders(self) -> list[str]:
        """Those that are watched."""
        found = self._watching.watches[WEB].folders
        return found.names if found else []

    def write(self, name: str, text: str = "x") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def close(self) -> None:
        self._watching.close()


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watched]:
    monkeypatch.setattr(watching, "TOLD", 100)
    (tmp_path / "shop").mkdir()
    made = Watched(tmp_path / "shop")
    yield made
    made.close()


async def test_a_file_that_is_written_is_told(watched: Watched) -> None:
    watched.write("src/api.py")
    watched.write("src/read.me")
    assert await watched.begin("src/**/*.py", "fence") == WatchTold(WEB, "", "")
    watched.write("src/api.py", "changed")
    watched.write("src/read.me", "changed")
    watched.write("src/deep/er/new.py")
    await watched.sees("src/api.py", "src/deep/er/new.py")


async def test_an_editor_that_writes_by_rename_is_seen(watched: Watched) -> None:
    """The new file is made beside the old one, and takes its place."""
    watched.write("src/api.py")
    await watched.begin("src/**/*.py", "fence")
    watched.write("src/.api.py.swp", "new").rename(watched.folder / "src/api.py")
    await watched.sees("src/api.py")


async def test_a_file_that_is_only_opened_for_writing_has_not_changed(watched: Watched) -> None:
    path = watched.write("src/api.py")
    await asyncio.sleep(2 * watching.SLACK)
    await watched.begin("src", "fence")
    with path.open("a"):
        pass
    await watched.sees()


async def test_what_is_removed_or_moved_is_told(watched: Watched) -> None:
    for name in ("gone.py", "from.py", "dir/inner.py"):
        watched.write(f"src/{name}")
    await watched.begin("src/**/*.py", "fence")
    (watched.folder / "src/gone.py").unlink()
    (watched.folder / "src/from.py").rename(watched.folder / "src/to.py")
    await watched.sees("src/gone.py", "src/from.py", "src/to.py")


async def test_a_folder_that_is_moved_removed_or_made_again_stays_watched(watched: Watched) -> None:
    watched.write("src/one/a.py")
    await watched.begin("src/**/*.py", "fence")
    (watched.folder / "src/one").rename(watched.folder / "src/two")
    await watched.sees("src/two/a.py")
    watched.write("src/two/a.py", "changed")
    await watched.sees("src/two/a.py")
    shutil.rmtree(watched.folder / "src")
    await watched.sees("src/two/a.py")
    watched.write("src/two/a.py", "again")
    await watched.sees("src/two/a.py")


async def test_the_projects_folder_itself_may_be_made_anew(watched: Watched) -> None:
    watched.write("src/a.py")
    await watched.begin("src/**/*.py", "fence")
    watched.folder.rename(watched.folder.with_name("before"))
    watched.write("src/a.py", "again")
    await watched.until_told()
    await watched.sees("src/a.py")
    watched.write("src/a.py", "changed")
    await watched.sees("src/a.py")


async def test_what_is_left_out_is_not_told_and_costs_nothing(watched: Watched) -> None:
    for name in ("node_modules/a/b/c.js", ".git/objects/x.js", ".venv/lib/y.js", "a/__pycache__/z.js"):
        watched.write(name)
    watched.write(".gitignore", "dist/\n*.log\n!keep.log\n/only-here\n")
    watched.write("lib/.gitignore", "made.js\n")
    for name in ("dist/a.js", "x.log", "keep.log", "lib/made.js", "lib/only-here", "only-here", "own.js"):
        watched.write(name)
    await watched.begin("**", ignore=("own.js",))
    for path in [path for path in watched.folder.rglob("*") if path.is_file()]:
        if path.name != ".gitignore":
            path.write_text("changed")
    await watched.sees("keep.log", "lib/only-here")
    assert sorted(watched.folders) == ["", "a", "lib"]


async def test_a_gitignore_that_changes_counts_from_then_on(watched: Watched) -> None:
    watched.write("src/gen.py")
    await watched.begin("src/**/*.py", "fence")
    watched.write(".gitignore", "gen.py\n")
    await watched.until_told()
    watched.write("src/gen.py", "changed")
    await watched.sees()


async def test_a_file_that_is_named_exactly_is_watched_whatever_is_ignored(watched: Watched) -> None:
    watched.write(".gitignore", "dist\n.env*\n")
    watched.write("dist/manifest.json")
    watched.write("dist/other.json")
    await watched.begin("dist/manifest.json", ".env.local", "fence")
    watched.write("dist/manifest.json", "changed")
    watched.write("dist/other.json", "changed")
    watched.write(".env.local", "A=1")
    await watched.sees("dist/manifest.json", ".env.local")


async def test_links_are_followed_and_circles_are_not(watched: Watched) -> None:
    shared = watched.folder.parent / "shared"
    shared.mkdir()
    (shared / "lib.py").write_text("x")
    (shared / "one.py").write_text("x")
    watched.write("src/a.py")
    (watched.folder / "src/lib").symlink_to(shared)
    (watched.folder / "src/circle").symlink_to(watched.folder / "src")
    (watched.folder / "src/one.py").symlink_to(shared / "one.py")
    await watched.begin("src/**/*.py", "fence")
    (shared / "lib.py").write_text("changed")
    await watched.sees("src/lib/lib.py")
    (shared / "one.py").write_text("changed")
    await watched.sees("src/one.py", "src/lib/one.py")


async def test_a_glob_may_begin_above_the_folder(watched: Watched) -> None:
    shared = watched.folder.parent / "shared"
    shared.mkdir()
    (shared / "lib.py").write_text("x")
    await watched.begin("src", "../shared/*.py", "fence")
    (shared / "lib.py").write_text("changed")
    watched.write("src/a.py")
    await watched.sees("../shared/lib.py", "src/a.py")


async def test_a_checkout_of_thousands_of_files_is_told_in_a_few_words(watched: Watched) -> None:
    for n in range(2000):
        watched.write(f"src/{n % 50}/{n}.py")
    await watched.begin("src/**/*.py", "fence")
    for n in range(2000):
        watched.write(f"src/{n % 50}/{n}.py", "changed")
    counted = 0
    while counted < 2000:
        news = await asyncio.wait_for(watched.news.get(), PATIENCE)
        assert isinstance(news, FilesChanged)
        counted += news.count
    assert counted == 2000


async def test_a_glob_that_matches_nothing_is_told(watched: Watched) -> None:
    told = await watched.begin("scr/**/*.py")
    assert told.trouble == "nothing matches its `watch`: scr/**/*.py"


async def test_that_nothing_matches_is_taken_back_with_the_first_file_that_does(watched: Watched) -> None:
    watched.write("src/made.py", "").unlink()
    told = await watched.begin("src", "fence")
    assert told.trouble == "nothing matches its `watch`: src, fence"
    watched.write("src/made.py", "changed")
    assert (await watched.until_told()).trouble == ""
    await watched.sees("src/made.py")


@pytest.mark.parametrize(
    ("limit", "door", "number"),
    [("max_user_watches", "hear_of", errno.ENOSPC), ("max_user_instances", "listen", errno.EMFILE)],
)
async def test_a_limit_of_the_kernel_is_told_with_the_remedy(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, limit: str, door: str, number: int
) -> None:
    """No test may set it, for it is that of everybody here."""

    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    watched.write("src/a.py")
    monkeypatch.setattr(file_news, door, refuse)
    told = await watched.begin("src")
    assert f"(fs.inotify.{limit})" in told.trouble
    assert f"sudo sysctl fs.inotify.{limit}=" in told.hint


LIMITED = """
import sys
from locald.adapters.watching import Folders, Limit
from locald.domain.project.spec import FileWatch
with open("/proc/sys/user/max_inotify_watches", "w") as file:
    file.write("20")
folders = Folders(sys.argv[1], FileWatch(("src",)))
try:
    folders.look_through()
except Limit as limit:
    print(limit.trouble, limit.hint, len(folders.names), sep="\\n")
"""


def test_a_tree_that_is_larger_than_the_limit_is_watched_as_far_as_it_goes(watched: Watched) -> None:
    """A real limit: that of a user namespace."""
    for number in range(100):
        watched.write(f"src/{number}/a.py")
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", LIMITED, str(watched.folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unshare" in done.stderr:
        pytest.skip(f"no user namespace can be made here: {done.stderr}")
    assert done.returncode == 0, done.stderr
    trouble, hint, count = done.stdout.splitlines()
    assert trouble.startswith(f"not all files below {watched.folder} are watched: ")
    assert "the kernel allows a user 20 watched folders (user.max_inotify_watches)" in trouble
    assert "sudo sysctl user.max_inotify_watches=" in hint
    assert int(count) == 20


async def test_a_glob_that_matches_everything_leaves_out_what_is_left_out(watched: Watched) -> None:
    for name in ("a.py", "src/b.py", "node_modules/x/c.js", ".git/HEAD", ".venv/d.py"):
        watched.write(name)
    await watched.begin("**")
    watched.write("node_modules/x/c.js", "changed")
    watched.write(".git/HEAD", "changed")
    watched.write("a.py", "changed")
    watched.write("src/b.py", "changed")
    await watched.sees("a.py", "src/b.py")


async def test_ten_thousand_files_take_little_memory_and_no_time_while_nothing_changes(
    watched: Watched,
) -> None:
    for n in range(10_000):
        watched.write(f"src/{n % 100}/{n}.py")
    before = resident()
    await watched.begin("src/**/*.py")
    assert resident() - before < 15 * 1024
    spent = time.process_time()
    await asyncio.sleep(0.5)
    assert time.process_time() - spent < 0.02


def resident() -> int:
    """KB of this process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() // 1024
