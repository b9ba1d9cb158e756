"""The `healthcheck` of a compose service as a `health_check`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from locald.domain.intake.compose import facts, variables
from locald.domain.intake.yaml_text import Items, Table, written
from locald.domain.values import digits, duration
from locald.domain.values.faults import Bad

if TYPE_CHECKING:
    from locald.domain.intake.compose.facts import Facts

DEFAULT_TIMEOUT = 60.0
"""seconds of `start_timeout`"""


def keys(service: str, check: Any, known: Facts, line: int, *, has_port: bool) -> dict[str, object]:
    """`health_check` and `start_timeout`."""
    if not isinstance(check, Table):
        return {}
    test = check.get("test")
    line = check.lines.get("test", line)
    if check.get("disable") is True or (isinstance(test, Items) and test[:1] == ["NONE"]):
        kind = "tcp" if has_port else "none"
        known.report.guessed(
            service, "health_check", "disabled: the image's HEALTHCHECK does not count", line
        )
        return {"health_check": {"type": kind}}
    times = _times(service, check, known)
    command = _command(service, test, known, line)
    if not command:
        if times:
            known.report.left(service, "healthcheck", "times without a test: the image's own are used", line)
        return {}
    own = {
        key: duration.show(value) for key, value in times.items() if key in ("interval", "timeout") and value
    }
    retries = {"retries": int(times["retries"])} if times.get("retries", 0) >= 1 else {}
    found: dict[str, object] = {"type": "command", "command": command, **own, **retries}
    patience = times.get("start_period", 0) + times.get("interval", 30) * times.get("retries", 3)
    return {"health_check": found} | _start_timeout(service, patience, times, known, line)


def _start_timeout(
    service: str, patience: float, times: dict[str, float], known: Facts, line: int
) -> dict[str, object]:
    if not times.get("start_period") or patience <= DEFAULT_TIMEOUT:
        return {}
    because = "start_period and the retries after it"
    known.report.guessed(service, "start_timeout", because, line)
    return {"start_timeout": duration.show(round(min(patience, duration.LONGEST)))}


def _times(service: str, check: Table, known: Facts) -> dict[str, float]:
    found: dict[str, float] = {}
    for key in ("interval", "timeout", "start_period", "retries"):
        if key not in check:
            continue
        line = check.lines[key]
        text = known.text(service, f"healthcheck.{key}", check[key], line)
        try:
            found[key] = _count(text) if key == "retries" else facts.seconds(text)
        except Bad as bad:
            known.report.left(service, f"healthcheck.{key}", bad.what, line)
    if "start_interval" in check:
        because = "until it is healthy, locald checks at its own pace"
        known.report.left(service, "healthcheck.start_interval", because, check.lines["start_interval"])
    return found


def _count(text: str) -> int:
    """Raises Bad."""
    found = digits.number(text, facts.MOST)
    if found is None:
        raise Bad(f'"{text[:40]}" is not a number of times')
    return found


def _command(service: str, test: Any, known: Facts, line: int) -> str:
    """The command for `sh -c` in the container; empty when there is none."""
    words = [written(each) for each in test] if isinstance(test, Items) else [written(test)]
    try:
        words = [variables.fill(word, known.lookup) for word in words]
    except Bad as bad:
        known.report.left(service, "healthcheck.test", bad.what, line)
        return ""
    if not isinstance(test, Items):
        return words[0].strip()
    match words:
        case ["CMD-SHELL", line_of_shell, *_]:
            return line_of_shell.strip()
        case ["CMD", *argv] if argv:
            known.report.carried(service, "health_check", "CMD is run by the container's shell", line)
            return shlex.join(argv)
        case _:
            known.report.left(service, "healthcheck.test", "must begin with CMD, CMD-SHELL or NONE", line)
            return ""
