"""What is to be said of a project that is not where, or not what, it was when it was brought up."""

from __future__ import annotations

import os

from locald.cli.shared import say
from locald.client.project import FILE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from locald.client.target import Target


def tell(target: Target, known: str | None, *, goes_on: bool = True) -> None:
    """`known`: the project's folder as the daemon knows it. A project that does not go on needs no file."""
    if not (known and target.directory):
        return
    if os.path.realpath(known) != os.path.realpath(target.directory):
        say.note(f"the project was moved here from {known}, its services run as of there")
    elif goes_on and os.path.isdir(known) and not os.path.exists(os.path.join(known, FILE)):
        say.note(f"no {FILE} in {known}, its services run as of the last `locald up`")
