"""What a main process does while another one serves: real processes, looked at as the daemon does."""

from __future__ import annotations

from children import Children, children, free_port
from locald.adapters.main_process import MainProcess
from locald.domain.lifecycle.messages import Process, Work
from locald.linux import procfs
from locald.linux.sockdiag import Table

__all__ = ["children"]

SERVER = "held = listen('127.0.0.1', int(told())); print('listens', flush=True); told()"
MAIN = """
import subprocess
def begin(order):
    if order == "fork":
        return os.fork() or time.sleep(1000)
    return subprocess.Popen([order, "1000"]).pid if order == "sleep" else 0
below = 0
while True:
    order = told()
    if below:
        os.kill(below, signal.SIGKILL)
        os.waitpid(below, 0)
    below = begin(order)
    print(order, flush=True)
    while order == "spin":
        pass
"""


class Scene:
    """A server, and a main process that is not above it and does one thing after the other."""

    def __init__(self, children: Children) -> None:
        port = free_port()
        server = children.start(SERVER)
        server.tell(str(port))
        assert server.says() == "listens"
        with Table() as table:
            self._inode = next(each.inode for each in table.read() if each.port == port)
        self._owner = Process(server.pid)
        self._main = children.start(MAIN)
        self._looker = MainProcess(self._main.pid)

    def does(self, what: str, now: float) -> Work:
        self._main.tell(what)
        assert self._main.says() == what
        while what != "spin" and not self._rests():
            pass
        return self.look(now)

    def look(self, now: float) -> Work:
        self._looker.look(self._owner, self._inode, lambda: [self._owner.pid, self._main.pid], now)
        assert self._looker.work
        return self._looker.work

    def _rests(self) -> bool:
        found = procfs.stat(self._main.pid)
        return found is not None and found.state == "S"


def test_who_has_nothing_below_it_and_waits_rests_soon(children: Children) -> None:
    scene = Scene(children)
    assert scene.does("nothing", 100.0).state == "nothing"
    assert scene.look(100.1).since == 100.0


def test_who_waits_only_for_a_processor_is_at_work(children: Children) -> None:
    """Between two commands a shell has nothing below it; on a busy machine that lasts."""
    scene = Scene(children)
    assert scene.does("fork", 100.0).state == "busy"
    work = scene.does("spin", 110.0)
    assert (work.state, work.doing, work.since) == ("busy", None, 110.0)
    assert scene.look(111.0).since == 110.0


def test_when_something_ends_another_thing_is_about_to_begin(children: Children) -> None:
    """What was just forked has its parent's arguments until it is executed, on a busy machine for long."""
    scene = Scene(children)
    assert scene.does("fork", 100.0).since == 100.0
    assert scene.does("sleep", 104.0).since == 104.0
    assert scene.does("fork", 108.0).since == 108.0


def test_a_loop_does_nothing_new(children: Children) -> None:
    scene = Scene(children)
    turns = [scene.does(what, 100.0 + each).since for each, what in enumerate(["fork", "sleep"] * 4)]
    assert turns == [100.0, 101.0, 102.0, 102.0, 102.0, 102.0, 102.0, 102.0]
