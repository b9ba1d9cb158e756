"""Files that services watch: which folders that takes, and what of their news is a change.

Each service that watches has a listener of the kernel's, and every folder that may hold one of its files is
watched in it: those that are left out (`node_modules`) cost nothing. A folder that is made later is watched
and looked through, for files may have been written in it before. What is told at once is one piece of news,
however many files it is about; a file that was only opened for writing has not changed.

The library that was meant for this (watchfiles) looks 20 times a second whether there is news, and needs 100
ms to tell it; the kernel's own listener costs nothing while there is none.

Source: inotify(7).
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import time
from typing import TYPE_CHECKING

from locald.adapters.left_out import GITIGNORE, LeftOut
from locald.domain.lifecycle.messages import FilesChanged, WatchTold
from locald.domain.project.globs import above, is_plain, matches, may_hold, parts
from locald.linux import file_news

if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.domain.lifecycle.messages import OfFiles
    from locald.domain.project.globs import Parts
    from locald.domain.project.names import Key
    from locald.domain.project.spec import FileWatch

log = logging.getLogger(__name__)

TOLD = 3
"""files of one change that are named"""
SLACK = 0.02
"""seconds: the time of a file is told by a clock that is so much behind"""
AGAIN = 1.0
"""seconds between two looks for a folder that has gone"""
_LOST = file_news.DELETE_SELF | file_news.MOVE_SELF
_GONE = file_news.MOVED_FROM | file_news.DELETE
_CAME = file_news.MOVED_TO | file_news.CREATE


class Limit(Exception):
    """The kernel gives no more. `trouble` says what there is too much of, `hint` what to do."""

    def __init__(self, trouble: str, hint: str) -> None:
        super().__init__(trouble)
        self.trouble, self.hint = trouble, hint


class Folders:
    """All folders of one watch, in one listener. To be used by one thread at a time."""

    def __init__(self, directory: str, watch: FileWatch) -> None:
        """Raises Limit."""
        globs = [parts(glob) for glob in watch.paths]
        self.root = _up(directory, max(map(above, globs)))
        inner = parts(os.path.relpath(directory, self.root))
        self._shown_from = directory
        self._globs = [_from_root(glob, inner) for glob in globs]
        self._plain = [glob for glob in self._globs if is_plain(glob)]
        self._ignore = ["/".join(_from_root(parts(glob), inner)) for glob in watch.ignore]
        self._began = time.time()  # of the files' clock
        self._changed: dict[Parts, float] = {}
        """files that have changed, and when they had last, by their own word"""
        self.listener = _listener()
        self._paths: dict[int, set[Parts]] = {}
        self._numbers: dict[Parts, int] = {}
        self._links: dict[int, dict[str, Parts]] = {}
        """files elsewhere that links here lead to, by the folder that they are in"""
        self.was_gone = False
        """The folder that all is below was away: whatever is there now may be new."""
        self._read_ignored()

    def _read_ignored(self) -> None:
        self._left_out = LeftOut(self.root, self._ignore)

    @property
    def names(self) -> list[str]:
        """Of the folders that are watched."""
        return ["/".join(path) for path in self._numbers]

    def close(self) -> None:
        os.close(self.listener)

    def look_through(self) -> list[Parts]:
        """Watch all that there is now. Returns the files. Raises Limit."""
        self._read_ignored()
        files: list[Parts] = []
        self._enter((), files)
        return files

    def news(self) -> tuple[list[str], bool]:
        """The files that have changed, and whether all is to be looked through again. Raises Limit."""
        found: dict[Parts, None] = {}
        anew = False
        for number, bits, name in file_news.news(self.listener):
            if bits & file_news.OVERFLOW:
                anew = True
            elif bits & file_news.IGNORED or bits & _LOST:
                anew = self._lost(number) or anew
            else:
                anew = self._happened(number, bits, name, found) or anew
        return [self.shown(path) for path in found], anew

    def shown(self, path: Parts) -> str:
        return os.path.relpath(os.path.join(self.root, *path), self._shown_from)

    def _happened(self, number: int, bits: int, name: str, found: dict[Parts, None]) -> bool:
        if link := self._links.get(number, {}).get(name):
            self._note(link, found)
        for folder in tuple(self._paths.get(number, ())):
            path = (*folder, name)
            if bits & file_news.IS_FOLDER:
                self._folder(path, bits, found)
            elif self._is_meant(path):
                self._file(path, bits, found)
            if name == GITIGNORE and bits & (file_news.CLOSE_WRITE | _CAME | _GONE):
                return True
        return False

    def _folder(self, path: Parts, bits: int, found: dict[Parts, None]) -> None:
        if bits & _GONE:
            self._leave(path)
        if bits & _CAME and self._is_entered(path):
            files: list[Parts] = []
            self._enter(path, files)
            for file in files:
                self._note(file, found)

    def _file(self, path: Parts, bits: int, found: dict[Parts, None]) -> None:
        if bits & _GONE:
            self._changed.pop(path, None)
            found[path] = None
        elif bits & file_news.CREATE and not os.path.islink(os.path.join(self.root, *path)):
            pass  # when it is written, that is told
        else:
            self._note(path, found)

    def _note(self, path: Parts, found: dict[Parts, None]) -> None:
        """It has changed, if it has since the last time."""
        try:
            at = os.stat(os.path.join(self.root, *path)).st_ctime
        except OSError:  # it is gone again
            return
        if at > self._changed.get(path, self._began - SLACK):
            self._changed[path] = at
            found[path] = None

    def _is_meant(self, path: Parts) -> bool:
        if path in self._plain:
            return True
        is_named = any(matches(glob, path) for glob in self._globs)
        return is_named and not self._left_out.holds(path, is_folder=False)

    def _is_entered(self, folder: Parts) -> bool:
        if any(glob[: len(folder)] == folder for glob in self._plain):
            return True
        may = any(may_hold(glob, folder) for glob in self._globs)
        return may and not self._left_out.holds(folder, is_folder=True)

    def _enter(self, top: Parts, files: list[Parts]) -> None:
        """Watch this folder and those below it. `files`: gets all that are meant."""
        waiting = [(top, frozenset[tuple[int, int]]())]
        while waiting:
            folder, above = waiting.pop()
            whole = os.path.join(self.root, *folder)
            try:
                status = os.stat(whole)
                identity = (status.st_dev, status.st_ino)
                if identity in above:  # a link that leads to where it is
                    continue
                self._watch(folder, whole)
                entries = list(os.scandir(whole))
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.ENOMEM):
                    raise _too_many(self.root) from None
                continue
            for entry in entries:
                path = (*folder, entry.name)
                if not _is_folder(entry):
                    self._present(path, entry, files)
                elif self._is_entered(path):
                    waiting.append((path, above | {identity}))

    def _present(self, path: Parts, entry: os.DirEntry[str], files: list[Parts]) -> None:
        if self._is_meant(path):
            files.append(path)
            if entry.is_symlink():
                self._watch_target(path, os.path.realpath(entry.path))

    def _watch(self, folder: Parts, whole: str) -> None:
        number = file_news.hear_of(self.listener, whole)
        self._paths.setdefault(number, set()).add(folder)
        self._numbers[folder] = number

    def _watch_target(self, path: Parts, target: str) -> None:
        try:
            number = file_news.hear_of(self.listener, os.path.dirname(target))
        except OSError:
            return
        self._links.setdefault(number, {})[os.path.basename(target)] = path

    def _leave(self, top: Parts) -> None:
        """It was moved away or removed, with all below it."""
        for folder in [each for each in self._numbers if each[: len(top)] == top]:
            number = self._numbers.pop(folder)
            paths = self._paths.get(number, set())
            paths.discard(folder)
            if not paths and number not in self._links:
                self._paths.pop(number, None)
                file_news.hear_no_more_of(self.listener, number)

    def _lost(self, number: int) -> bool:
        """Whether that was the folder that all is below."""
        paths = self._paths.pop(number, set())
        if () in paths:
            self._leave(())
            self.was_gone = True
            return True
        for folder in paths:
            if self._numbers.get(folder) == number:
                del self._numbers[folder]
        return False


class Watching:
    """All watches of a daemon. `post` gets what has changed, `now` is the daemon's clock."""

    def __init__(self, post: Callable[[OfFiles], None], now: Callable[[], float]) -> None:
        self._post, self._now = post, now
        self.watches: dict[Key, Watch] = {}

    def watch(self, key: Key, directory: str, watch: FileWatch) -> None:
        self.unwatch(key)
        self.watches[key] = Watch(key, directory, watch, self._post, self._now)

    def unwatch(self, key: Key) -> None:
        if watch := self.watches.pop(key, None):
            watch.close()

    def close(self) -> None:
        for key in list(self.watches):
            self.unwatch(key)


