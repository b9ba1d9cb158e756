"""An error as a document, for who has asked for JSON: what went wrong, where, and what to do about it.

It is one line on standard output, so that it can be told from what a stream of objects brought before it. The
same text goes to standard error, for people.
"""

from __future__ import annotations

import json

from locald.faces import documents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from locald.domain.values.problem import Problem

FOREIGN = ("exec", "try")
"""commands whose words belong to another command"""


def tell(problems: Sequence[Problem], code: int) -> None:
    print(json.dumps(documents.failure(problems, code)))


def is_wanted(arguments: Sequence[str]) -> bool:
    """Whether this command line, right or wrong, asks for JSON."""
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in own and not set(own).intersection(FOREIGN)
