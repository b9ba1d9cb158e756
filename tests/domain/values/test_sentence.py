"""No word is said twice where a word and its reason meet."""

from __future__ import annotations

import pytest

from locald.domain.values.sentence import with_word


@pytest.mark.parametrize(
    ("word", "reason", "told"),
    [
        ("failed", "exited with code 1", "failed: exited with code 1"),
        ("blocked", "blocked by db: exited with code 1", "blocked by db: exited with code 1"),
        ("stopping", "stopping, requested by user", "stopping, requested by user"),
        ("starting", "starting (run 1)", "starting (run 1)"),
        ("stopped", "not running", "stopped: not running"),
        ("waiting", "waitingroom is full", "waiting: waitingroom is full"),
    ],
)
def test_a_reason_that_says_the_word_stands_alone(word: str, reason: str, told: str) -> None:
    assert with_word(word, reason) == told
