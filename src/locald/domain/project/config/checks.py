"""The `health_check` of a service: one table for each type of check, and a string for the commonest.

A table says by its `type` what it is, and is judged by that table's keys alone, so that a key of another
type is seen for what it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from locald.domain.knowledge.servers import WireProtocol
from locald.domain.project.config.kinds import (
    Duration,
    Headers,
    OneOrMore,
    Port,
    Regex,
    Statuses,
    Text,
    UrlPath,
    choice,
    constant,
    text,
)
from locald.domain.project.config.shapes import Kind, Shaped, Value, judged
from locald.domain.project.config.table import Doc, Key, Table
from locald.domain.project.spec import (
    Check,
    CommandCheck,
    HealthCheck,
    HttpCheck,
    LogCheck,
    NoCheck,
    NotifyCheck,
    ProtocolCheck,
    TcpCheck,
)
from locald.domain.values.faults import Bad, listed, near, shown, wrong_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locald.domain.project.config.shapes import Described, Refer


class CheckTable(Table):
    """What every check has in common."""

    interval = Key(
        Duration, Doc("Time between two checks once the service is healthy.", 'interval = "5s"', "5s")
    )
    timeout = Key(Duration, Doc("Time after which one check counts as failed.", 'timeout = "2s"', "2s"))
    retries = Key(
        OneOrMore, Doc("Consecutive failed checks that make a healthy service unhealthy.", "retries = 3", 3)
    )

    def check(self) -> Check:
        raise NotImplementedError

    def own(self) -> dict[str, Any]:
        """The written keys that belong to this type of check alone."""
        return {key: value for key, value in self.given().items() if key not in ("type", *COMMON)}

    def health_check(self) -> HealthCheck:
        common = {key: value for key, value in self.given().items() if key in COMMON}
        return HealthCheck(self.check(), **common)


COMMON = tuple(CheckTable.keys)


class HttpTable(CheckTable):
    """A GET request returns an allowed status."""

    type = Key(
        constant("http"),
        Doc("A GET request returns an allowed status.", 'type = "http"'),
        required=True,
    )
    path = Key(UrlPath, Doc("The path of the request.", 'path = "/health"', "/"))
    port = Key(
        Port,
        Doc(
            "The port of the request. Any listener counts, including other processes.",
            "port = 9000",
            otherwise="the service's own port, where the listener must be the service",
        ),
    )
    status = Key(
        Statuses,
        Doc("The statuses that mean healthy.", "status = [200, 401]", otherwise="any 2xx or 3xx"),
    )
    scheme = Key(
        choice("a scheme", ("http", "https"), other_words=dict.fromkeys(("tls", "ssl"), "https")),
        Doc(
            "`https` for a server that speaks TLS. Its certificate is not verified.",
            'scheme = "https"',
            "http",
        ),
    )
    headers = Key(
        Headers,
        Doc(
            "Headers of the request. `Host` is also the name that a TLS server is asked for.",
            'headers = { Host = "shop.localhost" }',
            {},
        ),
    )

    def check(self) -> Check:
        return HttpCheck(**self.own())


class TcpTable(CheckTable):
    """A connection can be made."""

    type = Key(constant("tcp"), Doc("A connection can be made.", 'type = "tcp"'), required=True)
    port = Key(
        Port,
        Doc(
            "The port of the connection. Any listener counts, including other processes.",
            "port = 9000",
            otherwise="the service's own port, where the listener must be the service",
        ),
    )

    def check(self) -> Check:
        return TcpCheck(**self.own())


PROTOCOLS: tuple[WireProtocol, ...] = get_args(WireProtocol)
_SYNONYMS = {
    **dict.fromkeys(("postgresql", "pg", "psql", "pgsql"), "postgres"),
    **dict.fromkeys(("mariadb", "mysqld"), "mysql"),
    **dict.fromkeys(("valkey", "keydb"), "redis"),
    **dict.fromkeys(("mongo", "mongod"), "mongodb"),
    **dict.fromkeys(("rabbitmq", "rabbit"), "amqp"),
    **dict.fromkeys(("mosquitto",), "mqtt"),
    **dict.fromkeys(("memcache",), "memcached"),
    **dict.fromkeys(("beanstalkd",), "beanstalk"),
    **dict.fromkeys(("mail", "postfix"), "smtp"),
    **dict.fromkeys(("openldap", "slapd"), "ldap"),
    **dict.fromkeys(("bind", "named", "domain"), "dns"),
    **dict.fromkeys(("exec", "cmd", "shell", "script"), "command"),
    **dict.fromkeys(("port", "socket"), "tcp"),
    **dict.fromkeys(("sd_notify", "systemd"), "notify"),
}
"""what else people call these types"""


class ProtocolTable(CheckTable):
    """A server answers a harmless question in its own protocol."""

    type = Key(
        choice("a protocol", PROTOCOLS),
        Doc("The server answers a harmless question in this protocol.", 'type = "postgres"'),
        required=True,
    )
    port = Key(
        Port,
        Doc(
            "The port of the server. Any listener counts, including other processes.",
            "port = 5432",
            otherwise="the service's own port, where the listener must be the service",
        ),
    )

    def check(self) -> Check:
        return ProtocolCheck(self.given()["type"], **self.own())


class CommandTable(CheckTable):
    """A command exits with code 0."""

    type = Key(
        constant("command"),
        Doc("A command exits with code 0.", 'type = "command"'),
        required=True,
    )
    command = Key(
        Text,
        Doc(
            "Run by `sh -c` in the service's folder with its environment; for a container, inside it.",
            'command = "pg_isready"',
        ),
        required=True,
    )

    def check(self) -> Check:
        return CommandCheck(**self.own())


class LogTable(CheckTable):
    """A line of the service's output matches."""

    type = Key(
        constant("log"),
        Doc("A line of the service's output matches.", 'type = "log"'),
        required=True,
    )
    pattern = Key(
        Regex,
        Doc(
            "A regular expression (Python syntax), searched in every line of stdout and stderr.",
            "pattern = 'listening on port \\d+'",
        ),
        required=True,
    )

    def check(self) -> Check:
        return LogCheck(**self.own())


