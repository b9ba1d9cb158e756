"""An environment made fit to be shown: what looks like a secret is hidden, its name is not.

A name says that its value is secret by one of its words (`DB_PASSWORD`, `apiKey`, `GITHUB_TOKEN`), a value by
having a password in it, as the URLs of databases do (`postgres://app:secret@db/shop`). Rather too much is
hidden than too little: who is allowed to see it asks `locald exec`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

MASK = "••••••"

_NAME = re.compile(
    "SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|PWD_|_PWD|KEY|CREDENTIAL|AUTH|COOKIE|PRIVATE|SALT|DSN",
    re.IGNORECASE,
)
_PASSWORD = re.compile(r"[a-z0-9+.-]://[^\s/?#:]*:[^\s/?#]+@", re.IGNORECASE)
"""begins with the end of a scheme, and has one place for each of its signs: a value may be of 128 KiB, and
what looks through it again and again would take minutes"""
_HARMLESS = frozenset(
    {"SSH_AUTH_SOCK", "XAUTHORITY", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_AUTHOR_DATE"}
)
"""paths and names of people, which the words above are in by chance"""


def masked(environment: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The environment with `MASK` in place of secrets, and the names of what was hidden, sorted. An empty
    value hides nothing."""
    hidden = sorted(name for name, value in environment.items() if _is_secret(name, value))
    return {**environment, **dict.fromkeys(hidden, MASK)}, hidden


def _is_secret(name: str, value: str) -> bool:
    if not value or name in _HARMLESS:
        return False
    return bool(_NAME.search(name) or _PASSWORD.search(value))
