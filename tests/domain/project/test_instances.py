"""Which instance of its project a folder is."""

from __future__ import annotations

import pytest

from locald.domain.project.instances import Folder, choose
from locald.domain.values.problem import Refused

MAIN = {"shop": "/shop"}


def test_the_first_folder_is_the_project_itself() -> None:
    assert choose("shop", Folder("/work/feat", branch="feat"), {}) == "shop"


def test_another_one_is_called_by_its_branch() -> None:
    assert choose("shop", Folder("/work/tree-2", branch="feat/Login_2"), MAIN) == "shop@feat-login-2"


def test_without_a_branch_it_is_called_by_its_folder() -> None:
    assert choose("shop", Folder("/work/shop-copy"), MAIN) == "shop@shop-copy"


@pytest.mark.parametrize("path", ["/work/…", "/"])
def test_a_folder_whose_name_cannot_be_a_label_gets_one_all_the_same(path: str) -> None:
    assert choose("shop", Folder(path), MAIN) == "shop@copy"


def test_two_that_would_be_called_alike_are_told_apart_by_a_number() -> None:
    others = MAIN | {"shop@feat": "/a/feat", "shop@feat-2": "/b/feat"}
    assert choose("shop", Folder("/c/feat"), others) == "shop@feat-3"


def test_also_when_the_label_is_as_long_as_one_can_be() -> None:
    long = "x" * 63
    chosen = choose("shop", Folder(f"/c/{long}"), MAIN | {f"shop@{long}": "/a"})
    assert chosen == f"shop@{'x' * 58}-2"


def test_a_folder_stays_what_it_was() -> None:
    assert choose("shop", Folder("/a", branch="other", was="shop@feat"), MAIN) == "shop@feat"
    assert choose("shop", Folder("/shop", was="shop"), {"shop@feat": "/a"}) == "shop"


def test_but_not_under_another_name_of_its_project() -> None:
    assert choose("store", Folder("/a", branch="feat", was="shop@feat"), MAIN) == "store"


def test_a_label_that_was_set_goes_over_all_else_also_for_the_first() -> None:
    assert choose("shop", Folder("/a", label="mine", branch="feat", was="shop"), {}) == "shop@mine"


def test_two_folders_with_one_label_are_refused_and_the_other_one_is_named() -> None:
    with pytest.raises(Refused, match='the label "mine" is that of /b'):
        choose("shop", Folder("/a", label="mine"), {"shop@mine": "/b"})


def test_a_label_has_to_be_one() -> None:
    with pytest.raises(Refused, match="cannot be the label") as refused:
        choose("shop", Folder("/a", label="My Feature"), {})
    assert 'as in "my-feature"' in refused.value.problems[0].hint
