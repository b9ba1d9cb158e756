"""The promises that are looked at after each round, each as a function of what was seen. Pure.

Every check returns sentences, one for each promise that is broken; none is good.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from faults.actor import text_of
from faults.fleet import CONTAINERS, KINDS, LOCAL, PROJECT_OF

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from faults.sight import Happened, Printed, Process, Sight, Size
    from faults.wishes import Wishes

STREAMS = {"stdout": 1, "stderr": 2}
SLACK = 1_500_000_000
"""nanoseconds in which the death of a dependency need not have been seen by who starts its dependents"""
MORE_FILES = 24
FILES_OF_ONE = 8
"""that daemon or keeper may have open for a service"""
MORE_MEMORY = 24 << 20


# What runs.


def wanted_runs_once(wishes: Wishes, seen: Sight) -> list[str]:
    broken = []
    for name in sorted(wishes.running):
        kind, leaders = KINDS[name], seen.of(name, "leader")
        want = 0 if kind.fails or kind.is_task else 1
        if len(leaders) != want:
            broken.append(f"{name} is wanted, and runs {len(leaders)} times: {_list(leaders)}")
        children = seen.of(name, "child")
        if not kind.children <= len(children) <= kind.children + kind.stray:
            broken.append(
                f"{name} has {len(children)} children instead of {kind.children}: {_list(children)}"
            )
    return broken


def stopped_leaves_nothing(wishes: Wishes, seen: Sight) -> list[str]:
    left = [process for process in seen.processes if process.service not in wishes.running]
    return [f"{process.service} is not to run, but there is {process}" for process in left]


def somebody_keeps_them(wishes: Wishes, seen: Sight) -> list[str]:
    """Processes whose keeper has just been killed look as they did, until its daemon has seen that."""
    kept = [name for name in wishes.running if PROJECT_OF[name] in LOCAL]
    return [f"no keeper is there, and {len(kept)} services are wanted"] if kept and not seen.is_kept else []


def bystanders_untouched(before: Sight, seen: Sight, concerned: Collection[str], wishes: Wishes) -> list[str]:
    """Who had nothing to do with what happened has the process that it had. Who is told a port starts anew
    when that has to move, as when an engine that was killed has left somebody on it."""
    broken = []
    for name in sorted(wishes.running - set(concerned) - _told_another_port(before, seen)):
        old, new = _ids(before.of(name, "leader")), _ids(seen.of(name, "leader"))
        if old and old != new:
            broken.append(f"{name} had nothing to do with it, but {old} became {new}")
    return broken


def _told_another_port(before: Sight, seen: Sight) -> set[str]:
    def port(sight: Sight, name: str) -> object:
        return sight.rows.get(name, {}).get("port")

    moved = {name for name in CONTAINERS if None is not port(before, name) != port(seen, name) is not None}
    return {name for name, kind in KINDS.items() if moved & (kind.needs or {}).keys()}


def _ids(found: Sequence[Process]) -> list[tuple[int, int]]:
    return sorted((process.pid, process.start) for process in found)


def _list(found: Sequence[Process]) -> str:
    return ", ".join(map(str, found)) or "none"


# What is said.


def status_is_true(wishes: Wishes, seen: Sight) -> list[str]:
    broken = [f"status does not name {name}" for name in sorted(wishes.known - seen.rows.keys())]
    broken += [f"status names {name}, which is gone" for name in sorted(seen.rows.keys() - wishes.known)]
    for name in sorted(wishes.known & seen.rows.keys()):
        row = seen.rows[name]
        states = _states(wishes, name)
        if row["state"] not in states:
            told = f"{row['state']} ({row['because']})"
            broken.append(f"status says that {name} is {told} instead of {' or '.join(states)}")
        pids: list[int | None] = [process.pid for process in seen.of(name, "leader")]
        if [row["pid"]] != (pids or [None]):
            broken.append(f"status says that {name} has pid {row['pid']}, and it has {pids}")
        if (row["health"] == "healthy") != (row["state"] in WELL) and row["state"] in states:
            broken.append(f"status says that {name} is {row['state']} and {row['health']}: {row['because']}")
    return broken


WELL = ("running", "completed")
"""states of services that have nothing to be unhealthy for"""


def _states(wishes: Wishes, name: str) -> tuple[str, ...]:
    kind = KINDS[name]
    if name in wishes.running or name in wishes.done:
        return ("failed",) if kind.fails else ("completed",) if kind.is_task else ("running",)
    return ("blocked",) if name in wishes.wanted else ("stopped",)


def all_is_saved(seen: Sight) -> list[str]:
    """What a disk did not take is saved once it is not full any more: a daemon that comes next goes by it."""
    return [f"status says for good that {seen.unsaved}"] if seen.unsaved else []


def pids_that_are_not(seen: Sight) -> dict[str, int]:
    """The services of which status shows a process that is no more."""
    there = {process.pid for process in seen.processes}
    return {name: row["pid"] for name, row in seen.rows.items() if row["pid"] and row["pid"] not in there}


def times_stay(before: Sight, seen: Sight) -> list[str]:
    """A process that runs on has begun when it had begun before, whatever the clock was set to."""
    broken = []
    for name, row in sorted(seen.rows.items()):
        old = before.rows.get(name, row)
        if row["pid"] and row["pid"] == old["pid"] and row["started_at"] != old["started_at"]:
            told = f"{old['started_at']}, and now {row['started_at']}"
            broken.append(f"status said that pid {row['pid']} of {name} has started at {told}")
    return broken


def dashboard_is_remembered(before: Sight, seen: Sight) -> list[str]:
    """A page that is open finds the next daemon, and is let in."""
    if before.dashboard in ("", seen.dashboard):
        return []
    return ["the port of the dashboard, or who is signed in, was forgotten"]


def no_traceback(seen: Sight) -> list[str]:
    broken = []
    for where, text in sorted(seen.texts.items()):
        found = re.search(r"Traceback|Exception ignored|could not be carried out|internal error", text)
        if found and not _before_any_of_ours(text):
            broken.append(f"{where} has a traceback: {text[max(found.start() - 300, 0) :][:3000]}")
    return broken


def _before_any_of_ours(text: str) -> bool:
    """Ctrl-C met Python, which had not come to a line of locald yet."""
    return text.rstrip().endswith("KeyboardInterrupt") and "/locald/" not in text


# The order of starts.


def dependencies_first(journal: Sequence[Happened], since: int) -> list[str]:
    """No service started before all that it needs was ready; looked at are the starts since then."""
    broken = []
    starts = [each for each in journal if each.event == "start" and each.at >= since]
    for start in starts:
        needs = {
            name: how for name, how in (KINDS[start.service].needs or {}).items() if name not in CONTAINERS
        }
        for need, condition in needs.items():
            if why := _was_not_there(need, condition, start, journal):
                broken.append(f"{start.service} (pid {start.pid}) started, and {need} {why}")
    return broken


def containers_first(journal: Sequence[Happened], since: int, concerned: Collection[str]) -> list[str]:
    """Who depends on a container that nothing happened to found it there: a container has no journal."""
    missed = [each for each in journal if each.event == "misses" and each.at >= since]
    return [
        f"{each.service} (pid {each.pid}) started, and {name} did not answer"
        for each in missed
        for name in sorted(CONTAINERS & (KINDS[each.service].needs or {}).keys() - set(concerned))
    ]


def _was_not_there(need: str, condition: str, start: Happened, journal: Sequence[Happened]) -> str:
    event = {"started": "start", "healthy": "ready", "completed": "done"}[condition]
    before = [each for each in journal if each.service == need and each.at < start.at]
    there = [each for each in before if each.event == event]
    if not there:
        return f"was not {condition} before"
    newest = [each for each in before if each.event == "start"][-1]
    age = start.at - newest.at
    if newest.incarnation != there[-1].incarnation and age > SLACK and not KINDS[need].is_task:
        return f"(pid {newest.pid}), begun {age / 1e9:.1f} s before, was not {condition}"
    return ""


# What was printed.


def lines_whole_and_in_order(seen: Sight) -> list[str]:
    """Each stream's lines count up from one to the next.

    What could not be written is said in the log itself: after such a word the count may go on higher, and
    the line on which it fell is not whole.
    """
    broken = []
    for service, lines in sorted(seen.logs.items()):
        for stream, number in STREAMS.items():
            own = [line for line in lines if line.stream in (stream, "locald")]
            broken += [f"log of {service}, {stream}: {why}" for why in _count(own, stream, number)]
    return broken


_NUMBERED = re.compile(r"L (\d+-[0-9a-f]+) (\d) (\d+) ([a-j]*)\.")


def _count(lines: Sequence[Printed], stream: str, number: int) -> list[str]:
    last: dict[str, int] = {}
    broken, lossy = [], False
    for position, line in enumerate(lines):
        if line.stream == "locald":
            lossy = lossy or _tells_loss(line)
            continue
        found = _NUMBERED.fullmatch(line.text)
        if not found or line.text != text_of(found[1], number, int(found[3])):
            if _is_ours(line.text) and not _excused(lines, position, stream):
                broken.append(f"not a whole line: {line.text[:200]!r}")
            continue
        incarnation, count = found[1], int(found[3])
        before = last.get(incarnation)
        if before is not None and count != before + 1 and not (lossy and count > before):
            broken.append(f"after line {before} of {incarnation} comes {count}")
        last[incarnation] = count
        lossy = False
    return broken


def _is_ours(text: str) -> bool:
    return text != "open-for-business"


def _excused(lines: Sequence[Printed], position: int, stream: str) -> bool:
    """A line that is the first we have, the last of its run, or beside a loss that was told."""
    around = lines[max(position - 3, 0) : position + 4]
    if any(map(_tells_loss, around)):
        return True
    following = next((line for line in lines[position + 1 :] if line.stream == stream), None)
    found = following and _NUMBERED.fullmatch(following.text)
    own = re.match(r"L (\d+-[0-9a-f]+) ", lines[position].text)
    return position == 0 or not found or not own or found[1] != own[1]


def nothing_printed_is_lost(
    seen: Sight, cut_off: Collection[str], at_full_disk: Collection[str] = ()
) -> list[str]:
    """All that was printed is in the logs. `cut_off`: incarnations that ended with their keeper, or while the
    disk was full. `at_full_disk`: those that lived on when it was not full any more; of what they lost the
    log tells."""
    newest = _newest(seen.logs)
    broken = []
    for (service, incarnation, stream), count in sorted(seen.marks.items()):
        if service in seen.rows and incarnation not in cut_off:
            got = newest.get((service, incarnation, stream), 0)
            is_told = incarnation in at_full_disk and any(map(_tells_loss, seen.logs.get(service, ())))
            if got < count and not is_told:
                broken.append(
                    f"{service} ({incarnation}) printed {count} lines on {stream}, its log has {got}"
                )
    return broken


def _tells_loss(line: Printed) -> bool:
    return line.stream == "locald" and "output lost here" in line.text


def _newest(logs: Mapping[str, Sequence[Printed]]) -> dict[tuple[str, str, int], int]:
    found = {}
    for service, lines in logs.items():
        for line in lines:
            if numbered := _NUMBERED.fullmatch(line.text):
                found[service, numbered[1], int(numbered[2])] = int(numbered[3])
    return found


def none_twice(seen: Sight) -> list[str]:
    broken = []
    for service, lines in sorted(seen.logs.items()):
        texts = Counter(line.text for line in lines if _NUMBERED.fullmatch(line.text))
        twice = [text for text, count in texts.items() if count > 1]
        broken += [f"log of {service} has a line twice: {text[:80]!r}" for text in twice[:3]]
    return broken


# What is held.


def no_growth(what: str, first: Size, now: Size) -> list[str]:
    """Of the same process: what it holds more than when it was first looked at."""
    if not first.is_of_same(now):
        return []
    broken = []
    if now.files > first.files + MORE_FILES + FILES_OF_ONE * max(now.services - first.services, 0):
        broken.append(f"{what} (pid {now.pid}) has {now.files} files open, and had {first.files}")
    if now.memory > first.memory + MORE_MEMORY:
        broken.append(f"{what} (pid {now.pid}) has {now.memory >> 20} MB, and had {first.memory >> 20}")
    return broken
