"""What goes in (commands, events) and what comes out (effects).

Commands are requests, events are in the past tense, effects are orders. Every event about a run carries
the run's name; news of any but the present run is dropped. Times (`at`) are seconds since the epoch on
a clock that never jumps (see `linux.clock`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct, field

from locald.domain.knowledge.origin import NOTHING_KNOWN, Origin
from locald.domain.knowledge.servers import ProtocolName, Server
from locald.domain.project.names import Key, Run
from locald.domain.project.spec import Caller, Project

# Facts that events carry.


class Exit(Struct, frozen=True):
    """How a process ended: by `code`, by `signal`, or (both None) nobody can tell."""

    code: int | None = None
    signal: int | None = None
    reason: str = ""
    """what else is known of it, as in "out of memory"; or empty"""

    @property
    def shown(self) -> int | None:
        """The number a shell would show: 128 + the signal's number after a signal."""
        return self.code if self.signal is None else 128 + self.signal


class Process(Struct, frozen=True):
    """A process as people know it: its id and the name of its program (may be empty). `origin`: how it was
    started, of what listens for a run."""

    pid: int
    program: str = ""
    origin: Origin = NOTHING_KNOWN

    def __eq__(self, other: object) -> bool:
        """Whatever is known of its origin."""
        return isinstance(other, Process) and (self.pid, self.program) == (other.pid, other.program)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((self.pid, self.program))

    def __str__(self) -> str:
        return f"pid {self.pid} ({self.program})" if self.program else f"pid {self.pid}"