class NotifyTable(CheckTable):
    """The service says so itself."""

    type = Key(
        constant("notify"),
        Doc(
            "The service must send `READY=1` to `NOTIFY_SOCKET` (sd_notify).",
            'type = "notify"',
        ),
        required=True,
    )

    def check(self) -> Check:
        return NotifyCheck()


class NoneTable(CheckTable):
    """Nothing is looked at."""

    type = Key(constant("none"), Doc("A running process is enough.", 'type = "none"'), required=True)

    def check(self) -> Check:
        return NoCheck()


TABLES: dict[str, type[CheckTable]] = {
    "http": HttpTable,
    "tcp": TcpTable,
    "command": CommandTable,
    "log": LogTable,
    "notify": NotifyTable,
    "none": NoneTable,
    "protocol": ProtocolTable,
}
"""by the name of the alternative that a table is"""
CHECKS: dict[str, type[CheckTable]] = {
    **{name: table for name, table in TABLES.items() if table is not ProtocolTable},
    **dict.fromkeys(PROTOCOLS, ProtocolTable),
}
"""by the type that a table names"""
OF_A_PORT = ("http", "tcp", *PROTOCOLS)

_NAMES = tuple(CHECKS)
_TYPE_OF = {
    "path": "http",
    "status": "http",
    "url": "http",
    "scheme": "http",
    "headers": "http",
    "pattern": "log",
    "command": "command",
    "port": "tcp",
}
"""what a check is whose table has this key"""


def _command(value: object) -> str:
    """A string is a command; who writes the name of a type means that type."""
    command = text(value)
    if command in CHECKS:
        raise Bad(f'"{command}" is a type of check: a string is a command', f'write {{ type = "{command}" }}')
    return command


def with_its_type(table: Mapping[str, Any]) -> dict[str, Any]:
    """A check that does not say what it is, or says it wrong, with the type that it most likely is."""
    kind = table.get("type")
    named = _type_meant(kind) if isinstance(kind, str) else None
    return {**table, "type": kind if kind in _NAMES else named or _meant(table) or "http"}


def _meant(table: Mapping[str, Any]) -> str:
    """The type of a table by its keys, also by one that is nearly right; empty when they tell nothing."""
    words = [near(key, _TYPE_OF) for key in table]
    return next((each for key, each in _TYPE_OF.items() if key in table or key in words), "")


def table_of(check: Mapping[str, Any]) -> type[CheckTable]:
    """By what a check says that it is. Raises Bad."""
    kind = check.get("type")
    if kind is None:
        meant = _meant(check)
        raise Bad('"type" is missing', f'add type = "{meant}"' if meant else f"allowed: {listed(CHECKS)}")
    if not isinstance(kind, str):
        raise Bad(wrong_type(listed(CHECKS), kind), below=("type",))
    if kind not in CHECKS:
        raise Bad(f"unknown type of check {shown(kind)}", _instead_of(kind), below=("type",))
    return CHECKS[kind]


def _type_meant(kind: str) -> str | None:
    word = kind.lower()
    return "http" if word == "https" else _SYNONYMS.get(word) or near(kind, CHECKS)


def _instead_of(kind: str) -> str:
    if kind.lower() == "https":
        return 'write type = "http", scheme = "https"'
    meant = _type_meant(kind)
    return f'did you mean "{meant}"?' if meant else f"allowed: {listed(CHECKS)}"


class _ACheck(Value):
    """A table has to say first what it is; the rest is then judged by that."""

    words = "a table"

    def __call__(self, value: dict[str, Any]) -> Table:
        table: type[CheckTable] = judged(table_of, value)
        return table.read(value)

    def described(self, refer: Refer) -> Described:
        return {"oneOf": [refer(table) for table in TABLES.values()]}


def _health_check(value: str | CheckTable) -> HealthCheck:
    return HealthCheck(CommandCheck(value)) if isinstance(value, str) else value.health_check()


_COMMAND = Kind("a command", _command, {"type": "string", "pattern": r"\S", "not": {"enum": list(CHECKS)}})

HealthCheckValue = Shaped("a string (a command) or a table", {str: _COMMAND, dict: _ACheck()}, _health_check)
