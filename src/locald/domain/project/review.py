"""All that there is to say about a file on this machine, errors and warnings, as one goes through it.

    errors     what is wrong whatever the machine: `up` refuses it
    lacking    what this shell or folder does not have: `up` refuses that too, but it may be there elsewhere
    warnings   what is allowed and hardly meant, and values that are ignored

`up` and `config check` both show the review, so that neither keeps back what the other would say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from locald.domain.project import env
from locald.domain.project.doubts import doubts
from locald.domain.project.file import decode
from locald.domain.project.resolving import Outside, attempt, env_file_paths, env_files_of
from locald.domain.project.spec import ProjectSpec
from locald.domain.values.faults import Fault, in_order
from locald.domain.values.lines import Places
from locald.domain.values.problem import Problem, Refused

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from locald.domain.project.around import Around
    from locald.domain.project.spec import Project
    from locald.domain.project.understood import Understood


class Review(Struct, frozen=True):
    spec: ProjectSpec
    """what the file asks for, as far as it is sound"""
    env_files: dict[str, dict[str, str]]
    errors: tuple[Fault, ...]
    lacking: tuple[Fault, ...]
    warnings: tuple[Fault, ...]
    beside: tuple[Problem, ...]
    """what is wrong with env files; `up` refuses it"""
    ignored: tuple[Problem, ...]
    """values in env files and the shell that are ignored"""
    places: Places

    def problems(self, *, lenient: bool = False, only: Collection[str] = ()) -> tuple[Problem, ...]:
        """Everything from top to bottom. `lenient`: what is lacking is a warning, which says that `up` will
        refuse it. `only`: nothing about others than these services, unless it is an error."""
        lacking = [_as_warning(fault) if lenient else fault for fault in self.lacking]
        warnings = [fault for fault in self.warnings if not only or _is_about(fault, only)]
        found = in_order([*self.errors, *lacking, *warnings], self.places)
        beside = [_refused(problem) if lenient else problem for problem in self.beside]
        return tuple(dict.fromkeys([*found, *beside, *self.ignored]))


def _is_about(fault: Fault, services: Collection[str]) -> bool:
    return fault.path[0] == "project" or fault.path[1] in services


def _is_unsure(fault: Fault, services: Collection[str]) -> bool:
    """Whether a variable is only missing because an env file could not be read."""
    is_variable = "env" in fault.path[1:3]
    return is_variable and (fault.path[1] in services or (fault.path[0] == "project" and bool(services)))


_REFUSED = ", `locald up` refuses this"


def _as_warning(fault: Fault) -> Fault:
    return replace(fault, what=fault.what + _REFUSED, is_warning=True)


def _refused(problem: Problem) -> Problem:
    return Problem(problem.what + _REFUSED, problem.where, problem.hint, is_warning=True)


def review(understood: Understood, around: Around) -> Review:
    spec = understood.spec
    files, beside, broken = _env_files(spec, around)
    outside = Outside(dict.fromkeys(spec.services, 1), files, around.shell)
    project, lacking = attempt(spec, around.directory, outside)
    ignored, elsewhere = _ignored(project, around.shell)
    warnings = [*doubts(spec, understood.places, around), *ignored]
    unsure = {name for name, each in spec.services.items() if broken & set(env_files_of(each, spec))}
    return Review(
        spec,
        files,
        tuple(understood.faults),
        tuple(fault for fault in lacking if not _is_unsure(fault, unsure)),
        tuple(replace(fault, is_warning=True) for fault in warnings),
        tuple(beside),
        tuple(elsewhere),
        understood.places,
    )


def _env_files(
    spec: ProjectSpec, around: Around
) -> tuple[dict[str, dict[str, str]], list[Problem], set[str]]:
    """What each env file that is there says, what is wrong with them, and which ones that is."""
    found: dict[str, dict[str, str]] = {}
    problems: list[Problem] = []
    broken = set()
    for path in env_file_paths(spec):
        try:
            if (data := around.read(path)) is not None:
                found[path] = env.parse(decode(data, path), path)
        except Refused as refused:
            found[path] = {}
            problems += refused.problems
            broken.add(path)
    return found, problems, broken


def _ignored(project: Project, shell: Mapping[str, str]) -> tuple[list[Fault], list[Problem]]:
    """Values that are ignored because locald sets them: those in the file, and those elsewhere."""
    written, elsewhere = [], []
    told = env.by_variable(project.definitions.values())
    for definition in project.definitions.values():
        for origin, name in env.ignored(definition, shell, told):
            problem = env.warning(definition, origin, name)
            if origin == "env":
                is_own = name in definition.spec.env
                path = ("services", definition.spec.name, "env", name) if is_own else ("project", "env", name)
                written.append(Fault(path, problem.what, problem.hint))
            else:
                elsewhere.append(problem.as_warning())
    return list(dict.fromkeys(written)), elsewhere
