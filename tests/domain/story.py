"""A story is told to the world one message at a time, and reads like the log that it would leave.

Each teller (`up`, `spawned`, `exits`, …) gives the world one piece of news and returns the orders that
follow, said in words: `["terminate web#1"]`. What is told beside them (watching, notes, forgetting) is in
`asides`. Time is a number that `wait` moves; deadlines on the way are met, as the daemon's loop would.

After every message some promises are checked that hold in any story: `because` is never empty, `moved` names
exactly what moved, no deadline is left behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from locald.daemon.recovery import restore
from locald.domain.explain.view import Row, is_down, is_settled, row
from locald.domain.explain.why import Why, why
from locald.domain.lifecycle.messages import (
    Adopt,
    Discard,
    Down,
    Due,
    Effect,
    Exit,
    Exited,
    FilesChanged,
    Forget,
    Gone,
    Kill,
    Kin,
    LastWord,
    Listener,
    Listens,
    Lost,
    Message,
    Note,
    Notified,
    NotStarted,
    Probed,
    Process,
    Restart,
    Sender,
    SenderEnded,
    Shutdown,
    Signal,
    Slept,
    Spawned,
    Standing,
    Start,
    Stop,
    Stuck,
    Terminate,
    Unwatch,
    Up,
    Watch,
)
from locald.domain.lifecycle.step import step
from locald.domain.lifecycle.world import World
from locald.domain.project.names import Key, Run
from locald.domain.project.spec import Caller, Condition, Definition, Project, ServiceSpec, Type

if TYPE_CHECKING:
    from locald.domain.lifecycle.service import Service

BEGIN = 1000.0
"""when stories begin, seconds"""

STRANGER = Process(4711, "nc")


def service(name: str, *depends_on: str, **keys: Any) -> ServiceSpec:
    """A `[services.NAME]` table; dependencies as in a plain list, or as `name=condition`."""
    conditions = (text.partition("=") for text in depends_on)
    needs = {need: Condition(condition or "healthy") for need, _, condition in conditions}
    return ServiceSpec(name, **{"command": f"run {name}", "depends_on": needs} | keys)


def worker(name: str, *depends_on: str, **keys: Any) -> ServiceSpec:
    return service(name, *depends_on, type=Type.WORKER, **keys)


def task(name: str, *depends_on: str, **keys: Any) -> ServiceSpec:
    """As the file makes it: without a start timeout and without a retry, if nothing else is said."""
    given = {"type": Type.TASK, "start_timeout": None, "restart": "no"} | keys
    return service(name, *depends_on, **given)


def project(*specs: ServiceSpec, name: str = "shop") -> Project:
    """What `up` makes of a file. The same service has the same port in every one."""
    definitions = {spec.name: definition(spec, name) for spec in specs}
    return Project(name, f"{name}.localhost", f"/{name}", definitions)


def definition(spec: ServiceSpec, project: str = "shop") -> Definition:
    return Definition(Key(project, spec.name), f"/{project}", spec, port_of(spec))


def port_of(spec: ServiceSpec) -> int | None:
    if spec.type in (Type.WORKER, Type.TASK):
        return None
    return spec.port or 24000 + sum(spec.name.encode()) % 1000


def listener(port: int, owner: Process = STRANGER, address: str = "127.0.0.1") -> Listener:
    return Listener(address, port, owner)


class Story:
    def __init__(self, *specs: ServiceSpec) -> None:
        self.project = project(*specs)
        self.world = World()
        self.now = BEGIN
        self.asides: list[str] = []
        self.notes: list[str] = []
        self.looks = True
        """READY=1 is followed at once by what the run listens on by then, as the adapter tells it"""

    def tell(self, message: Message) -> list[str]:
        before = self.world.services
        outcome = step(self.world, message, self.now)
        self.world = outcome.world
        self.notes += [effect.line for effect in outcome.effects if isinstance(effect, Note)]
        self.asides = [say(e) for e in outcome.effects if isinstance(e, Watch | Unwatch | Forget | Adopt)]
        _check(before, outcome.moved, self.world)
        return [say(e) for e in outcome.effects if isinstance(e, Start | Terminate | Signal | Kill | Discard)]

    # Commands.

    def up(self, *names: str, caller: Caller | None = None) -> list[str]:
        wanted = frozenset(names or self.project.definitions)
        return self.tell(Up(self.project, wanted, frozenset(names), caller or Caller()))

    def edit(self, *specs: ServiceSpec) -> list[str]:
        """The file says this from now on; nothing happens before the next `up`."""
        self.project = project(*specs)
        return []

    def stop(self, *names: str) -> list[str]:
        return self.tell(Stop(frozenset(map(key, names))))

    def restart(self, *names: str) -> list[str]:
        return self.tell(Restart(frozenset(map(key, names)), Caller()))

    def down(self) -> list[str]:
        return self.tell(Down("shop"))

    def shutdown(self) -> list[str]:
        return self.tell(Shutdown())

    # Processes. A run is written `web#1`.

    def spawned(self, run: str, pid: int | None = None) -> list[str]:
        return self.tell(Spawned(_run(run), pid or pid_of(run), self.now))

    def refused(
        self, run: str, reason: str = "no such program: run", hint: str = "", may_pass: bool = False
    ) -> list[str]:
        return self.tell(NotStarted(_run(run), reason, hint, self.now, may_pass=may_pass))

    def exited(
        self,
        run: str,
        code: int | None = None,
        *,
        signal: int | None = None,
        left: int = 0,
        pid: int = 0,
        behind: tuple[Process, ...] = (),
    ) -> list[str]:
        """The main process ended; what is left of the tree lives on."""
        how = Exit(code, signal)
        left = left or len(behind)
        return self.tell(Exited(_run(run), pid or pid_of(run), how, left, self.now, behind))

    def gone(self, run: str) -> list[str]:
        return self.tell(Gone(_run(run), self.now))

    def exits(self, run: str, code: int | None = None, *, signal: int | None = None) -> list[str]:
        """The main process ended, and nothing is left."""
        return self.exited(run, code, signal=signal) + self.gone(run)

    def said(self, run: str, line: str) -> list[str]:
        """Somebody has looked at what the run printed before it ended."""
        return self.tell(LastWord(_run(run), line, self.now))

    def stopped(self, *runs: str) -> list[str]:
        """They honour SIGTERM."""
        return [order for run in runs for order in self.exits(run, signal=15)]

    def stuck(self, run: str, *processes: Process) -> list[str]:
        return self.tell(Stuck(_run(run), processes, self.now))

    def lost(self, run: str, reason: str = "the machine restarted") -> list[str]:
        return self.tell(Lost(_run(run), reason, self.now))

    # Files.

    def changes(self, name: str, *paths: str, count: int = 0) -> list[str]:
        """Files that it watches have changed."""
        return self.tell(FilesChanged(key(name), paths, count or len(paths), self.now))

    # Health.

    def listens(self, run: str, *ports: int, accepts: bool = True, holder: int | None = None) -> list[str]:
        """The run's tree listens on these ports now; without any, on its own."""
        mine = tuple(listener(port, Process(pid_of(run), "node")) for port in ports or (self.port(run),))
        return self._listens(run, mine, accepts, holder)

    def closes(self, run: str, *, holder: int | None = None) -> list[str]:
        """The run's tree listens nowhere."""
        return self._listens(run, (), False, holder)

    def _listens(
        self, run: str, listeners: tuple[Listener, ...], accepts: bool, holder: int | None
    ) -> list[str]:
        foreign = listener(holder) if holder else None
        return self.tell(Listens(_run(run), listeners, accepts, foreign, self.now))

    def probed(self, run: str, ok: bool, detail: str = "") -> list[str]:
        return self.tell(Probed(_run(run), ok, detail or ("HTTP 200" if ok else "HTTP 500"), self.now))

    def says(
        self,
        run: str,
        *words: str,
        by: Standing = "member",
        pid: int = 0,
        main: int | None = None,
        line: tuple[Kin, ...] | None = None,
    ) -> list[str]:
        """One datagram with these assignments. `line`: as a keeper tells it that knows of senders."""
        return self.says_bytes(run, "\n".join(words).encode(), by=by, pid=pid, main=main, line=line)

    def says_bytes(
        self,
        run: str,
        datagram: bytes,
        *,
        by: Standing = "member",
        pid: int = 0,
        main: int | None = None,
        line: tuple[Kin, ...] | None = None,
    ) -> list[str]:
        sender = Sender(Process(pid or pid_of(run), "node"), 1000, by, line)
        orders = self.tell(Notified(_run(run), sender, datagram, self.now, main))
        facts = self.world.services[_run(run).key].facts if self.looks else None
        if facts is None or facts.looks_until is None:
            return orders
        asides, looked = self.asides, self.tell(Listens(_run(run), facts.listeners, False, None, self.now))
        self.asides = [*asides, *self.asides]
        return [*orders, *looked]

    def ended(self, run: str, pid: int) -> list[str]:
        """A process has ended that said READY=1 or STOPPING=1, or one above it."""
        return self.tell(SenderEnded(_run(run), pid, self.now))

    def healthy(self, *runs: str) -> list[str]:
        """They are spawned and become healthy in the usual way of their type."""
        return [order for run in runs for order in self._becomes_healthy(run)]

    def _becomes_healthy(self, run: str) -> list[str]:
        orders = self.spawned(run)
        type_ = self.service(run).spec.type
        if type_ is Type.TASK:
            return orders + self.exits(run, 0)
        return orders + (self.wait(0.2) if type_ is Type.WORKER else self.listens(run))

    # Time.

    def wait(self, seconds: float) -> list[str]:
        """Time passes, and every deadline on the way is met."""
        until, orders = round(self.now + seconds, 6), []
        while (at := self.deadline) is not None and round(at[0], 6) <= until:
            self.now = max(self.now, at[0])
            orders += self.tell(Due(at[1]))
            assert self.deadline is None or self.deadline[0] > self.now or self.deadline[1] != at[1]
        self.now = until
        return orders

    def sleeps(self, seconds: float) -> list[str]:
        """The machine does, and wakes up."""
        self.now += seconds
        return self.tell(Slept(seconds))

    @property
    def deadline(self) -> tuple[float, Key] | None:
        """The next one, and whose it is."""
        found = ((s.deadline, s.key) for s in self.world.services.values() if s.deadline is not None)
        return min(found, default=None)

    # The daemon dies.

    def daemon_dies(self) -> list[str]:
        """Another one begins with what this one knew, and asks the keeper about every run."""
        self.world, effects = restore(self.world)
        return [say(effect) for effect in effects]

    def state_is_lost(self, **past_runs: int) -> list[str]:
        """Another one begins with nothing, but for the last run of which there is a log, by service."""
        self.world, effects = restore(World(), {key(name): run for name, run in past_runs.items()})
        return [say(effect) for effect in effects]

    # What people see.

    def service(self, name: str) -> Service:
        return self.world.services[key(name)]

    def row(self, name: str) -> Row:
        return row(self.world, self.service(name))

    def state(self, name: str) -> str:
        return self.row(name).state

    def states(self) -> dict[str, str]:
        return {one.service: self.state(one.service) for one in self.world.services}

    def health(self, name: str) -> tuple[str, str]:
        """Health and source."""
        shown = self.row(name)
        return str(shown.health), str(shown.source)

    def because(self, name: str) -> str:
        return self.row(name).because

    def waiting_on(self, name: str) -> tuple[str, ...]:
        return self.row(name).waiting_on

    def why(self, name: str) -> Why:
        return why(self.world, key(name))

    def port(self, name: str) -> int:
        found = self.service(name).present.port
        assert found is not None, f"{name} has no port"
        return found

    def is_settled(self, *names: str) -> bool:
        return all(map(is_settled, self._services(names)))

    def is_down(self, *names: str) -> bool:
        return all(map(is_down, self._services(names)))

    def _services(self, names: tuple[str, ...]) -> list[Service]:
        """Those of these names that there are, or all."""
        keys = map(key, names) if names else self.world.services
        return [self.world.services[each] for each in keys if each in self.world.services]

    def __contains__(self, name: str) -> bool:
        return key(name) in self.world.services


def key(text: str) -> Key:
    """`web` or `web#3`; of another project or instance `shop@feat:web#3`."""
    name = text.partition("#")[0]
    return Key.parse(name) if ":" in name else Key("shop", name)


def pid_of(run: str) -> int:
    """Every run has a pid of its own."""
    name, _, number = run.partition("#")
    return 1000 + sum(name.encode()) % 100 * 100 + int(number)


def say(effect: Effect) -> str:
    match effect:
        case Discard(key_):
            return f"discard {_named(key_)}"
        case _:
            return f"{type(effect).__name__.lower()} {_named(effect.run.key)}#{effect.run.number}"


def _named(key: Key) -> str:
    return key.service if key.project == "shop" else str(key)


def _run(text: str) -> Run:
    return Run(key(text), int(text.partition("#")[2]))


def _check(before: Any, moved: frozenset[Key], world: World) -> None:
    keys = before.keys() | world.services.keys()
    assert moved == {k for k in keys if before.get(k) is not world.services.get(k)}
    for k in moved & world.services.keys():
        assert row(world, world.services[k]).because, f"{k} does not say why"
