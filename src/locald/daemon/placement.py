"""On which engine a project runs: what the command says, else the file, and what is lost there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from locald.domain.export.losses import lost_on
from locald.domain.project import placing
from locald.domain.project.names import Key
from locald.domain.project.resolving import key_in
from locald.domain.project.spec import Engine
from locald.domain.values.problem import Problem

if TYPE_CHECKING:
    from locald.domain.lifecycle.world import World
    from locald.domain.project.spec import Project, ProjectSpec, ServiceSpec


class Where(Struct, frozen=True):
    """What `--on`, `--image` and `--context` say; None: what the file says."""

    engine: Engine | None = None
    images: Mapping[str, str] = field(default_factory=dict)
    context: str = ""

    def place(self, spec: ProjectSpec) -> ProjectSpec:
        """Raises Refused for what that engine cannot run."""
        return placing.placed(spec, self.engine or spec.engine, self.images, self.context)


ANYWHERE = Where()


def as_it_runs(world: World, spec: ProjectSpec) -> ProjectSpec:
    """Each service of the file on the engine where it is now, with the image that it has there."""

    def there(name: str, written: ServiceSpec) -> ServiceSpec:
        known = world.services.get(key_in(spec, name)) or world.services.get(Key(spec.name, name))
        if known is None:
            return written
        return placing.on_engine(written, known.definition.engine, known.spec.image or "")

    return replace(spec, services={name: there(name, each) for name, each in spec.services.items()})


def losses(world: World, project: Project) -> list[Problem]:
    """A warning for each meaning that the engine has no word for: of services that are new there."""
    known = {each.key: each.definition for each in world.services.values()}
    new = [each for each in project.definitions.values() if each != known.get(each.key)]
    return [
        Problem(f"{lost.key}: {lost.because}", f"services.{lost.service}", is_warning=True)
        for each in new
        for lost in lost_on(each.engine, each.spec)
    ]


def moves(world: World, project: Project) -> dict[str, Engine]:
    """The services that run elsewhere than they are to, by name: where they go."""
    own = {each.key.service: each for each in world.of_project(project.name) if each.run}
    return {
        name: each.engine
        for name, each in project.definitions.items()
        if name in own and own[name].present.engine is not each.engine
    }
