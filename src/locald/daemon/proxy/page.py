"""The page that is shown in place of a service: whole in itself, in the dashboard's colours.

It can be read without script: then it loads itself again. With script it asks to be told of the next change,
and loads itself when something has changed: so it goes on to the service, which is at the same address, by
itself.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from locald.faces.states import sign, tone

_STYLE = """
:root { color-scheme: light dark; font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
  --paper: light-dark(#fbfbfa, #131417); --sunken: light-dark(#f3f3f1, #0e0f11);
  --line: light-dark(#e4e4e1, #2a2d33); --ink: light-dark(#1c1e21, #e4e6ea);
  --soft: light-dark(#4e535b, #adb3bd); --accent: light-dark(#2b5bd0, #8db0ff);
  --good: light-dark(#14793f, #57c98a); --busy: light-dark(#2b5bd0, #8db0ff);
  --warn: light-dark(#935a00, #e5b04f); --bad: light-dark(#c02626, #ff8078);
  --quiet: light-dark(#676c75, #8e95a1) }
body { background: var(--paper); color: var(--ink); max-width: 44rem; margin: 12vh auto; padding: 0 1.5rem }
h1 { font-size: 1.35rem; line-height: 1.3; margin: 0 0 0.25rem }
h2 { font-size: 0.8125rem; color: var(--soft); margin: 1.75rem 0 0.4rem; font-weight: 600 }
p, li { overflow-wrap: anywhere; margin: 0.35rem 0 }
ul { padding-left: 1.2rem; margin: 0 }
.good { color: var(--good) } .busy { color: var(--busy) } .warn { color: var(--warn) }
.bad { color: var(--bad) } .quiet { color: var(--quiet) }
.soft, footer { color: var(--soft) }
footer { margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: 0.75rem; font-size: 0.8125rem }
a { color: var(--accent) }
.button { display: inline-block; margin: 0.6rem 0 0; padding: 0.35rem 0.9rem; border-radius: 6px;
  background: var(--accent); color: var(--paper); text-decoration: none; font-weight: 600 }
code, pre { font: 0.8125rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace }
code { padding: 0.1em 0.35em; border-radius: 0.3em; background: var(--sunken) }
pre { background: var(--sunken); border: 1px solid var(--line); border-radius: 6px; padding: 0.75rem;
  margin: 0; white-space: pre-wrap; overflow-wrap: anywhere }
"""

_SCRIPT = """
const tag = document.body.dataset.tag;
async function follow() {
  for (;;) {
    try {
      const told = await fetch("/.well-known/locald/news?tag=" + tag, { cache: "no-store" });
      if (told.ok && (await told.json()).changed) return location.reload();
    } catch (_) {
      await new Promise((done) => setTimeout(done, 1000));
    }
  }
}
follow();
"""


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


POLICY = (
    f"default-src 'none'; style-src 'sha256-{_digest(_STYLE)}'; script-src 'sha256-{_digest(_SCRIPT)}'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What such a page may load: nothing but what is in it"""


class Part(Struct, frozen=True):
    """A heading, and below it sentences, addresses, or lines of output. What is in `backquotes` is shown as
    code."""

    title: str
    sentences: Sequence[str] = ()
    addresses: Sequence[str] = ()
    output: Sequence[str] = ()


class Link(Struct, frozen=True):
    url: str
    label: str


def _escaped(text: str) -> str:
    from html import escape  # a daemon starts without it

    return escape(text)


def page(
    title: str,
    said: str,
    parts: Iterable[Part] = (),
    *,
    state: str = "",
    tag: str = "",
    link: Link | None = None,
) -> str:
    """`state`: a word for the service, shown with its sign. `tag`: of what is shown, when it may change.
    `link`: what can be done about it."""
    leads = f'<p><a class="button" href="{_escaped(link.url)}">{_escaped(link.label)}</a></p>' if link else ""
    mark = f'<span class="{tone(state)}" aria-hidden="true">{sign(state)}</span> ' if state else ""
    again = '<noscript><meta http-equiv="refresh" content="2"></noscript>' if tag else ""
    script = f"<script>{_SCRIPT}</script>" if tag else ""
    shown = "".join(map(_part, parts))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{again}'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_escaped(title)} · locald</title><style>{_STYLE}</style></head>"
        f'<body data-tag="{_escaped(tag)}"><main><h1>{mark}{_escaped(title)}</h1>'
        f'<p role="status">{_formatted(said)}</p>{leads}{shown}</main>'
        f"<footer>locald</footer>{script}</body></html>\n"
    )


def _part(part: Part) -> str:
    shown = [*map(_formatted, part.sentences), *map(_address, part.addresses)]
    items = "".join(f"<li>{each}</li>" for each in shown)
    listed = f"<ul>{items}</ul>" if items else ""
    output = f"<pre>{_escaped(chr(10).join(part.output))}</pre>" if part.output else ""
    return f"<h2>{_escaped(part.title)}</h2>{listed}{output}" if listed or output else ""


def _address(url: str) -> str:
    return f'<a href="{_escaped(url)}">{_escaped(url)}</a>'


def _formatted(sentence: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _escaped(sentence))
