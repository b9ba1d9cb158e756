"""One compose service as a service of `locald.toml`: key by key, each with what became of it."""

from __future__ import annotations

import posixpath
import re
import shlex
from typing import TYPE_CHECKING, Any

from locald.domain.intake import commands
from locald.domain.intake.compose import facts, health, merging, ports, variables
from locald.domain.intake.plan import Planned, depends_on
from locald.domain.intake.yaml_text import Items, Table, written
from locald.domain.knowledge import signals
from locald.domain.project import image_names
from locald.domain.values import digits, duration
from locald.domain.values.faults import Bad

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from locald.domain.intake.compose.facts import Facts

_CONDITIONS = {
    "service_healthy": "healthy",
    "service_started": "started",
    "service_completed_successfully": "completed",
}
_READ = {
    "image",
    "command",
    "entrypoint",
    "environment",
    "env_file",
    "ports",
    "expose",
    "volumes",
    "depends_on",
    "healthcheck",
    "restart",
    "stop_signal",
    "stop_grace_period",
    "profiles",
    "secrets",
    "configs",
    "container_name",
    "networks",
}


class Service:
    """One service, read. `listens`: it has a port that others may wait for."""

    def __init__(self, name: str, table: Table, known: Facts) -> None:
        self.original, self.name = name, known.names[name]
        self._table = Table(table.line)
        for key, value in table.items():
            if (value := merging.plain(value)) is not None:
                self._table.put(key, value, table.lines[key])
        self._known = known
        self.listens = any(key in self._table for key in ("ports", "expose", "healthcheck"))

    @property
    def profiles(self) -> tuple[str, ...]:
        given = self._table.get("profiles")
        return tuple(written(each) for each in given) if isinstance(given, Items) else ()

    def completes(self) -> Iterator[str]:
        """The services that it waits for until they are done."""
        given = merging.as_table(self._table.get("depends_on"), "depends_on")
        for name, said in given.items() if isinstance(given, Table) else ():
            if isinstance(said, Table) and said.get("condition") == "service_completed_successfully":
                yield name

    def planned(self, others: dict[str, Service], tasks: set[str]) -> Planned:
        """The service. `tasks`: those that somebody waits for until they are done."""
        missing = self._missing(tasks)
        keys: dict[str, object] = {"image": image} if (image := self._image()) else {}
        if self._table.get("image") is not None and not image and not missing:
            missing = "its image is not the name of one"
        keys |= self._command() | self._ports()
        keys |= self._env(keys) | self._volumes()
        if needed := self._depends_on(others, tasks):
            keys["depends_on"] = depends_on(needed)
        line = self._line("healthcheck")
        check = self._table.get("healthcheck")
        keys |= health.keys(self.name, check, self._known, line, has_port="container_port" in keys)
        keys |= self._restart() | self._stop() | self._profile()
        self._rest()
        if missing:
            self._known.report.left(self.name, "service", missing, self._table.line)
        return Planned(self.name, keys, missing=missing)

    def _missing(self, tasks: set[str]) -> str:
        """Why the service cannot run as it is."""
        if self.original in tasks:
            return (
                "it runs to completion, which only a program of this machine can be made to: take out "
                '`image`, and set type = "task" and the `command` that does it'
            )
        if "image" not in self._table:
            if "build" not in self._table:
                return "it has no image"
            place = self._build()
            tag = f"{self._known.project}-{self.original}"
            return (
                f"its image is built from {place}, and locald builds none: run `docker compose build "
                f'{self.original}` and set image = "{tag}", or set the `command` that starts it here'
            )
        return ""

    def _build(self) -> str:
        build = self._table.get("build")
        return written(build.get("context")) or "." if isinstance(build, Table) else written(build)

    def _line(self, key: str) -> int:
        return self._table.lines.get(key, self._table.line)

    def _text(self, key: str) -> str:
        return self._known.text(self.name, key, self._table.get(key), self._line(key))

    def _image(self) -> str:
        image = self._text("image") if "image" in self._table else ""
        if image and not image_names.is_image_name(image):
            self._known.report.left(
                self.name, "image", f'"{image}" is not the name of an image', self._line("image")
            )
            return ""
        if image and "build" in self._table:
            because = f"locald does not build it: run `docker compose build {self.original}` first"
            self._known.report.left(self.name, "build", because, self._line("build"))
        return image

    def _command(self) -> dict[str, object]:
        entry, words = self._words("entrypoint"), self._words("command")
        if entry:
            because = "put before `command`: the image's own entrypoint still runs before it"
            self._known.report.guessed(self.name, "command", because, self._line("entrypoint"))
        whole = entry + words
        if not whole or not whole[0].strip():
            return {}
        line = self._line("command" if words else "entrypoint")
        return {"command": commands.meant(self.name, whole, self._known.report, line)}

    def _words(self, key: str) -> list[str]:
        """A list as it is, a string as its words: compose runs neither by a shell."""
        given = self._table.get(key)
        parts = list(given) if isinstance(given, Items) else [given]
        filled = [
            self._known.text(self.name, key, each, self._line(key)) for each in parts if each is not None
        ]
        if isinstance(given, Items):
            return filled
        try:
            return shlex.split(" ".join(filled))
        except ValueError as error:
            self._known.report.left(self.name, key, f"{error}".lower(), self._line(key))
            return []

    def _ports(self) -> dict[str, object]:
        found = [*self._published("ports"), *self._published("expose")]
        if not found:
            return {}
        port = found[0]
        keys: dict[str, object] = {"container_port": port.target}
        line = self._line("ports")
        if port.published is not None and self._is_free(port.published, line):
            keys["port"] = port.published
        if port.published is not None and not port.host_ip:
            self._known.report.carried("", "ports", "published on 127.0.0.1, not on every address")
        elif port.host_ip not in ("", "127.0.0.1"):
            self._left("ports", f"{port.host_ip}: locald publishes on 127.0.0.1 only")
        if rest := [str(each.target) for each in found[1:] if each.target != port.target]:
            self._left("ports", f"{', '.join(rest)}: a service has one port, here {port.target}")
        return keys

    def _published(self, key: str) -> list[ports.Published]:
        given = self._table.get(key)
        found: list[ports.Published] = []
        for entry, line in zip(given, given.lines, strict=True) if isinstance(given, Items) else ():
            try:
                port = ports.read(self._filled(entry))
            except Bad as bad:
                self._known.report.left(self.name, key, bad.what, line)
                continue
            if port.protocol != "tcp":
                self._known.report.left(
                    self.name, key, f"{port.target}/{port.protocol}: only TCP is published", line
                )
                continue
            if port.others:
                because = f"a range: only its first port, {port.target}, is published"
                self._known.report.left(self.name, key, because, line)
            found.append(port if key == "ports" else port._replace(published=None))
        return found

    def _filled(self, entry: Any) -> Any:
        if not isinstance(entry, Table):
            return variables.fill(written(entry), self._known.lookup)
        found = Table(entry.line)
        for key, value in entry.items():
            found.put(key, variables.fill(written(value), self._known.lookup), entry.lines[key])
        return found

    def _is_free(self, port: int, line: int) -> bool:
        owner = self._known.taken.setdefault(port, self.name)
        if owner != self.name:
            self._known.report.left(self.name, "port", f'{port} is the port of "{owner}" already', line)
        return owner == self.name

    def _env(self, keys: Mapping[str, object]) -> dict[str, object]:
        """`keys`: what is known of its port."""
        given = merging.as_table(self._table.get("environment"), "environment")
        values: dict[str, str] = {}
        uses_file = False
        for name, value in given.items() if isinstance(given, Table) else ():
            if not name.strip() or "=" in name or "\0" in name:
                continue
            line = given.lines[name]
            text, names = self._variable(name, value, line)
            if text is not None:
                values[name] = text
                uses_file |= bool(self._known.in_env_file.intersection(names))
        port = self._own_port(values, keys)
        env: dict[str, object] = {"env": values} if values else {}
        return port | env | self._env_files(uses_file)

    def _own_port(self, env: dict[str, str], keys: Mapping[str, object]) -> dict[str, object]:
        """locald tells a container its port in PORT, and takes no other value of that."""
        said, known = env.pop("PORT", None), keys.get("container_port")
        if said is None or said == str(known):
            return {}
        if known is None and (port := digits.port(said)):
            self._guessed_env("container_port", "PORT in its environment names it")
            return {"container_port": port}
        told = "the image's port" if known is None else str(known)
        self._guessed_env("env", f"PORT: {said} is left out: locald sets it to {told}")
        return {}

    def _guessed_env(self, key: str, because: str) -> None:
        self._known.report.guessed(self.name, key, because, self._line("environment"))

    def _variable(self, name: str, value: Any, line: int) -> tuple[str | None, list[str]]:
        """The value in locald's form, and the variables that it needs."""
        if value is None:
            because = f"{name} has no value: it is that of the shell, or empty"
            self._known.report.guessed(self.name, "env", because, line)
            return (f"${{{name}:-}}" if re.fullmatch(r"[A-Za-z_]\w*", name) else None), [name]
        said = written(value)
        try:
            text, exact = variables.as_template(said, self._known.lookup)
            names = variables.names(said)
        except Bad as bad:
            self._known.report.left(self.name, f"environment.{name}", bad.what, line)
            return None, []
        if not exact:
            self._known.report.guessed(self.name, "env", f"{name}: {said} is {text}", line)
        renamed = facts.host_renamed(text, self._known.renamed)
        if renamed != text:
            self._known.report.guessed(self.name, "env", f"{name}: the host has a new name", line)
        return renamed.replace("\0", ""), names

    def _env_files(self, uses_file: bool) -> dict[str, object]:
        """`.env` is not for containers, unless their variables come from it."""
        found = list(self._named_env_files())
        if uses_file:
            if not found:
                because = "the variables of .env are used, so that the container gets all of them"
                self._known.report.guessed(self.name, "env", because, self._line("environment"))
                return {}
            ours = posixpath.normpath(posixpath.join(self._known.base, ".env"))
            found = found if ours in found else [ours, *found]
        return {"env_file": found} if found or self._known.in_env_file else {}

    def _named_env_files(self) -> Iterator[str]:
        given = self._table.get("env_file")
        for entry in given if isinstance(given, Items) else [given] if given is not None else []:
            path = entry.get("path") if isinstance(entry, Table) else entry
            text = self._known.text(self.name, "env_file", path, self._line("env_file"))
            whole = posixpath.normpath(posixpath.join(self._known.base, text)) if text else ""
            if not whole:
                continue
            if self._known.folder.text(whole) is None:
                needed = not (isinstance(entry, Table) and entry.get("required") is False)
                self._left("env_file", f"there is no {whole}{': create it, then add it' if needed else ''}")
                continue
            if isinstance(entry, Table) and entry.get("format") == "raw":
                self._left("env_file", f"format = raw of {whole}: quotes and variables in it are read")
            yield whole

    def _volumes(self) -> dict[str, object]:
        given = self._table.get("volumes")
        found = [
            volume for each in (given if isinstance(given, Items) else []) if (volume := self._volume(each))
        ]
        for key in ("secrets", "configs"):
            found += self._mounted(key)
        return {"volumes": found} if found else {}

    def _volume(self, entry: Any) -> str:
        line = self._line("volumes")
        if isinstance(entry, Table):
            kind = written(entry.get("type")) or "volume"
            source, target = self._named(entry.get("source"), line), self._named(entry.get("target"), line)
            options = "ro" if entry.get("read_only") is True else ""
            if kind not in ("bind", "volume"):
                self._left("volumes", f"{target}: only folders and volumes are mounted, not {kind}")
                return ""
        else:
            parts = self._named(entry, line).split(":")
            source, target, options = (["", *parts] if len(parts) == 1 else [*parts, ""])[:3] + [""] * (
                len(parts) == 1
            )
        if not source:
            self._left(
                "volumes", f"{target} without a name: what is in it is gone when the container is removed"
            )
            return ""
        if not target.startswith("/"):
            self._left("volumes", f"{target or source}: is no path in a container")
            return ""
        source = self._source(source)
        options = ",".join(each for each in options.split(",") if each.isalpha())
        return f"{source}:{target}{f':{options}' if options and options != 'rw' else ''}" if source else ""

    def _named(self, value: Any, line: int) -> str:
        return self._known.text(self.name, "volumes", value, line)

    def _source(self, source: str) -> str:
        """A folder relative to the project's, or a volume."""
        if source.startswith("~"):
            home = self._known.folder.env("HOME") or ""
            return source.replace("~", home, 1) if home else ""
        if source.startswith("/"):
            return source
        if source.startswith("."):
            path = posixpath.normpath(posixpath.join(self._known.base, source))
            return path if path.startswith(".") else f"./{path}"
        declared = merging.plain(self._known.volumes.get(source))
        own = written(declared.get("name")) if isinstance(declared, Table) else ""
        if isinstance(declared, Table) and declared.get("external"):
            return f"external:{own or source}"
        whole = own or f"{self._known.project}_{source}"
        because = f'"{source}" begins empty; for what compose keeps in it write "external:{whole}:/…"'
        self._known.report.guessed(self.name, "volumes", because, self._line("volumes"))
        return source

    def _mounted(self, key: str) -> list[str]:
        """Secrets and configs that are files."""
        given = self._table.get(key)
        found: list[str] = []
        for entry in given if isinstance(given, Items) else ():
            source = written(entry.get("source")) if isinstance(entry, Table) else written(entry)
            target = written(entry.get("target")) if isinstance(entry, Table) else ""
            path = self._known.files.get(f"{key}.{source}")
            if path is None:
                self._left(key, f"{source}: only one that is a file can be mounted")
                continue
            place = posixpath.join("/run/secrets" if key == "secrets" else "/", target or source)
            self._known.report.carried(
                self.name, "volumes", f"{key}: {source} is mounted as {place}", self._line(key)
            )
            found.append(
                f"{self._source(path if path.startswith(('/', '.', '~')) else f'./{path}')}:{place}:ro"
            )
        return found

    def _depends_on(self, others: dict[str, Service], tasks: set[str]) -> dict[str, str]:
        given = merging.as_table(self._table.get("depends_on"), "depends_on")
        found: dict[str, str] = {}
        for name, said in given.items() if isinstance(given, Table) else ():
            line = given.lines.get(name, self._line("depends_on"))
            other = others.get(name)
            if other is None or other._missing(tasks):
                why = "there is no such service" if other is None else "it cannot run yet"
                self._known.report.left(self.name, "depends_on", f"{name}: {why}", line)
                continue
            condition = written(said.get("condition")) if isinstance(said, Table) else ""
            if not condition and other.listens:
                because = f"until {other.name} is healthy; compose waits only until it has started"
                self._known.report.guessed(self.name, "depends_on", because, line)
            usual = "healthy" if other.listens else "started"
            found[other.name] = _CONDITIONS.get(condition, usual)
            if isinstance(said, Table) and said.get("restart") is True:
                self._left("depends_on.restart", "a running service is not restarted with what it depends on")
        return found

    def _restart(self) -> dict[str, object]:
        policy = self._text("restart") if "restart" in self._table else ""
        kind, _, count = policy.partition(":")
        if kind in ("false", "no"):
            return {"restart": "no"}
        if kind == "unless-stopped":
            self._known.report.carried(
                self.name, "restart", "unless-stopped is always", self._line("restart")
            )
        if kind in ("always", "unless-stopped"):
            return {"restart": "always"}
        if kind == "on-failure" and (most := digits.number(count, facts.MOST)):
            because = f"at most {count} times a minute, in compose {count} times at all"
            self._known.report.guessed(self.name, "max_restarts", because, self._line("restart"))
            return {"max_restarts": most}
        return {}

    def _stop(self) -> dict[str, object]:
        found: dict[str, object] = {}
        if "stop_signal" in self._table:
            said = self._text("stop_signal")
            number = digits.number(said, max(signals.NUMBERS.values())) or 0
            name = (
                signals.name(number)
                if number in signals.NUMBERS.values()
                else signals.canonical(said.upper())
            )
            if name:
                found["stop_signal"] = name
            else:
                self._left("stop_signal", f'"{said}" is not a signal')
        if "stop_grace_period" in self._table:
            try:
                grace = facts.seconds(self._text("stop_grace_period"))
                found |= {"stop_timeout": duration.show(grace)} if grace >= 0.001 else {}
            except Bad as bad:
                self._left("stop_grace_period", bad.what)
        return found

    def _profile(self) -> dict[str, object]:
        if not self.profiles:
            return {}
        because = f"`locald up {' '.join(self.profiles)}` starts it"
        self._known.report.carried(self.name, "autostart", because, self._line("profiles"))
        return {"autostart": False}

    def _rest(self) -> None:
        self._other_names()
        for key in self._table:
            is_silent = key.startswith("x-") or key in facts.SILENT
            if key not in _READ and key != "build" and not is_silent:
                self._left(key, facts.LEFT.get(key, facts.OTHERWISE))

    def _other_names(self) -> None:
        """Those under which compose lets others find it, or lets it find others: here it is the service's."""
        name, networks, links = (self._table.get(key) for key in ("container_name", "networks", "links"))
        if name is not None and written(name) != self.name:
            self._left("container_name", facts.BY_SERVICE)
        tables = networks.values() if isinstance(networks, Table) else ()
        for aliases in (table.get("aliases") for table in tables if isinstance(table, Table)):
            if isinstance(aliases, Items) and aliases:
                self._left("networks", f"{', '.join(map(written, aliases))}: {facts.BY_SERVICE}")
        for link in links if isinstance(links, Items) else ():
            other, _, alias = written(link).partition(":")
            if alias and alias != other:
                self._left("links", f"{alias}: {other} is found by its own name")

    def _left(self, key: str, because: str) -> None:
        self._known.report.left(self.name, key, because, self._line(key.partition(".")[0]))
