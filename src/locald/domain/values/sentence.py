"""Sentences put together: of names, of a word and a reason.

Most reasons say in their first word how the service is (`blocked by db: …`): it would be said twice.
"""

from __future__ import annotations


def listed(names: list[str]) -> str:
    """`db`, `db and api`, `db, api and web`."""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def with_word(word: str, reason: str) -> str:
    """`failed: exited with code 1`, but `blocked by db: …` where the reason begins with the word."""
    says_it = reason == word or reason.startswith((f"{word} ", f"{word},", f"{word}:"))
    return reason if says_it else f"{word}: {reason}"
