"""Wait until services have ended: what `stop`, `down` and `server stop` have in common."""

from __future__ import annotations

import os

from locald.cli import live, say, words
from locald.cli.follow import Following
from locald.client import daemon
from locald.client.http import Denied
from locald.wire.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.cli.live import Spell
    from locald.client.target import Target


def carry_out(path: str, target: Target, traces: Callable[[Home], str]) -> int:
    """Ask the daemon for what `path` does, then wait until every process of it is gone.

    A daemon is started for this only if the file that `traces` names exists: without it there is
    nothing to do.
    """
    home = Home.find()
    api = daemon.find(home)
    if api is None and not os.path.exists(traces(home)):
        say.note(_said([]))
        return 0
    api = api or daemon.start(home)
    services = api.post(path, target.body)["services"]
    following = Following(home, api, target.only(services).query, "down")
    if services and not until_gone(following, lambda row: target.spelled(row["name"])):
        return 130
    say.note(_said([target.spelled(name) for name in services]))
    return 0


def until_gone(following: Following, spell: Spell) -> bool:
    """Wait until no process of what is followed is left. False when interrupted."""
    try:
        following.run(live.stopping(spell))
    except Denied:
        pass  # a project that is forgotten by now has nothing that could run
    except KeyboardInterrupt:
        say.note("interrupted: stopping goes on; `locald status` shows how far it is")
        return False
    return True


def _said(names: list[str]) -> str:
    """What was stopped, as a sentence."""
    return f"stopped {words.listed(names)}" if names else "nothing was running"
