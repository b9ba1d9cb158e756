"""The `health_check` of a service: one table for each type of check, and a string for the commonest.

A table says by its `type` what it is, and is judged by that table's keys alone, so that a key of another
type is seen for what it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Discriminator, Tag

from locald.domain.knowledge.servers import WireProtocol
from locald.domain.project.config.kinds import (
    STRING,
    Duration,
    Headers,
    Kind,
    OneOrMore,
    Port,
    Regex,
    Shaped,
    Statuses,
    Text,
    UrlPath,
    choice,
    constant,
    text,
)
from locald.domain.project.config.table import NOT_GIVEN, Doc, Table
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


class CheckTable(Table):
    """What every check has in common."""

    interval: Annotated[
        Duration, Doc("Time between two checks once the service is healthy.", 'interval = "5s"', "5s")
    ] = NOT_GIVEN
    timeout: Annotated[
        Duration, Doc("Time after which one check counts as failed.", 'timeout = "2s"', "2s")
    ] = NOT_GIVEN
    retries: Annotated[
        OneOrMore, Doc("Consecutive failed checks that make a healthy service unhealthy.", "retries = 3", 3)
    ] = NOT_GIVEN

    def check(self) -> Check:
        raise NotImplementedError

    def own(self) -> dict[str, Any]:
        """The written keys that belong to this type of check alone."""
        return {key: value for key, value in self.given().items() if key not in ("type", *COMMON)}

    def health_check(self) -> HealthCheck:
        common = {key: value for key, value in self.given().items() if key in COMMON}
        return HealthCheck(self.check(), **common)


COMMON = tuple(CheckTable.model_fields)


class HttpTable(CheckTable):
    """A GET request returns an allowed status."""

    type: Annotated[
        Literal["http"],
        constant("http"),
        Doc("A GET request returns an allowed status.", 'type = "http"'),
    ]
    path: Annotated[UrlPath, Doc("The path of the request.", 'path = "/health"', "/")] = NOT_GIVEN
    port: Annotated[
        Port,
        Doc(
            "The port of the request. Any listener counts, including other processes.",
            "port = 9000",
            otherwise="the service's own port, where the listener must be the service",
        ),
    ] = NOT_GIVEN
    status: Annotated[
        Statuses,
        Doc("The statuses that mean healthy.", "status = [200, 401]", otherwise="any 2xx or 3xx"),
    ] = NOT_GIVEN
    scheme: Annotated[
        Literal["http", "https"],
        choice("a scheme", ("http", "https"), other_words=dict.fromkeys(("tls", "ssl"), "https")),
        Doc(
            "`https` for a server that speaks TLS. Its certificate is not verified.",
            'scheme = "https"',
            "http",
        ),
    ] = NOT_GIVEN
    headers: Annotated[
        Headers,
        Doc(
            "Headers of the request. `Host` is also the name that a TLS server is asked for.",
            'headers = { Host = "shop.localhost" }',
            {},
        ),
    ] = NOT_GIVEN

    def check(self) -> Check:
        return HttpCheck(**self.own())


class TcpTable(CheckTable):
    """A connection can be made."""

    type: Annotated[Literal["tcp"], constant("tcp"), Doc("A connection can be made.", 'type = "tcp"')]
    port: Annotated[
        Port,
        Doc(
            "The port of the connection. Any listener counts, including other processes.",
            "port = 9000",
            otherwise="the service's own port, where the listener must be the service",
        ),
    ] = NOT_GIVEN

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

    type: Annotated[
        WireProtocol,
        choice("a protocol", PROTOCOLS),
        Doc("The server answers a harmless question in this protocol.", 'type = "postgres"'),
    ]
    port: Annotated[
        Port,
        Doc(
            "The port of the server. Any listener counts, including other processes.",
            "port = 5432",
            otherwise="the service's own port, where the listener must be the service",
        ),
    ] = NOT_GIVEN

    def check(self) -> Check:
        return ProtocolCheck(self.type, **self.own())


class CommandTable(CheckTable):
    """A command exits with code 0."""

    type: Annotated[
        Literal["command"], constant("command"), Doc("A command exits with code 0.", 'type = "command"')
    ]
    command: Annotated[
        Text,
        Doc(
            "Run by `sh -c` in the service's folder with its environment; for a container, inside it.",
            'command = "pg_isready"',
        ),
    ]

    def check(self) -> Check:
        return CommandCheck(**self.own())


class LogTable(CheckTable):
    """A line of the service's output matches."""

    type: Annotated[
        Literal["log"], constant("log"), Doc("A line of the service's output matches.", 'type = "log"')
    ]
    pattern: Annotated[
        Regex,
        Doc(
            "A regular expression (Python syntax), searched in every line of stdout and stderr.",
            "pattern = 'listening on port \\d+'",
        ),
    ]

    def check(self) -> Check:
        return LogCheck(**self.own())


class NotifyTable(CheckTable):
    """The service says so itself."""

    type: Annotated[
        Literal["notify"],
        constant("notify"),
        Doc(
            "The service must send `READY=1` to `NOTIFY_SOCKET` (sd_notify).",
            'type = "notify"',
        ),
    ]

    def check(self) -> Check:
        return NotifyCheck()


class NoneTable(CheckTable):
    """Nothing is looked at."""

    type: Annotated[Literal["none"], constant("none"), Doc("A running process is enough.", 'type = "none"')]

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


def _known_type(value: object) -> object:
    """A table has to say first what it is; the rest is then judged by that."""
    if isinstance(value, dict):
        kind = value.get("type")
        if kind is None:
            meant = _meant(value)
            raise Bad('"type" is missing', f'add type = "{meant}"' if meant else f"allowed: {listed(CHECKS)}")
        if not isinstance(kind, str):
            raise Bad(wrong_type(listed(CHECKS), kind), below=("type",))
        if kind not in CHECKS:
            raise Bad(f"unknown type of check {shown(kind)}", _instead_of(kind), below=("type",))
    return value


def _type_meant(kind: str) -> str | None:
    word = kind.lower()
    return "http" if word == "https" else _SYNONYMS.get(word) or near(kind, CHECKS)


def _instead_of(kind: str) -> str:
    if kind.lower() == "https":
        return 'write type = "http", scheme = "https"'
    meant = _type_meant(kind)
    return f'did you mean "{meant}"?' if meant else f"allowed: {listed(CHECKS)}"


def _check_tag(value: str | dict[str, object]) -> str:
    if isinstance(value, str):
        return STRING
    return "<protocol>" if value["type"] in PROTOCOLS else f"<{value['type']}>"


def _health_check(value: str | CheckTable) -> HealthCheck:
    return HealthCheck(CommandCheck(value)) if isinstance(value, str) else value.health_check()


_COMMAND = Kind("a command", _command, {"type": "string", "pattern": r"\S", "not": {"enum": list(CHECKS)}})

HealthCheckValue = Annotated[
    Annotated[str, _COMMAND, Tag(STRING)]
    | Annotated[HttpTable, Tag("<http>")]
    | Annotated[TcpTable, Tag("<tcp>")]
    | Annotated[CommandTable, Tag("<command>")]
    | Annotated[LogTable, Tag("<log>")]
    | Annotated[NotifyTable, Tag("<notify>")]
    | Annotated[NoneTable, Tag("<none>")]
    | Annotated[ProtocolTable, Tag("<protocol>")],
    Discriminator(_check_tag),
    AfterValidator(_health_check),
    BeforeValidator(_known_type),
    Shaped("a string (a command) or a table", (str, dict)),
]
