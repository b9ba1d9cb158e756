"""Commands that have actions below them: `locald server stop`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    Function = Callable[[argparse.Namespace], int]


def actions_of(parser: argparse.ArgumentParser) -> Callable[[str, Function, str], argparse.ArgumentParser]:
    """Let the command have actions. What is returned adds one, of a name, what it does, and a text that
    begins in lower case."""
    actions = parser.add_subparsers(metavar="ACTION", required=True, title="actions")

    def action(name: str, function: Function, text: str) -> argparse.ArgumentParser:
        added: argparse.ArgumentParser = actions.add_parser(
            name, help=text, description=f"{text.capitalize()}."
        )
        added.set_defaults(run=function)
        return added

    return action
