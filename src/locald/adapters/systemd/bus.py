"""The bus of a user, on which the user's own systemd takes orders and tells what happens.

Sources: dbus.freedesktop.org/doc/dbus-specification, org.freedesktop.systemd1(5).
"""

from __future__ import annotations

import asyncio
import errno
import os
from typing import TYPE_CHECKING, Any

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.errors import DBusError
from dbus_fast.unpack import unpack_variants

from locald.adapters.containers.engine import EngineAbsent
from locald.wire.buses import HERE, LINGER, bus
from locald.wire.engines import Unusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

SYSTEMD = "org.freedesktop.systemd1"
MANAGER = "/org/freedesktop/systemd1"
UNIT, SERVICE = f"{SYSTEMD}.Unit", f"{SYSTEMD}.Service"
DBUS, DBUS_PATH = "org.freedesktop.DBus", "/org/freedesktop/DBus"
PROPERTIES = f"{DBUS}.Properties"
ANSWERS_WITHIN = 10.0
"""seconds"""


class Denied(Exception):
    """systemd said no. `name` is the error's, without the domain in front."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name, self.message = name.rpartition(".")[2], message


def place(env: Mapping[str, str]) -> str:
    """The address of the bus that this shell's user has. Raises EngineAbsent."""
    try:
        return bus(env)
    except Unusable as unusable:
        raise EngineAbsent(unusable.reason, unusable.hint) from None


class Bus:
    """An open connection. Close it."""

    def __init__(self, bus: MessageBus, place: str) -> None:
        self._bus, self._place = bus, place

    @classmethod
    async def connect(cls, place: str) -> Bus:
        """Raises EngineAbsent."""
        try:
            async with asyncio.timeout(ANSWERS_WITHIN):
                return cls(await MessageBus(place).connect(), place)
        except TimeoutError:
            raise EngineAbsent(f"the bus at {place} does not answer", HERE) from None
        except (OSError, EOFError, DBusError, ValueError) as error:
            raise EngineAbsent(f"no bus at {place}: {_why(error)}", LINGER) from None

    async def call(
        self,
        member: str,
        signature: str = "",
        *body: Any,
        path: str = MANAGER,
        interface: str = f"{SYSTEMD}.Manager",
        destination: str = SYSTEMD,
    ) -> Any:
        """What the method returns, if that is anything. Raises Denied, EngineAbsent."""
        asked = Message(
            destination=destination,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(body),
        )
        try:
            async with asyncio.timeout(ANSWERS_WITHIN):
                reply = await self._bus.call(asked)
        except TimeoutError:
            raise EngineAbsent(f"systemd at {self._place} does not answer", HERE) from None
        except (OSError, EOFError, DBusError) as error:
            raise EngineAbsent(f"lost the bus at {self._place}: {_why(error)}", LINGER) from None
        if reply is None:
            raise EngineAbsent(f"the bus at {self._place} was closed", LINGER)
        told = unpack_variants(reply.body)
        if reply.message_type is MessageType.ERROR:
            raise Denied(reply.error_name or "", str(told[0]) if told else "no reason was given")
        return told[0] if told else None

    async def dbus(self, member: str, signature: str, *body: Any) -> Any:
        """A method of the bus itself. Raises Denied, EngineAbsent."""
        return await self.call(member, signature, *body, path=DBUS_PATH, interface=DBUS, destination=DBUS)

    async def start(self, unit: str, properties: Iterable[tuple[str, str, Any]]) -> None:
        """Begin a transient unit; what it is, by names, types and values. Raises Denied, EngineAbsent."""
        given = [[name, Variant(kind, value)] for name, kind, value in properties]
        await self.call("StartTransientUnit", "ssa(sv)a(sa(sv))", unit, "fail", given, [])

    async def environment(self) -> list[str]:
        """The names of the variables that every unit has. Raises Denied, EngineAbsent."""
        asked = ("Get", "ss", f"{SYSTEMD}.Manager", "Environment")
        return [word.partition("=")[0] for word in await self.call(*asked, interface=PROPERTIES)]

    async def properties(self, path: str) -> dict[str, Any]:
        """All of a service's unit. Raises Denied, EngineAbsent."""
        found: dict[str, Any] = {}
        for interface in (UNIT, SERVICE):
            found |= await self.call("GetAll", "s", interface, path=path, interface=PROPERTIES)
        return found

    def on_signal(self, heard: Callable[[str, str, list[Any]], None]) -> None:
        """`heard` is called with each signal's path, member and body."""

        def take(message: Message) -> None:
            if message.message_type is MessageType.SIGNAL:
                heard(message.path or "", message.member or "", unpack_variants(message.body))

        self._bus.add_message_handler(take)

    async def gone(self) -> str:
        """Wait until the bus has closed the connection, and say so."""
        try:
            await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
        except (OSError, EOFError, DBusError) as error:
            return f"lost the bus at {self._place}: {_why(error)}"
        return f"the bus at {self._place} was closed"

    def close(self) -> None:
        self._bus.disconnect()


def _why(error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number == errno.ENOENT:
        return "no such file"
    return os.strerror(number).lower() if number else str(error) or type(error).__name__
