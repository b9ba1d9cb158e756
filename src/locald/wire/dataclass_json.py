"""Dataclasses and structs to JSON values and back, made from their type hints when a type is first met.

Such a record is an object without the fields that are as by default, a named tuple and every collection an
array, an enumeration its value. In a union of records the field `kind` tells them apart, so it is always
written. Reading is strict: what does not fit raises `Unfit`, which names the place.

Libraries that do this take a tenth of a second to be imported or to build what they need, and a daemon has to
answer before that.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import types
from collections.abc import Callable
from enum import Enum
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct, structs

KIND = "kind"


class Unfit(ValueError):
    """A JSON value that is not one of the type asked for. Its text: where, and what was expected."""

    def __init__(self, expected: str, *path: str) -> None:
        super().__init__(f"{'.'.join(path)}: {expected}" if path else expected)
        self.expected, self.path = expected, path

    def within(self, name: str) -> Unfit:
        return Unfit(self.expected, name, *self.path)


class Codec(Struct, frozen=True):
    """Both ways for one type: `dump` to a JSON value, `load` back, which raises Unfit."""

    dump: Callable[[Any], Any]
    load: Callable[[Any], Any]


@functools.cache
def codec(hint: Any) -> Codec:
    """The codec of a type: a record, a NamedTuple, an Enum, a Literal, a plain type, a collection, or a union
    of these. Raises TypeError for a type that it does not know."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _union(arguments)
    if origin is Literal:
        return Codec(_same, _one_of(arguments))
    if origin is not None:
        return _collection(origin, arguments)
    if _is_record(hint):
        return _record(hint)
    if hint in _PLAIN:
        return Codec(_same, _PLAIN[hint])
    if isinstance(hint, type) and issubclass(hint, Enum):
        return Codec(lambda value: value.value, _enumeration(hint))
    if isinstance(hint, type) and issubclass(hint, tuple):
        return _named_tuple(hint)
    raise TypeError(f"no codec for {hint!r}")


# Plain values.


def _same(value: Any) -> Any:
    return value


def _exactly(kind: type, called: str) -> Callable[[Any], Any]:
    def load(value: Any) -> Any:
        if type(value) is not kind:
            raise Unfit(f"{called} expected")
        return value

    return load


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise Unfit("a finite number expected")
    return float(value)


_PLAIN: dict[Any, Callable[[Any], Any]] = {
    bool: _exactly(bool, "true or false"),
    int: _exactly(int, "a whole number"),
    float: _number,
    str: _exactly(str, "a text"),
    type(None): _exactly(type(None), "null"),
}


def _one_of(allowed: tuple[Any, ...]) -> Callable[[Any], Any]:
    def load(value: Any) -> Any:
        if value not in allowed:
            raise Unfit(f"one of {', '.join(map(str, allowed))} expected")
        return value

    return load


def _enumeration(kind: type[Enum]) -> Callable[[Any], Any]:
    return _keyed({member.value: member for member in kind})


def _keyed(members: dict[Any, Any]) -> Callable[[Any], Any]:
    def load(value: Any) -> Any:
        try:
            return members[value]
        except (KeyError, TypeError):
            raise Unfit(f"one of {', '.join(map(str, members))} expected") from None

    return load


# Collections.


def _array(value: Any) -> list[Any]:
    if type(value) is not list:
        raise Unfit("an array expected")
    return value


