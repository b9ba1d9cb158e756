"""The texts of a project's files, before anybody has understood them."""

from __future__ import annotations

from typing import NamedTuple


class Texts(NamedTuple):
    """Of `locald.toml`, and of `locald.local.toml` where there is one."""

    main: str
    local: str | None = None
