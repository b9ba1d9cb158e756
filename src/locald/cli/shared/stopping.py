"""Wait until services have ended: what `stop`, `down` and `server stop` have in common."""

from __future__ import annotations

import json
import os

from locald.cli.shared import live, say, whereabouts
from locald.client import daemon
from locald.client.follow import Following
from locald.client.http import Denied
from locald.faces import documents, words
from locald.wire.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from locald.cli.shared.begun import Spell
    from locald.client.target import Target


def stop(target: Target, *, as_json: bool = False) -> int:
    """Stop the services of the target, and wait. No daemon is started when no service is requested."""
    home = Home.find()
    api = daemon.find(home)
    if api is None and not os.path.exists(home.wanted):
        say.note("nothing is running")
        _print(as_json, {}, [])
        return 0
    api = api or daemon.start(home)
    answer = api.post("/v1/stop", target.body)
    whereabouts.tell(target, answer.get("moved_from"))
    kept = _tell_kept(target, answer)
    services = [name for name in answer["services"] if name in answer.get("ends", answer["services"])]
    if not services:
        _nothing_runs(kept)
        _print(as_json, answer, [])
        return 0
    following = Following(home, api, target.only(services).query, "down")
    if not until_gone(following, _spelled_by(target)):
        return 130
    states = {row["name"]: row["state"] for row in following.board.rows}
    again = [name for name in services if states.get(name, "stopped") not in live.ENDED]
    done = [name for name in services if states.get(name) == "completed"]  # tasks that are done stay so
    stopped = [name for name in services if name not in (*again, *done)]
    _tell(target, stopped, "stopped {}")
    _tell(target, again, "running again: {}")
    later = [row["name"] for row in following.board.rows if row["name"] in stopped and row.get("on_demand")]
    _tell(target, later, "starts again with the next request, on demand: {}")
    _print(as_json, answer, stopped, again)
    if len(done) == len(services):
        _nothing_runs(kept)
    return 0


def _nothing_runs(kept: Mapping[str, Sequence[str]]) -> None:
    if not kept:
        say.note("nothing is running")


def _tell_kept(target: Target, answer: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
    """What goes on for other instances, which have it too."""
    kept: Mapping[str, Sequence[str]] = answer.get("kept") or {}
    for name, users in kept.items():
        say.note(f"{target.spelled(name)} keeps running: it is shared with {words.listed(list(users))}")
    return kept


def _tell(target: Target, services: list[str], sentence: str) -> None:
    if services:
        say.note(sentence.format(words.listed([target.spelled(name) for name in services])))


def _print(as_json: bool, answer: Mapping[str, Any], stopped: list[str], again: Sequence[str] = ()) -> None:
    """What came of it, for who has asked for JSON. `answer`: the daemon's, or none."""
    if not as_json:
        return
    print(json.dumps(documents.stopped(answer, stopped, again), indent=2))


def down(target: Target, *, as_json: bool = False) -> int:
    """Stop and forget the project, and wait. No daemon is started for a project that none ever knew."""
    home = Home.find()
    api = daemon.find(home)
    if api is None and not os.path.exists(home.wanted) and not is_kept(home, target.directory):
        say.note("project is not running")
        _print(as_json, {}, [])
        return 0
    api = api or daemon.start(home)
    answer = api.post("/v1/down", target.body)
    project = words.project(answer)
    whereabouts.tell(target, answer.get("moved_from"), goes_on=False)
    _tell_kept(target, answer)
    # Each service is forgotten when it is gone, so they cannot be asked about by name.
    if project and not until_gone(Following(home, api, target.where, "down"), _spelled_by(target)):
        return 130
    say.note(f"{project} is down" if project else "project is not running")
    ended = answer.get("ends", answer["services"])
    _print(as_json, answer, [name for name in answer["services"] if name in ended])
    return 0


def _spelled_by(target: Target) -> Spell:
    return lambda row: target.spelled(row["name"])


def is_kept(home: Home, directory: str) -> bool:
    """Whether a daemon has kept something about this folder."""
    try:
        with open(home.state_file, encoding="utf-8", errors="replace") as state:
            return json.dumps(directory) in state.read()
    except OSError:
        return False


def until_gone(following: Following, spell: Spell, deadline: float | None = None) -> bool:
    """Wait until no process of what is followed is left. False when interrupted. Raises TimedOut."""
    try:
        following.run(live.stopping(spell), deadline)
    except Denied:
        pass  # a project that is forgotten by now has nothing that could run
    except KeyboardInterrupt:
        say.note("interrupted: services keep stopping (run `locald status` to see how far)")
        return False
    return True
