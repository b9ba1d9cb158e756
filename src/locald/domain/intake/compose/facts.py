"""What a compose service has in common with others: variables, names, volumes, and words for what is left."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct, field

from locald.domain.intake.compose import variables
from locald.domain.intake.plan import Folder, Report
from locald.domain.intake.yaml_text import Table, written
from locald.domain.values import duration
from locald.domain.values.faults import Bad

SILENT = ("annotations", "attach", "x-", "extends")
"""keys that change nothing for who runs the service here"""
BY_SERVICE = "a container is found by the name of its service"
LEFT = {
    "build": "locald builds no images",
    "deploy": "locald sets no limits and runs one of each service",
    "scale": "locald runs one of each service",
    "develop": "containers are not rebuilt when files change",
    "user": "a container runs as its image says",
    "working_dir": "a container works where its image says",
    "network_mode": "the containers of a project share one network",
    "links": "services of a project find each other by name already",
    "external_links": "only services of this file are known",
    "privileged": "containers get no privileges",
    "cap_add": "containers get no privileges",
    "devices": "containers get no devices",
    "tmpfs": "only folders and volumes are mounted",
    "tty": "the output of a container comes from Docker",
    "stdin_open": "a container has no standard input",
    "logging": "output is kept by locald: `locald logs`",
    "platform": "the engine chooses the platform",
    "pull_policy": "an image is pulled if it is missing",
    "init": "a container always has an init process",
    "labels": "labels are locald's own",
    "hostname": BY_SERVICE,
    "extra_hosts": "processes of this machine are host.docker.internal",
}
OTHERWISE = "there is no such key"

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:h|ms|us|m|s))+")
_PARTS = re.compile(r"(\d+(?:\.\d+)?)(h|ms|us|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001, "us": 0.000001}


class Facts(Struct):
    """Of the whole project, for each service."""

    report: Report
    names: Mapping[str, str]
    """the label of each service"""
    renamed: Mapping[str, str]
    """of those whose label is another name"""
    lookup: Callable[[str], str | None]
    in_env_file: frozenset[str]
    """the variables of `.env`"""
    folder: Folder
    base: str
    """the folder of the compose file, relative to the project's"""
    volumes: Table
    files: dict[str, str]
    """the path of each secret and config"""
    taken: dict[int, str] = field(default_factory=dict)
    """ports of this machine, and who has them"""
    project: str = ""
    """what compose calls the project"""

    def text(self, service: str, key: str, value: Any, line: int) -> str:
        """A value with its variables filled in once and for all."""
        said = written(value)
        try:
            filled = variables.fill(said, self.lookup)
        except Bad as bad:
            self.report.left(service, key, bad.what, line)
            return ""
        if "$" in said and variables.names(said):
            self.report.guessed(
                service, key, f"{said} is {filled} now: locald fills in variables in `env` only", line
            )
        return filled


MOST = 10**9
"""of anything that is counted"""


def seconds(text: str) -> float:
    """A duration of compose. Raises Bad."""
    if not _DURATION.fullmatch(text):
        raise Bad(f'"{text}" is not a duration')
    found = sum(float(number) * _SECONDS[unit] for number, unit in _PARTS.findall(text))
    if found > duration.LONGEST:
        raise Bad(f"is longer than {duration.TOO_LONG}")
    return found


_HOST = re.compile(r"(?<![\w.-])[\w.-]+(?=:\d|/|$)")
"""what may be a host in a value"""


def host_renamed(text: str, renamed: Mapping[str, str]) -> str:
    """A value that names a service as a host, with the name that it has now."""
    return _HOST.sub(lambda found: renamed.get(found[0], found[0]), text) if renamed else text
