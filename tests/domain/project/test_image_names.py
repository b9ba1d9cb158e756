"""Names of images: what registries and engines take for one, and what was meant by what they do not."""

from __future__ import annotations

import pytest

from locald.domain.project.image_names import is_image_name, near, remedy, repository_and_tag

DIGEST = "sha256:" + "0f" * 32


@pytest.mark.parametrize(
    "name",
    [
        "postgres",
        "postgres:16",
        "library/postgres:16-alpine",
        "a.b_c__d---e/f:_1.2-x",
        "localhost/app",
        "localhost:5000/a/b:2",
        "Registry.Example:5000/team/app:V1",
        "HOST:5000/app",
        "[::1]:5000/app",
        "[fe80::1]/app:1",
        "127.0.0.1:5000/app",
        f"app@{DIGEST}",
        f"ghcr.io/team/app:1.2@{DIGEST}",
        DIGEST,
        "x:" + "t" * 128,
    ],
)
def test_what_a_registry_takes_is_a_name(name: str) -> None:
    assert is_image_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "../../containers/json?all=1#",
        "..",
        "a/../b",
        "a//b",
        "/a",
        "a/",
        "a?b",
        "a#b",
        "a%2fb",
        "a b",
        "a\nb",
        "a\n",
        "Postgres",
        "Team/app",
        "a.-b",
        "a___b",
        "-a",
        "a:",
        "a:b:c",
        "a:-1",
        "a@sha256:00ff",
        "x:" + "t" * 129,
        "host:port/app",
        "[::1/app",
        "a" * 513,
        "ä",
    ],
)
def test_what_no_registry_takes_is_none(name: str) -> None:
    assert not is_image_name(name)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Postgres:16-Alpine", "postgres:16-Alpine"),
        ("MyTeam/App", "myteam/app"),
        ("https://ghcr.io/team/app", "ghcr.io/team/app"),
        ("docker://redis", "redis"),
        ("redis:", "redis"),
        (" redis:7 ", "redis:7"),
        ("a b", ""),
        ("../../containers/json?all=1#", ""),
    ],
)
def test_the_name_that_was_meant_is_told(text: str, name: str) -> None:
    assert near(text) == name


def test_a_variable_in_a_name_is_told_to_be_none() -> None:
    assert remedy("postgres:${TAG}") == "write the name as it is: no variables are replaced in it"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("postgres", ("postgres", "latest")),
        ("postgres:16", ("postgres", "16")),
        ("localhost:5000/a/b", ("localhost:5000/a/b", "latest")),
        ("localhost:5000/a/b:2", ("localhost:5000/a/b", "2")),
        ("a/b@sha256:00ff", ("a/b", "sha256:00ff")),
        ("a/b:2@sha256:00ff", ("a/b", "sha256:00ff")),
    ],
)
def test_an_image_without_a_tag_is_its_latest_and_not_all_of_them(name: str, parts: tuple[str, str]) -> None:
    assert repository_and_tag(name) == parts
