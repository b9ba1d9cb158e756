"""The files of a project, read from its folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from locald.domain.project.file import FILE, LOCAL
from locald.domain.project.texts import Texts
from locald.domain.values.problem import Refused
from locald.wire import files
from locald.wire.project_files import read_texts

if TYPE_CHECKING:
    from pathlib import Path


def test_the_second_one_need_not_be_there(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"\xef\xbb\xbfmain")
    assert read_texts(str(tmp_path)) == Texts("main")
    (tmp_path / LOCAL).write_text("own")
    assert read_texts(str(tmp_path)) == Texts("main", "own")


def test_one_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("main")
    (tmp_path / LOCAL).write_bytes(b"a\n\xff")
    with pytest.raises(Refused, match=r"locald\.local\.toml:2: is not UTF-8 text"):
        read_texts(str(tmp_path))


@pytest.mark.parametrize("what", ["a folder", "a pipe", "a link to nothing", "a link in a circle"])
def test_what_is_no_file_is_refused_and_holds_nobody_up(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "PATIENCE", 0.01)
    (tmp_path / FILE).write_text("main")
    own = tmp_path / LOCAL
    match what:
        case "a folder":
            own.mkdir()
        case "a pipe":
            os.mkfifo(own)
        case "a link to nothing":
            own.symlink_to("nothing")
        case _:
            own.symlink_to(LOCAL)
    with pytest.raises(Refused) as refused:
        read_texts(str(tmp_path))
    assert str(own) in str(refused.value.problems[0])


def test_of_a_folder_that_is_gone_it_is_said_how_to_be_rid_of_its_project(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        read_texts(str(tmp_path / "gone"))
    assert f"run `locald down {tmp_path}/gone`" in refused.value.problems[0].hint
    with pytest.raises(Refused) as refused:
        read_texts(str(tmp_path))
    assert refused.value.problems[0].hint == "run `locald init` to create it"
