"""What is to be said of a project that is not where, or not what, it was when it was brought up."""

from __future__ import annotations

import os

from locald.cli.shared import say
from locald.domain.project.file import FILE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from locald.client.target import Target


def tell(target: Target, moved_from: str | None, *, goes_on: bool = True) -> None:
    """`moved_from`: by the daemon's word. A project that does not go on needs no file."""
    here = target.directory
    if moved_from:
        say.note(f"the project was moved here from {moved_from}, its services run as of there")
    elif goes_on and here and os.path.isdir(here) and not os.path.exists(os.path.join(here, FILE)):
        say.note(f"no {FILE} in {here}, its services run as of the last `locald up`")
