"""A signal to a tree reaches every member, also one that is born meanwhile, and nobody else."""

from __future__ import annotations

import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from locald.linux.tree import Family, Tree

if TYPE_CHECKING:
    from collections.abc import Iterator


class Claimed(Tree):
    """Names processes as its members of which only some belong to it when they are asked again: the others
    have ended since, and their numbers mean other processes."""

    def __init__(self, *rounds: list[int], own: set[int]) -> None:
        self.rounds = list(rounds)
        self.own = own

    def members(self) -> list[int]:
        return self.rounds.pop(0) if len(self.rounds) > 1 else self.rounds[0]

    def has(self, pid: int) -> bool:
        return pid in self.own


@pytest.fixture
def two() -> Iterator[list[subprocess.Popen[bytes]]]:
    made = [subprocess.Popen(["sleep", "1000"]) for _ in range(2)]
    yield made
    for each in made:
        each.kill()
        each.wait()


def test_a_process_that_took_over_a_members_number_is_not_signalled(
    two: list[subprocess.Popen[bytes]],
) -> None:
    member, stranger = two
    Claimed([stranger.pid, member.pid], own={member.pid}).signal(signal.SIGTERM)
    assert member.wait(30) == -signal.SIGTERM
    assert stranger.poll() is None


def test_who_is_born_while_others_are_signalled_is_signalled_too(
    two: list[subprocess.Popen[bytes]],
) -> None:
    first, later = two
    Claimed([first.pid], [first.pid, later.pid], own={first.pid, later.pid}).signal(signal.SIGTERM)
    assert [each.wait(30) for each in two] == [-signal.SIGTERM] * 2


def test_every_member_is_signalled_once() -> None:
    """However often it is seen: it counts the signals until it gets another."""
    code = (
        "import signal\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMIN, signal.SIGRTMAX])\n"
        "print(flush=True)\nfound = []\n"
        "while signal.SIGRTMAX not in found:\n"
        "    found.append(signal.sigwait([signal.SIGRTMIN, signal.SIGRTMAX]))\n"
        "print(found.count(signal.SIGRTMIN))\n"
    )
    with subprocess.Popen(["python3", "-c", code], stdout=subprocess.PIPE) as counting:
        assert counting.stdout
        counting.stdout.readline()
        tree = Claimed([counting.pid], own={counting.pid})
        tree.signal(signal.SIGRTMIN)
        tree.signal(signal.SIGRTMAX)
        assert counting.stdout.read() == b"1\n"


def test_a_member_that_has_ended_is_no_error(two: list[subprocess.Popen[bytes]]) -> None:
    ended, member = two
    ended.kill()
    ended.wait()
    Claimed([ended.pid, member.pid], own={ended.pid, member.pid}).kill()
    assert member.wait(30) == -signal.SIGKILL


def test_a_member_that_ends_between_the_look_and_the_signal_is_no_error(
    two: list[subprocess.Popen[bytes]],
) -> None:
    ending, member = two

    class Ending(Claimed):
        def has(self, pid: int) -> bool:
            if pid == ending.pid:
                ending.kill()
                ending.wait()
            return True

    Ending([ending.pid, member.pid], own=set()).signal(signal.SIGTERM)
    assert member.wait(30) == -signal.SIGTERM


def test_a_family_is_what_descends_from_its_reaper_without_it() -> None:
    script = "sleep 1000 & setsid sleep 1000 & echo; wait"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE) as reaper:
        assert reaper.stdout
        reaper.stdout.readline()
        family = Family(reaper.pid)
        assert len(family.pids()) == 2
        assert reaper.pid not in family.members()
        family.kill()
        assert reaper.wait(30) == 0
