"""What can be measured of a page's looks, and what axe says of its accessibility.

`squeezed` finds what nobody designs: a page wider than its window, text that is cut without a sign, text
upon text. `violations` has axe-core look at the page as it is now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from browser.chromium import AXE

if TYPE_CHECKING:
    from playwright.sync_api import Page

SQUEEZED = r"""
() => {
  const found = [];
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) {
    const wide = [...document.querySelectorAll("body *")].filter((one) => {
      const right = one.getBoundingClientRect().right;
      return right > root.clientWidth + 1 && !one.closest(".hidden");
    });
    const who = wide.slice(0, 5).map((one) => `${one.tagName}.${one.className}`).join(" ");
    found.push(`the page is ${root.scrollWidth} wide in ${root.clientWidth}: ${who}`);
  }
  const texts = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const parent = node.parentElement;
    if (!node.data.trim() || parent.closest(".hidden, noscript, .notices, .skip, option, .mark")) continue;
    if (!parent.checkVisibility({ checkVisibilityCSS: true, contentVisibilityAuto: true })) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    let box = range.getBoundingClientRect();
    if (!box.width || !box.height) continue;
    let [left, right, top, bottom] = [box.left, box.right, box.top, box.bottom];
    let signed = false;
    for (let one = parent; one; one = one.parentElement) {
      const style = getComputedStyle(one);
      const area = one.getBoundingClientRect();
      if (style.clipPath !== "none") { signed = "unseen"; break; }
      signed ||= style.textOverflow === "ellipsis" || style.webkitLineClamp !== "none";
      const scrolls = /auto|scroll/.test(style.overflowX + style.overflowY);
      const cuts = !scrolls && /hidden|clip/.test(style.overflowX);
      if (!signed && cuts && (right > area.right + 2 || left < area.left - 2)) {
        found.push(`cut without a sign: ${node.data.trim().slice(0, 60)} in ${one.tagName}.${one.className}`);
      }
      if (style.overflowX !== "visible") {
        [left, right] = [Math.max(left, area.left), Math.min(right, area.right)];
      }
      if (style.overflowY !== "visible") {
        [top, bottom] = [Math.max(top, area.top), Math.min(bottom, area.bottom)];
      }
      if (["fixed", "sticky"].includes(style.position)) { signed = "unseen"; break; }
    }
    if (signed === "unseen" || right - left < 1 || bottom - top < 1) continue;
    const lines = [...range.getClientRects()];
    texts.push({ text: node.data.trim().slice(0, 40), left, right, top, bottom, lines });
  }
  texts.sort((a, b) => a.top - b.top);
  for (let i = 0; i < texts.length; i++) {
    for (let j = i + 1; j < texts.length && texts[j].top < texts[i].bottom - 3; j++) {
      const [a, b] = [texts[i], texts[j]];
      if (Math.min(a.right, b.right) - Math.max(a.left, b.left) < 3) continue;
      const over = a.lines.some((x) => b.lines.some((y) =>
        Math.min(x.right, y.right, a.right, b.right) - Math.max(x.left, y.left, a.left, b.left) > 3 &&
        Math.min(x.bottom, y.bottom, a.bottom, b.bottom) - Math.max(x.top, y.top, a.top, b.top) > 5));
      if (over) found.push(`one upon the other: ${a.text} | ${b.text}`);
    }
  }
  return found.slice(0, 12);
}
"""


def squeezed(page: Page) -> list[str]:
    """What is cut, overlaps or sticks out, in words."""
    found: list[str] = page.evaluate(SQUEEZED)
    return found


def violations(page: Page) -> list[str]:
    """What axe finds serious or critical: the rule, what it says, and the first elements."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text())
    told: dict[str, Any] = page.evaluate("() => axe.run(document, { resultTypes: ['violations'] })")
    return [
        f"{each['id']}: {each['help']}: {[node['html'][:160] for node in each['nodes'][:3]]}"
        for each in told["violations"]
        if each["impact"] in ("serious", "critical")
    ]
