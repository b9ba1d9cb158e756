"""What all runs have in common and each of them needs: the keeper, seen from below."""

from __future__ import annotations

from locald.keeper.runs.reserve import Reserve
from locald.keeper.runs.spare import Spares
from locald.keeper.runs.throwaway import Throwaway

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from locald.keeper.loop import Loop
    from locald.keeper.runs.children import Children
    from locald.keeper.runs.leftovers import Table
    from locald.keeper.runs.zygote import Zygote
    from locald.keeper.wire.server import Server


class Context:
    """`sockets`: the folder of the notify sockets. `own_files`: the keeper's limit of open files before it
    raised it, soft and hard; `most_files`: since. `reserve`: what is left of them when all are in use.
    `zygote`: where runs can have no cgroups. `throwaway`: for descriptors that somebody handed over.
    """

    __slots__ = (
        "children",
        "loop",
        "most_files",
        "own_files",
        "reserve",
        "server",
        "sockets",
        "spares",
        "table",
        "throwaway",
        "zygote",
    )

    def __init__(
        self,
        loop: Loop,
        server: Server,
        children: Children,
        table: Table,
        sockets: str,
        own_files: tuple[int, int],
        most_files: int,
    ) -> None:
        self.loop = loop
        self.server = server
        self.children = children
        self.table = table
        self.sockets = sockets
        self.own_files = own_files
        self.most_files = most_files
        self.reserve = Reserve()
        self.spares = Spares(loop, children, most_files)
        self.zygote: Zygote | None = None
        self.throwaway = Throwaway(children, most_files)
