"""The name of a project with the label of one of its folders: `shop@feat`.

Several folders may bear one project's name: worktrees, clones, copies. The first is the project itself,
`shop`; each other one is an instance of it with a label of its own. To nearly everything here that is just
another project. So are the services that all of them share: `shop@_`.

Commands import this too, and so it imports nothing.
"""

from __future__ import annotations

AT = "@"
"""between the name of a project and the label of an instance; neither can have it"""

SHARED = "_"
"""in place of a label, in the name of what all instances share; no label can be it"""


def with_label(name: str, label: str | None) -> str:
    """`shop` or `shop@feat`."""
    return f"{name}{AT}{label}" if label else name


def parts(project: str) -> tuple[str, str | None]:
    """The name of a project, and the label of the instance; None for the project itself."""
    name, _, label = project.partition(AT)
    return name, label or None


def of_all(project: str) -> str:
    """`shop@_` for `shop` and for `shop@feat`: whose the services are that all instances share."""
    return with_label(parts(project)[0], SHARED)


def is_of_all(project: str) -> bool:
    """Whether it stands for what all instances of a project share."""
    return project.endswith(AT + SHARED)
