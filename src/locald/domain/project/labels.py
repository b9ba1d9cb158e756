"""Names of services and projects: DNS labels, since they are part of URLs and of PORT_<SERVICE>."""

from __future__ import annotations

import re

ONE = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
"""a label, RFC 1123, in lower case only: two names that differ by case would be one host"""

END = r"$(?!\n)"
"""the very end: a lone `$` would let a line break pass in Python, though not in JSON Schema"""

LABEL = f"^{ONE}{END}"


DOMAIN = rf"{ONE}(\.{ONE})*"
PATTERN = rf"^(\*\.)?{DOMAIN}{END}"
"""a domain, perhaps with `*` in place of its first label"""


def is_pattern(text: str) -> bool:
    return len(text) <= 253 and re.search(PATTERN, text) is not None


def is_label(text: str) -> bool:
    return re.search(LABEL, text) is not None


def near(text: str) -> str:
    """The label that is most like a text: `my-shop` for `My Shop`; may be empty."""
    return re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-")


def remedy(text: str) -> str:
    """What to write in place of a text that is no label."""
    rule, simple = "use lower-case letters, digits and inner hyphens, at most 63", near(text)
    return f'{rule}, as in "{simple}"' if simple else rule
