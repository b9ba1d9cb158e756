"""One compose file over another, by the rules of the specification ("Merge").

Tables are merged key by key, lists are put one behind the other, and anything else is replaced. Some lists
are tables in disguise (`environment`, `volumes`, `ports`): there an entry replaces that with the same key.
`!reset` takes away, `!override` replaces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from locald.domain.intake.yaml_text import Items, Table, Tagged, written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

REPLACED = ("command", "entrypoint", "test")
MAPPINGS = ("environment", "labels", "args", "sysctls", "extra_hosts", "annotations")
NAMES = ("depends_on", "networks")


def merged(base: Any, over: Any, key: str = "") -> Any:
    """`over` over `base`, which both stand under `key`. Neither is changed."""
    if isinstance(over, Tagged):
        return plain(over)
    base = plain(base)
    if key in MAPPINGS or key in NAMES:
        base, over = as_table(base, key), as_table(over, key)
    if isinstance(base, Table) and isinstance(over, Table):
        return _tables(base, over)
    if isinstance(base, Items) and isinstance(over, Items) and key not in REPLACED:
        return _items(base, over, key)
    return over


def plain(value: Any) -> Any:
    """A value without its tag: what is reset is not there."""
    if isinstance(value, Tagged):
        return None if value.tag == "reset" else value.value
    return value


def _tables(base: Table, over: Table) -> Table:
    found = Table(base.line)
    for name, value in base.items():
        found.put(name, value, base.lines[name])
    for name, value in over.items():
        if isinstance(value, Tagged) and value.tag == "reset":
            found.pop(name, None)
        elif name in found:
            found.put(name, merged(found[name], value, name), over.lines[name])
        else:
            found.put(name, value, over.lines[name])
    return found


def as_table(value: Any, key: str) -> Any:
    """A list that means a table: `NAME=value`, or names alone."""
    if not isinstance(value, Items):
        return value
    found = Table()
    for item, line in zip(value, value.lines, strict=True):
        name, has_value, said = written(item).partition("=")
        found.put(name, said if has_value and key in MAPPINGS else None, line)
    return found


def _items(base: Items, over: Items, key: str) -> Items:
    identity = _IDENTITIES.get(key, _whole)
    taken = {identity(each) for each in over}
    pairs = [(each, line) for each, line in _lined(base) if identity(each) not in taken]
    found = Items()
    for each, line in [*pairs, *_lined(over)]:
        found.append(each)
        found.lines.append(line)
    return found


def _lined(items: Items) -> Iterable[tuple[Any, int]]:
    return zip(items, items.lines, strict=True)


def _whole(item: Any) -> object:
    return repr(item)


def _target(item: Any) -> object:
    """The place in the container of a volume."""
    if isinstance(item, Table):
        return written(item.get("target"))
    parts = written(item).split(":")
    return parts[1] if len(parts) > 1 else parts[0]


_IDENTITIES: dict[str, Callable[[Any], object]] = {"volumes": _target, "devices": _target}
