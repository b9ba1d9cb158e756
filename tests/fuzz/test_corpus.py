"""Each parser reads or refuses what it was ever tried with: `./test --fuzz` looks for more."""

from __future__ import annotations

import pytest

from fuzz import corpus
from fuzz.parsers import PARSERS


@pytest.mark.parametrize("parser", PARSERS)
def test_what_is_known_is_read_or_refused(parser: str) -> None:
    inputs = corpus.inputs(parser)
    assert len(inputs) >= 5
    for data in inputs:
        PARSERS[parser](data)


@pytest.mark.parametrize("parser", PARSERS)
def test_a_corpus_has_each_input_once_and_is_small(parser: str) -> None:
    inputs = corpus.inputs(parser)
    assert len(set(inputs)) == len(inputs)
    assert sum(map(len, inputs)) < 20_000


def test_every_byte_can_be_written_in_a_line() -> None:
    everything = bytes(range(256))
    line = corpus.spelled(everything)
    assert "\n" not in line
    assert line.encode("ascii").decode("unicode_escape").encode("latin-1") == everything


def test_no_corpus_is_of_nothing() -> None:
    assert {file.stem for file in corpus.FOLDER.iterdir()} == set(PARSERS)
