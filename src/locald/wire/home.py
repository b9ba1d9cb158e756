"""Where things live: the folders of one locald, and the names of the files that its parts meet at.

`LOCALD_HOME` puts everything under one folder and so makes a separate locald. Without it the XDG
folders are used: sockets in `$XDG_RUNTIME_DIR/locald` (or a folder of the user's own in the temporary
directory), state in `$XDG_STATE_HOME/locald`. Folders are 0700, for what is in them (environments,
output) is the owner's alone.

One daemon serves one *state* folder: it holds an flock on `daemon.lock` there, whose only line is the
path of its socket. So a shell whose run folder is another one (cron has no `XDG_RUNTIME_DIR`) still
finds the daemon: it asks at `sockets`, the one that the lock names first.
"""

from __future__ import annotations

import os

from locald.domain.values.problem import Problem, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_SOCKET_PATH = 107
"""bytes: `sun_path` has 108 of them on Linux, and the last is the NUL (unix(7))"""
USE_ANOTHER = 'run `export LOCALD_HOME="$HOME/.locald"` to use a folder of your own'
"""the hint where a folder is another user's, or cannot be written to"""
USE_SHORTER = 'run `export LOCALD_HOME="$HOME/.locald"` to use a shorter path'
SERVED = "another daemon serves this folder"
"""what a daemon says that found the lock held, and its starter understands"""


class Home:
    """The folders of one locald, and what is where in them. All paths are absolute."""

    __slots__ = ("logs", "run", "state")

    def __init__(self, run: str, state: str, logs: str) -> None:
        self.run = run
        """sockets: gone after a reboot"""
        self.state = state
        """what a later daemon must know"""
        self.logs = logs
        """what services printed, and `daemon.log`"""

    @classmethod
    def find(cls, environ: Mapping[str, str] = os.environ) -> Home:
        """The home that this environment asks for. Refused when a socket in it could not be bound."""
        home = _own(environ) if environ.get("LOCALD_HOME") else _xdg(environ)
        for socket in (home.socket, os.path.join(home.run, "keeper.sock")):
            _check_length(socket)
        return home

    @property
    def socket(self) -> str:
        """Where a daemon of this environment listens."""
        return os.path.join(self.run, "locald.sock")

    @property
    def keeper(self) -> str:
        """Where the keeper listens, for the daemon alone: a new connection there replaces the old one.

        An earlier daemon may have had another run folder, and left its keeper there.
        """
        return os.path.join(_line(self.keeper_note) or self.run, "keeper.sock")

    @property
    def keeper_note(self) -> str:
        """Its line is the run folder in which the keeper is."""
        return os.path.join(self.state, "keeper")

    @property
    def lock(self) -> str:
        """Held by the daemon (flock) for as long as it lives; its line is the path of the daemon's socket."""
        return os.path.join(self.state, "daemon.lock")

    @property
    def state_file(self) -> str:
        """What the daemon knows about its projects."""
        return os.path.join(self.state, "state.json")

    def engines_used(self, engine: str) -> str:
        """Where something of ours may be left, of one kind of engine ("local": those of containers)."""
        name = "engines.json" if engine == "local" else f"engines-{engine}.json"
        return os.path.join(self.state, name)

    @property
    def dashboard(self) -> str:
        """Port and secret of the dashboard's site, for the owner's eyes only."""
        return os.path.join(self.state, "dashboard.json")

    @property
    def proxy(self) -> str:
        """What the proxy keeps: its configuration, its certificates."""
        return os.path.join(self.state, "proxy")

    @property
    def proxy_admin(self) -> str:
        """Where Caddy is told what to do."""
        return os.path.join(self.run, "caddy.sock")

    @property
    def proxy_socket(self) -> str:
        """Where the daemon answers for services that do not."""
        return os.path.join(self.run, "proxy.sock")

    @property
    def dashboard_socket(self) -> str:
        """Where the proxy brings who asks for the dashboard by name."""
        return os.path.join(self.run, "dashboard.sock")

    @property
    def gates(self) -> str:
        """The folder that says which services serve who comes."""
        return os.path.join(self.run, "gates")

    @property
    def requests_folder(self) -> str:
        """Of files whose time is that of the last request."""
        return os.path.join(self.proxy, "requests")

    def requests(self, name: str) -> str:
        return os.path.join(self.requests_folder, name)

    @property
    def wanted(self) -> str:
        """Exists while something is wanted or still held: then the next daemon has something to restore."""
        return os.path.join(self.state, "wanted")

    @property
    def log(self) -> str:
        """The daemon's own log."""
        return os.path.join(self.logs, "daemon.log")

    @property
    def keeper_log(self) -> str:
        return os.path.join(self.logs, "keeper.log")

    @property
    def sockets(self) -> list[str]:
        """Where to ask for the daemon, the likeliest first."""
        named = _line(self.lock)
        return [named, self.socket] if named and named != self.socket else [self.socket]

    def make(self) -> None:
        """Make the folders, or check those that are there. Refused when they cannot be ours alone."""
        before = os.umask(0o077)  # for those above them too, which get no mode that is asked for
        try:
            for folder in (self.run, self.state, self.logs):
                _make(folder)
        finally:
            os.umask(before)


def _line(path: str) -> str:
    """The absolute path that is the first line of this file, or nothing."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            found = file.readline().strip()
    except OSError:
        return ""
    return found if os.path.isabs(found) else ""


def _own(environ: Mapping[str, str]) -> Home:
    home = os.path.abspath(environ["LOCALD_HOME"])
    return Home(*(os.path.join(home, name) for name in ("run", "state", "logs")))


def _xdg(environ: Mapping[str, str]) -> Home:
    state = environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):  # by the XDG specification a relative path counts as none
        state = os.path.join(os.path.expanduser("~"), ".local", "state")
    state = os.path.join(state, "locald")
    return Home(_run_folder(environ), state, os.path.join(state, "logs"))


def _run_folder(environ: Mapping[str, str]) -> str:
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(runtime) and _is_ours(runtime):  # after `su` and `sudo -E` it is another user's
        return os.path.join(runtime, "locald")
    temporary = environ.get("TMPDIR", "")
    return os.path.join(temporary if os.path.isabs(temporary) else "/tmp", f"locald-{os.geteuid()}")


def _is_ours(folder: str) -> bool:
    """The folder is there and, links followed, the user's own."""
    try:
        return os.stat(folder).st_uid == os.geteuid()
    except OSError:
        return False


def _check_length(socket: str) -> None:
    length = len(os.fsencode(socket))
    if length > LONGEST_SOCKET_PATH:
        what = f"a socket path is limited to {LONGEST_SOCKET_PATH} bytes, this one has {length}"
        raise Refused(Problem(what, socket, USE_SHORTER))


def _make(folder: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
        _keep_private(folder)
    except OSError as error:
        raise Refused(Problem(f"cannot be used: {error.strerror}", folder, USE_ANOTHER)) from None


def _keep_private(folder: str) -> None:
    """In a shared temporary directory somebody else may have made this folder, or a link, before us."""
    for owner in (os.lstat(folder).st_uid, os.stat(folder).st_uid):
        if owner != os.geteuid():
            raise Refused(Problem(f"belongs to user {owner}", folder, USE_ANOTHER))
    if os.stat(folder).st_mode & 0o077:
        os.chmod(folder, 0o700)