class Watch:
    """That of one service. `folders`: None where the kernel allows no listener, or when it is closed."""

    def __init__(
        self,
        key: Key,
        directory: str,
        watch: FileWatch,
        post: Callable[[OfFiles], None],
        now: Callable[[], float],
    ) -> None:
        self._key, self._watch, self._post, self._now = key, watch, post, now
        self.folders: Folders | None = None
        self._is_closed = False
        self._is_empty = False
        """nothing matched when it was looked for, and that was told"""
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._busy: asyncio.Future[list[Parts]] | None = None
        try:
            self.folders = Folders(directory, watch)
        except Limit as limit:
            self._tell(limit.trouble, limit.hint)
        else:
            self._look_through()

    def close(self) -> None:
        self._is_closed = True
        if self._timer:
            self._timer.cancel()
        if self._busy is None:
            self._let_go()

    def _let_go(self) -> None:
        if self.folders:
            self._loop.remove_reader(self.folders.listener)
            self.folders.close()
            self.folders = None

    def _look_through(self) -> None:
        """In a thread, for there may be many folders; news waits meanwhile."""
        if self.folders is None or self._busy:
            return
        self._loop.remove_reader(self.folders.listener)
        self._busy = self._loop.run_in_executor(None, self.folders.look_through)
        self._busy.add_done_callback(self._looked_through)

    def _looked_through(self, done: asyncio.Future[list[Parts]]) -> None:
        self._busy = None
        error = None if done.cancelled() else done.exception()
        if self._is_closed or self.folders is None or done.cancelled():
            self._let_go()
            return
        if isinstance(error, Limit):
            self._tell(error.trouble, error.hint)
        elif error:
            log.error("failed: watch the files of %s", self._key, exc_info=error)
        else:
            self._found(self.folders, done.result())
        self._loop.add_reader(self.folders.listener, self._ready)

    def _found(self, folders: Folders, files: list[Parts]) -> None:
        if not os.path.isdir(folders.root):
            folders.was_gone = True
            self._timer = self._loop.call_later(AGAIN, self._look_through)
        elif not files:
            self._is_empty = True
            globs = ", ".join(self._watch.paths)
            self._tell(f"nothing matches its `watch`: {globs}", "check the globs, relative to the folder")
        else:
            self._match()
            if folders.was_gone:
                folders.was_gone = False
                self._changed([folders.shown(path) for path in files[:TOLD]], len(files))

    def _ready(self) -> None:
        assert self.folders
        try:
            paths, anew = self.folders.news()
        except Limit as limit:
            self._tell(limit.trouble, limit.hint)
            return
        if paths:
            if self._is_empty:
                self._match()
            self._changed(paths[:TOLD], len(paths))
        if anew:
            self._look_through()

    def _match(self) -> None:
        """There are files that match."""
        self._is_empty = False
        self._tell("", "")

    def _changed(self, paths: list[str], count: int) -> None:
        self._post(FilesChanged(self._key, tuple(paths), count, self._now()))

    def _tell(self, trouble: str, hint: str) -> None:
        self._post(WatchTold(self._key, trouble, hint))


