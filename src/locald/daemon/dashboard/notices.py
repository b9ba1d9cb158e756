"""Pages without the page: said when somebody is not let in, or there is nothing to show.

Each is whole in itself, for nothing else may be loaded: its style is in it, and allowed by its digest.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re

_STYLE = """
:root { color-scheme: light dark; font: 1rem/1.6 system-ui, sans-serif }
body { max-width: 38rem; margin: 15vh auto; padding: 0 1.5rem }
h1 { font-size: 1.4rem; line-height: 1.3 }
p { overflow-wrap: anywhere }
code { font: 0.95em ui-monospace, monospace; padding: 0.1em 0.35em; border-radius: 0.3em;
  background: rgb(127 127 127 / 0.18) }
"""

POLICY = (
    "default-src 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What such a page may load: nothing but its own style"""


def notice(title: str, *sentences: str, onward: str = "") -> str:
    """A whole page. What is in `backquotes` is shown as code. `onward`: an address of ours to go on to."""
    refresh = f'<meta http-equiv="refresh" content="0; url={html.escape(onward)}">' if onward else ""
    link = f'<p><a href="{html.escape(onward)}">Continue</a></p>' if onward else ""
    said = "".join(f"<p>{_formatted(sentence)}</p>" for sentence in sentences)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{refresh}'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)} · locald</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{html.escape(title)}</h1>{said}{link}</main></body></html>\n"
    )


def _formatted(sentence: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(sentence))
