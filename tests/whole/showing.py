"""Says which keys of `locald.toml` a test shows to work, so that a key which nothing shows is found."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

Test = TypeVar("Test", bound="Callable[..., None]")


def shows(*keys: str) -> Callable[[Test], Test]:
    """This test shows the effect of these keys of a service (and values, `type=worker`)."""

    def mark(test: Test) -> Test:
        test.__dict__["shows"] = keys
        return test

    return mark


def shown_by(*modules: ModuleType) -> set[str]:
    """Every key that the tests of these modules show."""
    named = (each for module in modules for each in vars(module).items())
    tests = [test for name, test in named if name.startswith("test_") and callable(test)]
    return {key for test in tests for key in getattr(test, "shows", ())}
