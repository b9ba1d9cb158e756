"""Why an engine would not do as asked, in our words: one sentence, and what to do.

An engine explains itself in sentences for people, which change between versions. What is looked for in
them are the few words that have stayed for years; what none of these fits is passed on as it is.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from locald.domain.values.plain import plain

LONGEST = 300
"""characters of an engine's own words that are shown"""


class Reason(NamedTuple):
    """`hint` may be empty."""

    reason: str
    hint: str = ""


def shown(message: str) -> str:
    """An engine's own words as part of a sentence: one line, not too long."""
    line = " ".join(plain(message.replace("\n", " ")).split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


# Pulls.

_NOT_THERE = re.compile(
    r"manifest unknown|manifest for .* not found|not found: manifest|repository .* not found"
    r"|name unknown|access denied|requested access to the resource is denied|unauthorized",
    re.IGNORECASE,
)
_NO_NETWORK = re.compile(
    r"no such host|name resolution|network is unreachable|connection refused|i/o timeout|no route to host"
    r"|TLS handshake timeout|request canceled while waiting|connection reset|server misbehaving|EOF$",
    re.IGNORECASE,
)


def pull(image: str, message: str) -> Reason:
    """An image could not be fetched."""
    if "toomanyrequests" in message or "rate limit" in message:
        return Reason(f"{image} cannot be pulled: rate limit of its registry reached", _LOG_IN)
    if _NO_NETWORK.search(message):
        what = f"{image} is not available locally and its registry cannot be reached"
        return Reason(f"{what} ({_cause(message)})", f"check the network, then run `docker pull {image}`")
    if _NOT_THERE.search(message):
        hint = "check the spelling of `image`, or run `docker login` if it is private"
        return Reason(f"no such image: {image} (neither local nor in its registry)", hint)
    if "invalid reference format" in message:
        return Reason(f'"{image}" is not the name of an image', 'like "postgres:16"')
    if "no space left" in message:
        return Reason(
            f"{image} cannot be pulled: the engine's disk is full", "run `docker system prune` to free space"
        )
    return Reason(
        f"{image} cannot be pulled: {shown(message)}", f"run `docker pull {image}` to try it by hand"
    )


_LOG_IN = "run `docker login` to raise the limit"


def _cause(message: str) -> str:
    """The innermost of causes that are joined by colons."""
    return shown(message.rstrip().rpartition(": ")[2])


# Creating and starting.

_NO_PROGRAM = re.compile(r'exec: "(?P<program>[^"]+)": (?P<why>[^:]+)')
_NO_SUCH_STAT = re.compile(r"exec: .*stat (?P<program>\S+): no such file")
_PORT = re.compile(r"port is already allocated|address already in use", re.IGNORECASE)
_NO_SOURCE = re.compile(r"bind source path does not exist: (?P<path>.+)")
_BAD_VOLUME = re.compile(
    r"includes invalid characters for a local volume name|invalid volume (specification|name)"
)
_HELD = re.compile(
    r'container name "/?(?P<name>[^"]+)" is already in use by (container )?"?(?P<id>[0-9a-f]+)'
)


def is_port_taken(message: str) -> bool:
    """Somebody else has the port on the machine."""
    return _PORT.search(message) is not None


def name_holder(message: str) -> str | None:
    """The id of the container that has the name already, when that is what is wrong."""
    found = _HELD.search(message)
    return found["id"] if found else None


def begin(image: str, message: str) -> Reason:
    """A container could not be made or started."""
    found = _NO_PROGRAM.search(message) or _NO_SUCH_STAT.search(message)
    if found:
        return no_program(image, found["program"], found.groupdict().get("why") or "")
    if source := _NO_SOURCE.search(message):
        return no_source(source["path"])
    if _BAD_VOLUME.search(message):
        hint = "use letters, digits and `_.-` for a name, begin a folder with `./` or `/`"
        return Reason(f"a source in `volumes` is neither a folder nor a name: {shown(message)}", hint)
    if "address pool" in message or "could not find an available" in message:
        return Reason("the engine has no addresses left for another network", "run `docker network prune`")
    if "no space left" in message:
        return Reason("the engine's disk is full", "run `docker system prune` to free space")
    return Reason(f"the engine cannot start it: {shown(message)}")


def no_program(image: str, program: str, why: str = "") -> Reason:
    """The image lacks what it was told to run."""
    if "permission denied" in why:
        return Reason(f"{program} in {image} is not executable: permission denied", "check `command`")
    if program == "/bin/sh":
        hint = 'write `command` as a list: ["program", "argument"]'
        return Reason(f"{image} has no /bin/sh to run `command` with", hint)
    return Reason(
        f'{image} has no program "{program}"', "check `command`, or remove it to use the image's own"
    )


def no_source(path: str) -> Reason:
    """A folder in `volumes` is not there. An engine would make one, as root: hardly what is meant."""
    return Reason(f"{path} in `volumes` does not exist", f"run `mkdir -p {path}`, or correct the path")


def no_port(image: str, ports: tuple[int, ...]) -> Reason:
    """A host port is set, and nobody knows which port of the container is meant."""
    if ports:
        which = ", ".join(map(str, ports))
        return Reason(f"{image} exposes several ports: {which}", "set `container_port` to one of them")
    return Reason(f"{image} exposes no port", "set `container_port` to the port it listens on")


def port_held(port: int, by: str) -> Reason:
    return Reason(f"port {port} is already in use by {by}", "stop it, or set another `port`")


def name_held(name: str, by: str, hint: str) -> Reason:
    return Reason(f'the name "{name}" is already in use by {by}', hint)
