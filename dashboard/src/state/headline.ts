// The title and the icon of the tab: how things stand, for who looks at another tab.

import { counts, isDown, isMoving, isReady } from "../facts/standing";
import type { Notice } from "../facts/notices";
import type { Row } from "../facts/wire";

export type Icon = "good" | "busy" | "bad" | "quiet";

export interface Headline {
  title: string;
  icon: Icon;
}

/** `place` is where in the page one is; `lost`: the daemon is gone, nothing else is known. */
export function headline(rows: readonly Row[], news: Notice | null, place: string, lost: boolean): Headline {
  if (lost) return { title: `locald is gone · ${place}`, icon: "quiet" };
  const icon = iconOf(rows);
  if (news) {
    const who = news.service ? `${news.project}:${news.service}` : news.project;
    return { title: `${news.tone === "bad" ? "✕" : "✓"} ${who} ${news.text} · locald`, icon };
  }
  const down = counts(rows).filter((one) => ["failed", "unhealthy", "backoff"].includes(one.standing));
  const told = down.map((one) => `${one.count} ${one.standing}`).join(", ");
  return { title: `${told ? `✕ ${told} · ` : ""}${place}`, icon };
}

function iconOf(rows: readonly Row[]): Icon {
  if (rows.some(isDown)) return "bad";
  if (rows.some(isMoving)) return "busy";
  return rows.some(isReady) ? "good" : "quiet";
}