def _up(directory: str, levels: int) -> str:
    for _ in range(levels):
        directory = os.path.dirname(directory)
    return directory


def _from_root(glob: Parts, inner: Parts) -> Parts:
    """The glob as seen from the root, which the project's folder is `inner` below."""
    ups = above(glob)
    return (*inner[: len(inner) - ups], *glob[ups:])


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _listener() -> int:
    try:
        return file_news.listen()
    except OSError as error:
        if error.errno in (errno.EMFILE, errno.ENFILE):
            name, told = _limit("instances", "listeners of inotify")
            hint = f"run `sudo sysctl {name}=1024` to allow more"
            raise Limit(f"cannot watch files: {told}", hint) from None
        raise Limit(f"cannot watch files: {error.strerror}", "run `locald doctor`") from None


def _too_many(root: str) -> Limit:
    name, told = _limit("watches", "watched folders")
    hint = f"run `sudo sysctl {name}=524288` to allow more, or watch fewer folders"
    return Limit(f"not all files below {root} are watched: {told}", hint)


def _limit(kind: str, what: str) -> tuple[str, str]:
    """The setting that allows no more, and a sentence. A user namespace has a limit of its own, which may be
    the smaller one (namespaces(7))."""
    names = (f"fs.inotify.max_user_{kind}", f"user.max_inotify_{kind}")
    found = [(most, name) for name in names if (most := _setting(name)) is not None]
    most, name = min(found, key=lambda each: each[0], default=(None, names[0]))
    return name, f"the kernel allows a user {'some' if most is None else most} {what} ({name})"


def _setting(name: str) -> int | None:
    try:
        with open(f"/proc/sys/{name.replace('.', '/')}") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None