class Listener(Struct, frozen=True):
    """A socket that takes what comes: numeric address, port, and the process that holds it. Of a Unix socket
    the address is its path (`@name` for an abstract one), and the port 0."""

    address: str
    port: int
    owner: Process
    kind: Literal["tcp", "udp", "unix"] = "tcp"

    @property
    def place(self) -> tuple[str, str, int]:
        """What is the same for the same socket, whoever holds it."""
        return self.kind, self.address, self.port

    @property
    def is_debugger(self) -> bool:
        """Its process was told to be debugged there."""
        return self.kind == "tcp" and self.port in self.owner.origin.debuggers

    @property
    def shown(self) -> str:
        """`127.0.0.1:24001`, `udp 127.0.0.1:5353`, `unix /run/db.sock`."""
        if self.kind == "unix":
            return f"unix {self.address}"
        return f"{'udp ' if self.kind == 'udp' else ''}{self._at}"

    @property
    def _at(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


AtWork = Literal["nothing", "idle", "busy", "client", "launching"]


class Work(Struct, frozen=True):
    """What the main process of a run does, while `server`, which is not below it, takes connections.

    `doing`: what runs below the main process, the last begun. `state`: "nothing" runs below it; it is "idle"
    (`tail -f`: it only stays), "busy", or a "client" of that server, itself or below it; or `doing` is
    "launching" the server: that is below it still, in a session of its own. `since`: when it last began what
    it had not done before, or when nothing was left to do.
    """

    main: Process
    server: Process
    doing: Process | None
    state: AtWork
    since: float


Standing = Literal["member", "exited", "outside", "spawner"]
"""A sender's relation to a run: of its tree; already exited; outside its tree; the keeper itself."""


class Kin(Struct, frozen=True):
    """A process between the main one and a sender, or the sender; whether it listens on anything."""

    pid: int
    program: str = ""
    listens: bool = False


class Sender(Struct, frozen=True):
    """Who sent a datagram, as the kernel says, and how that process stands to the run.

    `line`: the sender and those above it, up to the run's main process, which is not among them: empty for
    that one. None where the keeper does not tell: an earlier one, or of words that need no sender.
    """

    process: Process
    uid: int
    standing: Standing
    line: tuple[Kin, ...] | None = None


# Commands: somebody asked.


class Up(Struct, frozen=True):
    """Make the project what its file says, and these services run, with what they depend on.

    `named`: the services that the person typed; a completed task runs again only when named.
    """

    project: Project
    services: frozenset[str]
    named: frozenset[str]
    caller: Caller
    instances: Mapping[str, str] = field(default_factory=dict)
    """what every known folder is from now on, see `World.instances`"""


class Stop(Struct, frozen=True):
    """`by`: the project or instance in which it was asked for, which matters for what several share; empty,
    or that of what is shared: for all of them."""

    keys: frozenset[Key]
    by: str = ""


class Restart(Struct, frozen=True):
    """Stop, then start, of just these; dependents that are not named keep running. `by`: as in `Stop`."""

    keys: frozenset[Key]
    caller: Caller
    by: str = ""


class Wake(Struct, frozen=True):
    """A request came to the name of a service that starts on demand: start it, and what it depends on."""

    key: Key


class Rest(Struct, frozen=True):
    """No request came to its name for as long as it says: stop it."""

    key: Key


class Down(Struct, frozen=True):
    """Stop everything of a project, then forget it. What others share with it is left to them."""

    project: str


class Shutdown(Struct, frozen=True):
    """Stop everything of every project; nothing is wanted any more."""


class Prune(Struct, frozen=True):
    """These folders are gone: what they were called is free again."""

    folders: frozenset[str]


# Events: something happened.


class Prepares(Struct, frozen=True):
    """Something has to be fetched before the run can begin. `detail`: what, and how far it is."""

    run: Run
    detail: str
    at: float


class Spawned(Struct, frozen=True):
    """There is a process. Of a container, `pid` is its first process (0 where the engine hides it)."""

    run: Run
    pid: int
    at: float
    container: str | None = None
    container_port: int | None = None
    """the port inside that is published on the service's own; None for a process, or without one"""


class NotStarted(Struct, frozen=True):
    """The run never began and left nothing. `reason`: one sentence; `hint`: the next step, or empty.
    `is_port_taken`: somebody else holds its port; `port`: the one that the next run has instead. `may_pass`:
    it was the machine that lacked something, or somebody killed it before its program was there."""

    run: Run
    reason: str
    hint: str
    at: float
    port: int | None = None
    is_port_taken: bool = False
    may_pass: bool = False


class Exited(Struct, frozen=True):
    """A process that mattered to the run ended; `left` says how many of its tree are still there, `behind`
    which, where that is known."""

    run: Run
    pid: int
    exit: Exit
    left: int
    at: float
    behind: tuple[Process, ...] = ()


class Ends(Struct, frozen=True):
    """The main process has ended, as its engine says. What it printed last is read first; then `Exited` tells
    of it. Until then nothing is made of the time that passes."""

    run: Run
    at: float


class Gone(Struct, frozen=True):
    """Nothing is left of the run: always the last news of a spawned run, and sent once."""

    run: Run
    at: float


class LastWord(Struct, frozen=True):
    """What the run printed that says most about its end; empty when nothing does. It comes after the end."""

    run: Run
    line: str
    at: float


class Lost(Struct, frozen=True):
    """The run ended while nobody could see how (the keeper was killed, the machine restarted)."""

    run: Run
    reason: str
    at: float


class Stuck(Struct, frozen=True):
    """These processes of the run are still there after SIGKILL."""

    run: Run
    processes: tuple[Process, ...]
    at: float


class Notified(Struct, frozen=True):
    """A datagram arrived on the run's notify socket."""

    run: Run
    sender: Sender
    datagram: bytes
    at: float
    main: int | None = None
    """the run's main process from now on: the MAINPID= of this datagram, when it is one of the run's tree"""


class SenderEnded(Struct, frozen=True):
    """A process has ended that said READY=1 or STOPPING=1, or one between it and the main process."""

    run: Run
    pid: int
    at: float


UNTAKEN, STALLED = 0.05, 10.0
"""seconds after which it is reported that a connection waits to be taken by the program, and again"""


class Listens(Struct, frozen=True):
    """What the run's tree listens on has changed.

    `accepts`: the service's program has taken a connection on its port; `acceptor`: which process did, where
    that is known. `untaken`: seconds for which a connection has been waiting for that, UNTAKEN or STALLED; 0
    where none waits. `probes`: how many listeners of the run on that port have gone before its program took a
    connection. `can_notify`: whether the program that listens on that port can send READY=1. `server`: which
    one it is, if it can be asked in its own protocol. `holder` is a listener on the service's port that is no
    part of the run.

    `serving`: the other ports of the run on which its program has taken a connection, as far as they matter;
    `known`: those of them that a known server has. `sockets`: its UDP and Unix sockets that serve, looked for
    while it has no port. `unproven`: nobody could see whether its program takes connections; that the port is
    open has to do. `work`: what the main process does meanwhile, where the process that serves is not
    below it.
    """

    run: Run
    listeners: tuple[Listener, ...]
    accepts: bool
    holder: Listener | None
    at: float
    acceptor: Process | None = None
    untaken: float = 0.0
    probes: int = 0
    can_notify: bool = False
    server: Server | None = None
    serving: tuple[int, ...] = ()
    known: tuple[int, ...] = ()
    sockets: tuple[Listener, ...] = ()
    unproven: bool = False
    work: Work | None = None


class Probed(Struct, frozen=True):
    """The explicit check of the run was carried out. `detail` is one sentence of what was seen."""

    run: Run
    ok: bool
    detail: str
    at: float


class Checked(Struct, frozen=True):
    """What the HEALTHCHECK of the run's image says. `detail` is one sentence."""

    run: Run
    ok: bool
    detail: str
    at: float


class Reported(Struct, frozen=True):
    """What the engine that runs it elsewhere says of the run's health. `detail` is one sentence.

    `container`: the id of the container that is the run now; empty: as before.
    """

    run: Run
    ok: bool
    detail: str
    at: float
    container: str = ""


class Replaced(Struct, frozen=True):
    """What was the run ended, and its engine starts another in its place by itself: the run goes on.
    `detail`: one sentence on how it ended. `Resumed` follows when the other is there."""

    run: Run
    detail: str
    at: float


class Asked(Struct, frozen=True):
    """The run's server was asked in its own protocol whether it serves.

    `detail`: one sentence. `known`: False when what came is no answer in that protocol: nothing follows.
    """

    run: Run
    protocol: ProtocolName
    ok: bool
    detail: str
    at: float
    known: bool = True


class Silenced(Struct, frozen=True):
    """Nobody can tell how the run is: what holds it went away. `detail`: one sentence. `is_left`: it says
    what is left there of a run that somebody wants to have done with. `Resumed` ends it."""

    run: Run
    detail: str
    at: float
    is_left: bool = False


class Resumed(Struct, frozen=True):
    """What holds the run is there again, and so is the run; what has changed meanwhile follows."""

    run: Run
    at: float


class Paused(Struct, frozen=True):
    """Somebody has paused the run's container: nothing in it runs. `Unpaused` ends it."""

    run: Run
    at: float


class Unpaused(Struct, frozen=True):
    """What is in the run's container goes on."""

    run: Run
    at: float


class FilesChanged(Struct, frozen=True):
    """Files that the service watches have changed. `paths`: the first of them; `count`: of all."""

    key: Key
    paths: tuple[str, ...]
    count: int
    at: float


class WatchTold(Struct, frozen=True):
    """Why not all that the service watches can be watched, and what to do; empty when all is well."""

    key: Key
    trouble: str
    hint: str


class Due(Struct, frozen=True):
    """The moment a service asked to be told of has come. Harmless when it has not."""

    key: Key


class Proxied(Struct, frozen=True):
    """Services are reached by name at this port; None: there is no proxy. `authority`: the path of the
    certificate of its authority."""

    https_port: int | None
    authority: str = ""


class Slept(Struct, frozen=True):
    """The machine slept for so many seconds, and everything on it; it has just woken up."""

    seconds: float


# Effects: somebody should do this.


class Start(Struct, frozen=True):
    """Answered by `Spawned` or `NotStarted`."""

    run: Run


class Adopt(Struct, frozen=True):
    """Take up a run of an earlier daemon. Answered by what the keeper recorded of it, or by `Lost`."""

    run: Run


class Watch(Struct, frozen=True):
    """Look after the run's health: its listeners, and its explicit check. Answered by `Listens`, `Probed`."""

    run: Run


class Unwatch(Struct, frozen=True):
    run: Run


class Terminate(Struct, frozen=True):
    """Send the service's stop signal to every process of the run. Answered by `Exited`, `Gone`."""

    run: Run


class Kill(Struct, frozen=True):
    """SIGKILL for whatever is left of the run. Answered by `Gone`, or `Stuck`."""

    run: Run


class Signal(Struct, frozen=True):
    """Send the main process of the run a signal, by its name, in the middle of its life."""

    run: Run
    name: str


class Forget(Struct, frozen=True):
    """Nobody will ask about this run again."""

    run: Run


class Note(Struct, frozen=True):
    """A line of locald's own in the service's log."""

    run: Run
    line: str


class Discard(Struct, frozen=True):
    """The service is forgotten: its history can go."""

    key: Key


Command = Up | Stop | Restart | Wake | Rest | Down | Shutdown | Prune
ProcessEvent = Prepares | Spawned | NotStarted | Ends | Exited | Gone | Lost | Stuck
Said = Notified | SenderEnded
OfEngine = Reported | Replaced
HealthEvent = Said | Listens | Asked | Probed | Checked | Silenced | Resumed | Paused | Unpaused
Event = ProcessEvent | HealthEvent | OfEngine | LastWord
OfFiles = FilesChanged | WatchTold
Message = Command | Event | OfFiles | Due | Proxied | Slept
Effect = Start | Adopt | Watch | Unwatch | Terminate | Signal | Kill | Forget | Note | Discard
