"""Protocols of packets: PostgreSQL, MySQL, MongoDB, AMQP, MQTT, Kafka, LDAP, DNS.

Each question is a constant; each reader looks at no more than the first packet of the answer.

Sources: PostgreSQL documentation, "Message Flow" and "Message Formats"; MySQL "Connection Phase"; MongoDB
Wire Protocol (OP_MSG); AMQP 0-9-1 (4.2.2); MQTT 3.1.1 (3.1, 3.2); Kafka protocol guide (ApiVersions);
RFC 4511 (4.5, root DSE by RFC 4512); RFC 1035 (4.1, 4.2.2).
"""

from __future__ import annotations

import struct

from locald.domain.knowledge.protocols.reply import OTHER, Protocol, Reply, always, not_yet, ready, shown

# PostgreSQL: a user that cannot be is told apart from a server that cannot be connected to.

_CANNOT_CONNECT_NOW = b"57P03"
_PARAMETERS = b"user\0locald-asks-whether-ready\0database\0template1\0\0"
_STARTUP = struct.pack("!II", 8 + len(_PARAMETERS), 196608) + _PARAMETERS
_SSL_REQUEST = struct.pack("!II", 8, 80877103)


def _postgres(data: bytes) -> Reply | None:
    if not data:
        return None
    if data[:1] == b"R":
        if len(data) < 9:
            return None
        # Who trusts everybody goes on without waiting, and writes down that there is no such user.
        return ready("asked for authentication", left_a_line=data[5:9] == b"\0\0\0\0")
    if data[:1] != b"E":
        return OTHER
    if len(data) < 5 or len(data) < 1 + int.from_bytes(data[1:5]):
        return None
    fields = {field[:1]: field[1:] for field in data[5:].split(b"\0") if field}
    if fields.get(b"C") == _CANNOT_CONNECT_NOW:
        return not_yet(f"says: {shown(fields.get(b'M', b''))}", left_a_line=True)
    return ready("answered a connection", left_a_line=True)


# MySQL and MariaDB speak first. Who hears the greeting and leaves is counted, and shut out after 100 times
# where it comes from another machine, as a container's port looks to it. A login that is refused is not.

_NOT_FROM_HERE = 1130
_CAPABILITIES = 0x00000200 | 0x00008000 | 0x00080000
_PLUGIN = b"mysql_native_password\0"
_USER = b"locald-asks-whether-ready\0"
_LOGIN = struct.pack("<IIB23x", _CAPABILITIES, 1 << 24, 33) + _USER + b"\x14" + b"\x7f" * 20 + _PLUGIN
_LOGIN = struct.pack("<I", len(_LOGIN))[:3] + b"\x01" + _LOGIN


def _leave_mysql(greeting: bytes) -> bytes:
    """Only where it is answered at once."""
    return _LOGIN if greeting[4] == 10 and greeting.endswith(_PLUGIN) else b""


def _mysql(data: bytes) -> Reply | None:
    if len(data) < 5:
        return None
    if data[3] != 0:
        return OTHER
    if data[4] == 10:
        version = data[5:].partition(b"\0")[0]
        return ready(f"greeted with version {shown(version)}")
    if data[4] != 0xFF or len(data) < 7:
        return OTHER if data[4] != 0xFF else None
    if int.from_bytes(data[5:7], "little") == _NOT_FROM_HERE:
        return ready("answered, and does not let this machine in")
    return not_yet(f"greeted with an error: {shown(data[7:])}")


# MongoDB: `hello`, as every driver begins.

_HELLO = b"\x10hello\0\x01\0\0\0\x02$db\0\x06\0\0\0admin\0\0"
_HELLO = struct.pack("<i", 4 + len(_HELLO)) + _HELLO
_MONGODB = struct.pack("<iiiiI", 16 + 5 + len(_HELLO), 1, 0, 2013, 0) + b"\0" + _HELLO


def _mongodb(data: bytes) -> Reply | None:
    if len(data) < 16:
        return None
    _, _, response_to, operation = struct.unpack("<iiii", data[:16])
    return ready("answered hello") if (response_to, operation) == (1, 2013) else OTHER


# RabbitMQ and its like: the header of AMQP 0-9-1 is answered by Connection.Start, or by another header.


