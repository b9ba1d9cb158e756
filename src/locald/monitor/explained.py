"""The `why` pane and the `environment` pane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from locald.faces import states, words
from locald.faces.when import age
from locald.monitor import past
from locald.monitor.drawn import Look
from locald.monitor.table import style

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from locald.monitor.board import Row
    from locald.monitor.lines import Line

Document = dict[str, Any]


def root(document: Document) -> str:
    """The service that somebody has to do something about: the last blocker, or itself."""
    blockers = _listed(document, "blockers")
    return str((blockers or [document])[-1].get("service") or "")


def why(
    document: Document,
    row: Row | None,
    printed: Sequence[Line] = (),
    width: int = 80,
    *,
    runs: Sequence[Document] = (),
    samples: Sequence[Document] = (),
    now: float = 0.0,
) -> RenderableType:
    """The whole explanation. `row` adds what `why` does not say: whether the source is a fallback. `printed`:
    what its root printed last. `runs`: its own, the newest first; `samples`: what it took of the machine."""
    shown = {**document, **({"check": row.get("check"), "fallback": row.get("fallback")} if row else {})}
    word = words.word(shown)
    name = str(shown.get("service") or "")
    head = Text.assemble((f"{states.sign(word)} ", style(word)), (f"{name} ", "bold"))
    head.append(words.judged(shown), style(word))
    parts: list[RenderableType] = [head, Text(f"  {words.because(shown)}")]
    held_up = shown.get("state") in ("waiting", "blocked")  # else it keeps running
    title = "Blocked by (root cause last)" if held_up else "Running without (root cause last)"
    parts += _block(title, map(_blocker, _listed(document, "blockers")))
    parts += _block("Next steps", (_hint(hint) for hint in document.get("hints") or ()))
    parts += _printed(root(document), printed, width)
    parts += _block("Evidence (newest first)", map(_evidence, _listed(document, "evidence")))
    parts += _block("Last 15 minutes", past.usage(samples, now, width))
    parts += _block("Runs ({ and } show the lines of one)", past.history(runs))
    return Group(*parts)


def _printed(name: str, lines: Sequence[Line], width: int) -> list[RenderableType]:
    if not lines:
        return []
    look = Look(width)
    rows = [look.row(line, part) for line in lines for part in range(len(look.pieces(line)))]
    return [Text(), Text(f"Last output of {name}", "bold"), *rows]


def environment(document: Document) -> RenderableType:
    """Names with values and where each comes from; what locald and the file set stands first."""
    values, origins = document.get("env"), document.get("origins")
    values = values if isinstance(values, dict) else {}
    origins = origins if isinstance(origins, dict) else {}
    ranks = {"locald": 0, "env": 1, "env_file": 2}
    ordered = sorted(values, key=lambda name: (ranks.get(str(origins.get(name)), 3), name))
    grid = _grid(2)
    grid.columns[1].ratio = 1
    for name in ordered:
        value = Text.assemble((name, "bold cyan"), "=", str(values[name]))
        grid.add_row(Text(str(origins.get(name) or ""), "dim"), value)
    folder = Text.assemble(("working directory: ", "dim"), str(document.get("workdir") or "?"))
    secret = document.get("masked") or ()
    note = [Text(f"{words.counted(len(secret), 'value')} masked", "dim")] if secret else []
    return Group(folder, *note, Text(), grid)


def summary(document: Document, row: Row | None) -> str:
    """The status as one line: the daemon's own summary, else what the row says."""
    if told := document.get("summary"):
        return str(told)
    row = row or {}
    told = words.phrase(words.word(row))
    return f"{row.get('project')}:{row.get('name')} {told}: {words.because(row)}"


def trouble(problems: Iterable[Any]) -> Text:
    """What the daemon refused, with its hints."""
    text = Text()
    for problem in problems:
        where = f"{problem.where}: " if problem.where else ""
        text.append(f"{where}{problem.what}\n")
        if problem.hint:
            text.append("hint: ", "bold cyan").append(f"{problem.hint}\n")
    return text


def _block(title: str, rows: Iterable[tuple[Text, ...]]) -> list[RenderableType]:
    found = list(rows)
    if not found:
        return []
    grid = _grid(len(found[0]))
    grid.columns[-1].ratio = 1
    for row in found:
        grid.add_row(*row)
    return [Text(), Text(title, "bold"), grid]


def _grid(columns: int) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
    for index in range(columns):
        grid.add_column(no_wrap=index < columns - 1, overflow="fold")
    return grid


def _blocker(blocker: Document) -> tuple[Text, ...]:
    word = words.word(blocker)
    name = Text.assemble((f"{states.sign(word)} ", style(word)), (str(blocker.get("service")), "bold"))
    return name, Text(word, style(word)), Text(words.because(blocker))


def _hint(hint: Any) -> tuple[Text, ...]:
    return Text("→", "bold cyan"), Text(str(hint))


def _evidence(evidence: Document) -> tuple[Text, ...]:
    ok = bool(evidence.get("ok"))
    kind = f" ({evidence['check']})" if evidence.get("check") else ""
    when = age(evidence.get("at"))
    result = Text("✓ pass" if ok else "✗ fail", "green" if ok else "red")
    return (
        result,
        Text(f"{evidence.get('source')}{kind}"),
        Text(f"{when} ago" if when else "", "dim"),
        Text(str(evidence.get("detail"))),
    )


def _listed(document: Document, name: str) -> list[Document]:
    found = document.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
