"""What has been asked for, and so what has to be there. Pure.

A service *runs* when it is wanted, and so is all that it depends on: who stops a dependency stops those that
cannot be without it, which stay wanted and come back with it. A task that is done serves for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from faults.fleet import KINDS, PROJECT_OF, PROJECTS, needed_by


@dataclass(frozen=True, slots=True)
class Wishes:
    known: frozenset[str] = frozenset()
    """services of a project that is up, whether they run or not"""
    wanted: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()
    """services that the file of their project does not have now"""
    done: frozenset[str] = frozenset()
    """tasks that have completed"""
    edits: dict[str, int] = field(default_factory=dict)

    def up(self, project: str, names: frozenset[str] = frozenset()) -> Wishes:
        there = frozenset(k.name for k in PROJECTS[project]) - self.left_out
        wanted = frozenset(needed_by(names)) if names else there
        others = frozenset(name for name in self.known if PROJECT_OF[name] != project)
        return replace(self, known=others | there, wanted=(self.wanted & (others | there)) | wanted)

    def stop(self, project: str, names: frozenset[str] = frozenset()) -> Wishes:
        return replace(self, wanted=self.wanted - (names or _all(project)))

    def down(self, project: str) -> Wishes:
        gone = _all(project)
        return replace(self, known=self.known - gone, wanted=self.wanted - gone, done=self.done - gone)

    def restart(self, names: frozenset[str]) -> Wishes:
        return replace(self, wanted=self.wanted | names, done=self.done - names)

    def edit(self, name: str) -> Wishes:
        edits = {**self.edits, name: self.edits.get(name, 0) + 1}
        return replace(self, edits=edits, done=self.done - {name})

    def leave_out(self, names: frozenset[str]) -> Wishes:
        return replace(self, left_out=names, done=self.done - names)

    @property
    def running(self) -> frozenset[str]:
        """Those that have to run now (a task: to be completed), and those that fail."""
        return frozenset(name for name in self.wanted if self._can_be(name))

    def _can_be(self, name: str) -> bool:
        needs = KINDS[name].needs or ()
        return name in self.done or all(
            need in self.done or (need in self.wanted and self._can_be(need)) for need in needs
        )

    @property
    def settled(self) -> Wishes:
        """What runs has come: tasks among it are done from now on."""
        return replace(self, done=self.done | {name for name in self.running if KINDS[name].is_task})


def _all(project: str) -> frozenset[str]:
    return frozenset(kind.name for kind in PROJECTS[project])


def concerned(before: Wishes, after: Wishes, named: frozenset[str]) -> frozenset[str]:
    """Whose process may be another one afterwards: those named, and those that came or went."""
    edited = {name for name in KINDS if before.edits.get(name, 0) != after.edits.get(name, 0)}
    moved = before.running ^ after.running
    failing = {name for name in after.wanted if KINDS[name].fails}
    return frozenset(named | edited | moved | failing)