def _amqp(data: bytes) -> Reply | None:
    if len(data) < 8:
        return None
    if data[:1] == b"\x01" and data[1:3] == b"\0\0":
        return ready("answered the AMQP header")
    return ready("answered with its own AMQP version") if data[:4] == b"AMQP" else OTHER


# MQTT: CONNECT with a clean session and no name is answered by CONNACK.

_MQTT = b"\x10\x0c\0\x04MQTT\x04\x02\0\x05\0\0"


def _mqtt(data: bytes) -> Reply | None:
    if len(data) < 4:
        return None
    if data[0] != 0x20:
        return OTHER
    return not_yet("says that it is unavailable") if data[3] == 3 else ready("answered CONNECT")


# Kafka: ApiVersions, version 0.

_KAFKA_BODY = struct.pack("!hhih", 18, 0, 1, 6) + b"locald"
_KAFKA = struct.pack("!i", len(_KAFKA_BODY)) + _KAFKA_BODY


def _kafka(data: bytes) -> Reply | None:
    if len(data) < 10:
        return None
    _, correlation, error = struct.unpack("!iih", data[:10])
    if correlation != 1:
        return OTHER
    return (
        ready("answered ApiVersions") if error == 0 else not_yet(f"answered ApiVersions with error {error}")
    )


# LDAP: the root entry, read without a login.

_ROOT_DSE = (
    b"\x04\0\x0a\x01\0\x0a\x01\0\x02\x01\x01\x02\x01\x05\x01\x01\0\x87\x0bobjectClass\x30\x05\x04\x031.1"
)
_SEARCH = b"\x63" + bytes([len(_ROOT_DSE)]) + _ROOT_DSE
_LDAP = b"\x30" + bytes([3 + len(_SEARCH)]) + b"\x02\x01\x01" + _SEARCH
_ENTRY, _RESULT = 0x64, 0x65
_BUSY, _UNAVAILABLE = 51, 52


def _ldap(data: bytes) -> Reply | None:
    """A message is a sequence of its number and an operation: an entry, or the result of the search."""
    if data and data[0] != 0x30:
        return OTHER
    content = _content(data)
    if content is None or len(content) < 4:
        return None
    if content[:3] != b"\x02\x01\x01":
        return OTHER
    if content[3] == _ENTRY:
        return ready("answered with its root entry")
    if content[3] != _RESULT:
        return OTHER
    result = _content(content[3:])
    if result is None or len(result) < 3:
        return None
    return not_yet("says that it is unavailable") if result[2] in (_BUSY, _UNAVAILABLE) else ready("answered")


def _content(data: bytes) -> bytes | None:
    """What follows the type and the length of a BER element, as far as it is there."""
    if len(data) < 2:
        return None
    head = 2 if data[1] < 0x80 else 2 + (data[1] & 0x7F)
    return data[head:] if len(data) >= head else None


# DNS over TCP: a name that every server answers for itself.

_DNS_QUESTION = struct.pack("!HHHHHH", 0x6C64, 0, 1, 0, 0, 0) + b"\x09localhost\0\0\x01\0\x01"
_DNS = struct.pack("!H", len(_DNS_QUESTION)) + _DNS_QUESTION
_SERVFAIL = 2


def _dns(data: bytes) -> Reply | None:
    if len(data) < 6:
        return None
    if data[2:4] != b"\x6c\x64" or not data[4] & 0x80:
        return OTHER
    return not_yet("answered SERVFAIL") if data[5] & 0x0F == _SERVFAIL else ready("answered a query")


POSTGRES = Protocol("postgres", _STARTUP, _postgres, again=_SSL_REQUEST, answers_again=b"SNE")
MYSQL = Protocol("mysql", None, _mysql, is_quiet=False, farewell=_leave_mysql)
MONGODB = Protocol("mongodb", _MONGODB, _mongodb, is_quiet=False)
AMQP = Protocol("amqp", b"AMQP\0\0\x09\x01", _amqp, is_quiet=False)
MQTT = Protocol("mqtt", _MQTT, _mqtt, is_quiet=False, farewell=always(b"\xe0\0"))
KAFKA = Protocol("kafka", _KAFKA, _kafka)
LDAP = Protocol("ldap", _LDAP, _ldap, farewell=always(b"\x30\x05\x02\x01\x02\x42\0"))
DNS = Protocol("dns", _DNS, _dns, has_datagrams=True)
