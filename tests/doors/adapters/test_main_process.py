"""What a main process does while another one serves: real processes, looked at as the daemon does."""

from __future__ import annotations

from children import Child, Children, children, free_port
from locald.adapters.main_process import MainProcess
from locald.domain.lifecycle.messages import Process, Work
from locald.linux import procfs, socket_owners
from locald.linux.sockdiag import Table

__all__ = ["children"]

SERVER = "held = listen('127.0.0.1', int(told())); print('listens', flush=True); told()"
MAIN = """
import subprocess
told()
subprocess.run(["true"])
print("alone", flush=True)
told() if {rests} else None
while True:
    pass
"""


class Scene:
    """A server, and a main process that is not above it."""

    def __init__(self, children: Children, *, rests: bool) -> None:
        port = free_port()
        self.server = children.start(SERVER)
        self.server.tell(str(port))
        assert self.server.says() == "listens"
        with Table() as table:
            self.inode = next(each.inode for each in table.read() if each.port == port)
        self.main: Child = children.start(MAIN.format(rests=rests))
        self.looker = MainProcess(self.main.pid)

    def look(self, now: float) -> Work:
        owner = Process(self.server.pid)
        assert socket_owners.holders({self.inode}, [self.server.pid])
        self.looker.look(owner, self.inode, lambda: [self.server.pid, self.main.pid], now)
        assert self.looker.work
        return self.looker.work


def test_who_has_nothing_below_it_and_waits_rests_soon(children: Children) -> None:
    scene = Scene(children, rests=True)
    scene.main.tell("go")
    assert scene.main.says() == "alone"
    while procfs.stat(scene.main.pid).state != "S":  # type: ignore[union-attr]
        pass
    assert (scene.look(100.0).state, scene.look(100.1).since) == ("nothing", 100.0)


def test_who_waits_only_for_a_processor_is_at_work_from_when_that_is_seen(children: Children) -> None:
    """Between two commands a shell has nothing below it; on a busy machine that lasts."""
    scene = Scene(children, rests=False)
    scene.main.tell("go")
    assert scene.main.says() == "alone"
    assert (scene.look(100.0).state, scene.look(100.0).since) == ("busy", 100.0)
    assert scene.look(101.0).since == 100.0
