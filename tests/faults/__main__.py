"""`python -m faults N [--seed SEED]`: N rounds, some to a campaign. Exit 1 when a promise is broken."""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path
from random import Random

from engine.session import PrivateDocker, no_private_engine
from engine.warden import Unable
from faults import box, clock
from faults.rounds import Campaign, Told
from faults.yard import Yard

ROUNDS = 20
"""of one campaign; the next has a new home, and holds trees in the other way"""
MOST_BROKEN = 10
"""rounds after which it is known that something is wrong"""
TREES = ("reaper", "")


def main(arguments: list[str]) -> int:
    given = _parsed(arguments)
    suspended = Random(given.seed).random() < 0.5
    if (code := box.enter("faults", [str(given.rounds), *_again(given)], suspended)) is not None:
        return code
    box.be_init()
    return Series(given).run()


def _parsed(arguments: list[str]) -> argparse.Namespace:
    options = argparse.ArgumentParser(prog="./test --faults")
    options.add_argument("rounds", type=int, help="how many")
    options.add_argument("--seed", default=os.environ.get("LOCALD_FAULTS_SEED"))
    options.add_argument("--seconds", type=float, default=float("inf"), help="begin no round after this time")
    options.add_argument("--campaign", type=int, default=0, help="begin with this one")
    options.add_argument("-v", "--verbose", action="store_true", help="say each deed when it is done")
    given = options.parse_args(arguments)
    given.seed = given.seed or secrets.token_hex(4)
    return given


def _again(given: argparse.Namespace) -> list[str]:
    options = [f"--seed={given.seed}", f"--seconds={given.seconds}", f"--campaign={given.campaign}"]
    return [*options, *["-v"] * given.verbose]


def engine() -> PrivateDocker | str:
    """For containers; or why there can be none."""
    if why := no_private_engine():
        return why
    try:
        return PrivateDocker()
    except Unable as unable:
        return str(unable)


def left_out(no_engine: str = "") -> list[str]:
    """What no round does here, and why."""
    found = [f"containers and the end of their engine: {no_engine}"] if no_engine else []
    if not box.is_inside():
        found.append("full disks, for namespaces cannot be had")
    if not clock.compiler():
        found.append("clocks that are set, for there is no compiler (cc)")
    return found


class Series:
    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.until = time.monotonic() + given.seconds
        self.done = self.failed = 0
        found = engine()
        self.engine = None if isinstance(found, str) else found
        self.no_engine = found if isinstance(found, str) else ""

    def run(self) -> int:
        print(f"faults: {self.given.rounds} rounds, LOCALD_FAULTS_SEED={self.given.seed}", flush=True)
        for each in left_out(self.no_engine):
            print(f"faults: left out: {each}", flush=True)
        campaign = self.given.campaign
        while self.done < self.given.rounds and self.failed < MOST_BROKEN and time.monotonic() < self.until:
            self._campaign(campaign)
            campaign += 1
        print(f"faults: {self.done} rounds, {self.failed} broken", flush=True)
        if self.engine:
            self.engine.close()
        return 1 if self.failed else 0

    def _campaign(self, number: int) -> None:
        """Ends early when something was broken: what follows would only follow from that."""
        with tempfile.TemporaryDirectory(prefix="faults") as base:
            yard = Yard(Path(base), TREES[number % len(TREES)], self.engine)
            has_disks = box.give_disks(yard.home)
            campaign = Campaign(yard, Random(f"{self.given.seed}:{number}"), self._deed)
            try:
                fine = self._report(number, 0, campaign.begin())
                for count in range(1, ROUNDS + 1):
                    if not fine or self.done >= self.given.rounds or time.monotonic() > self.until:
                        break
                    fine = self._report(number, count, campaign.round())
                    self.done += 1
                if fine:
                    self._report(number, ROUNDS + 1, campaign.end())
                else:
                    yard.run("shop", "server", "stop")
            finally:
                yard.close()
                if has_disks:
                    box.take_disks(yard.home)
                shutil.rmtree(yard.home, ignore_errors=True)

    def _deed(self, deed: str) -> None:
        if self.given.verbose:
            print(f"    {time.strftime('%H:%M:%S')} {deed}", flush=True)

    def _report(self, campaign: int, count: int, told: Told) -> bool:
        sign = "BROKEN" if told.broken else "ok"
        deeds = "; ".join(told.deeds)
        print(f"{campaign}.{count} {sign} {told.settled_after:.1f}s: {deeds}", flush=True)
        if told.broken:
            self.failed += 1
            for each in told.broken:
                print(f"    - {each}")
            print(f"    repeat: ./test --faults {ROUNDS} --seed {self.given.seed} --campaign {campaign}")
        return not told.broken


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