def _object(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise Unfit("an object expected")
    return value


def _each(load: Callable[[Any], Any], values: list[Any]) -> list[Any]:
    done: list[Any] = []
    try:
        for value in values:
            done.append(load(value))  # noqa: PERF401 (its length tells which one was unfit)
    except Unfit as unfit:
        raise unfit.within(str(len(done))) from None
    return done


def _collection(origin: Any, arguments: tuple[Any, ...]) -> Codec:
    if issubclass(origin, dict):
        return _mapping(*arguments)
    if issubclass(origin, tuple) and arguments[-1] is not Ellipsis:
        return _row([codec(each) for each in arguments], tuple)
    item = codec(arguments[0])
    if item.dump is _same:
        return Codec(list, lambda value: origin(_each(item.load, _array(value))))
    return Codec(
        lambda value: [item.dump(each) for each in value],
        lambda value: origin(_each(item.load, _array(value))),
    )


def _mapping(key: Any, item: Any) -> Codec:
    keys, items = codec(key), codec(item)

    def dump(value: Any) -> Any:
        return {keys.dump(name): items.dump(each) for name, each in value.items()}

    def load(value: Any) -> Any:
        return {keys.load(name): _field(items, name, each) for name, each in _object(value).items()}

    return Codec(dict if keys.dump is _same and items.dump is _same else dump, load)


def _field(of: Codec, name: str, value: Any) -> Any:
    try:
        return of.load(value)
    except Unfit as unfit:
        raise unfit.within(name) from None


def _row(items: list[Codec], make: Callable[[list[Any]], Any]) -> Codec:
    """A tuple of a fixed length."""

    def load(value: Any) -> Any:
        if len(_array(value)) != len(items):
            raise Unfit(f"{len(items)} values expected")
        return make(
            [_field(item, str(at), each) for at, (item, each) in enumerate(zip(items, value, strict=True))]
        )

    return Codec(lambda value: [item.dump(each) for item, each in zip(items, value, strict=True)], load)


def _named_tuple(kind: type[Any]) -> Codec:
    hints = get_type_hints(kind)
    return _row([codec(hint) for hint in hints.values()], lambda values: kind(*values))


# Objects.


class _Field(NamedTuple):
    name: str
    hint: Any
    default: Any
    """`_NONE` where it has to be given"""


_NONE = object()


def _record(kind: type[Any]) -> Codec:
    fields = _fields(kind)
    codecs = {field.name: codec(field.hint) for field in fields}
    needed = [field.name for field in fields if field.default is _NONE]
    written = [(field.name, field.default, codecs[field.name].dump) for field in fields]

    def dump(value: Any) -> Any:
        told = {}
        for name, default, dump_field in written:
            each = getattr(value, name)
            if name == KIND or (each is not default and each != default):
                told[name] = dump_field(each)
        return told

    def load(value: Any) -> Any:
        given = _object(value)
        for name in needed:
            if name not in given:
                raise Unfit("missing", name)
        # A field that is not known was written by a version that had it.
        return kind(
            **{name: _field(codecs[name], name, each) for name, each in given.items() if name in codecs}
        )

    return Codec(dump, load)


def _fields(kind: type[Any]) -> list[_Field]:
    if issubclass(kind, Struct):
        return [
            _Field(each.name, each.type, _default(each, msgspec.NODEFAULT)) for each in structs.fields(kind)
        ]
    hints = get_type_hints(kind)
    return [
        _Field(each.name, hints[each.name], _default(each, dataclasses.MISSING))
        for each in dataclasses.fields(kind)
    ]


def _default(field: Any, missing: object) -> Any:
    if field.default_factory is not missing:
        return field.default_factory()
    return _NONE if field.default is missing else field.default


def _union(members: tuple[Any, ...]) -> Codec:
    """Records are told apart by `kind`, other members by what fits."""
    objects = {kind: codec(each) for each in members if _is_record(each) for kind in _kinds(each)}
    others = [codec(each) for each in members if not _is_record(each)]
    if len({id(each) for each in objects.values()}) == 1:
        others += [next(iter(objects.values()))]
        objects = {}
    by_type = {each: codec(each).dump for each in members if isinstance(each, type)}
    chosen = Codec(_same, _keyed(objects))
    plain = all(dump is _same for dump in by_type.values()) and len(by_type) == len(members)

    def dump(value: Any) -> Any:
        known = by_type.get(type(value))
        return known(value) if known else _fitting(members, value)

    def load(value: Any) -> Any:
        if objects and type(value) is dict:
            return _field(chosen, KIND, value.get(KIND)).load(value)
        return _first_fit(others, value)

    return Codec(_same if plain else dump, load)


def _is_record(hint: Any) -> bool:
    return dataclasses.is_dataclass(hint) or (isinstance(hint, type) and issubclass(hint, Struct))


def _kinds(of: Any) -> tuple[Any, ...]:
    """What its `kind` can be, or its name where it has none."""
    return _literals(get_type_hints(of).get(KIND)) or (of.__name__,)


def _literals(hint: Any) -> tuple[Any, ...]:
    if get_origin(hint) is Literal:
        return get_args(hint)
    return tuple(value for each in get_args(hint) for value in _literals(each))


def _fitting(members: tuple[Any, ...], value: Any) -> Any:
    """A value of a member that is no class, such as a tuple of texts or one of some literals."""
    for member in members:
        origin = get_origin(member)
        if origin is Literal or (origin is not None and isinstance(value, origin)):
            return codec(member).dump(value)
    raise TypeError(f"{value!r} is none of {members}")


def _first_fit(codecs: list[Codec], value: Any) -> Any:
    last = Unfit("another kind of value expected")
    for each in codecs:
        try:
            return each.load(value)
        except Unfit as unfit:
            last = unfit if len(unfit.path) >= len(last.path) else last
    raise last
