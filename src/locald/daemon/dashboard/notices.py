"""Pages without the page: said when somebody is not let in, or there is nothing to show.

Each is whole in itself, for nothing else may be loaded: its style is in it, and allowed by its digest.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Mapping

from msgspec import Struct

_STYLE = """
:root { color-scheme: light dark; font: 1rem/1.6 system-ui, sans-serif }
body { max-width: 38rem; margin: 15vh auto; padding: 0 1.5rem }
h1 { font-size: 1.4rem; line-height: 1.3 }
p { overflow-wrap: anywhere }
code { font: 0.95em ui-monospace, monospace; padding: 0.1em 0.35em; border-radius: 0.3em;
  background: rgb(127 127 127 / 0.18) }
button { font: inherit; font-weight: 600; padding: 0.45rem 1.1rem; border: 0; border-radius: 6px;
  cursor: pointer; background: light-dark(#2b5bd0, #8db0ff); color: light-dark(#fff, #131417) }
"""

POLICY = (
    "default-src 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
"""What such a page may load: nothing but its own style"""


class Button(Struct, frozen=True):
    """`action`: a path of ours that gets the `fields` when it is pressed."""

    action: str
    fields: Mapping[str, str]
    label: str


def notice(title: str, *sentences: str, onward: str = "", button: Button | None = None) -> str:
    """A whole page. What is in `backquotes` is shown as code. `onward`: an address of ours to go on to."""
    refresh = f'<meta http-equiv="refresh" content="0; url={html.escape(onward)}">' if onward else ""
    link = f'<p><a href="{html.escape(onward)}">Continue</a></p>' if onward else ""
    form = _form(button) if button else ""
    said = "".join(f"<p>{_formatted(sentence)}</p>" for sentence in sentences)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{refresh}'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)} · locald</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{html.escape(title)}</h1>{said}{form}{link}</main></body></html>\n"
    )


def _form(button: Button) -> str:
    fields = "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in button.fields.items()
    )
    pressed = f'<button type="submit" autofocus>{html.escape(button.label)}</button>'
    return f'<form method="post" action="{html.escape(button.action)}">{fields}{pressed}</form>'


def _formatted(sentence: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(sentence))
