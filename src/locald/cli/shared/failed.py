"""An error as a document, for who has asked for JSON: what went wrong, where, and what to do about it.

It is one line on standard output, so that it can be told from what a stream of objects brought before it. The
same text goes to standard error, for people.
"""

from __future__ import annotations

import json

from locald.wire import rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from locald.domain.values.problem import Problem

FOREIGN = ("exec", "try")
"""commands whose words belong to another command"""


def document(problems: Sequence[Problem], code: int) -> dict[str, Any]:
    """The first error, and all problems. `code` is the exit code."""
    errors = [each for each in problems if not each.is_warning] or problems
    first = {"code": code, "message": errors[0].what, "where": errors[0].where, "hint": errors[0].hint}
    return {"error": first, "problems": [rows.problem(each) for each in problems]}


def tell(problems: Sequence[Problem], code: int) -> None:
    print(json.dumps(document(problems, code)))


def is_wanted(arguments: Sequence[str]) -> bool:
    """Whether this command line, right or wrong, asks for JSON."""
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in own and not set(own).intersection(FOREIGN)
