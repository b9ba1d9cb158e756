// The title and the icon of the tab: the status, for a reader of another tab.

import { counts, isDown, isMoving, isReady, sign } from "../facts/standing";
import type { Notice } from "../facts/notices";
import type { Row } from "../facts/wire";

export type Icon = "good" | "busy" | "bad" | "quiet";

export interface Headline {
  title: string;
  icon: Icon;
}

/** `place`: the current view; `lost`: the daemon does not answer. */
export function headline(rows: readonly Row[], news: Notice | null, place: string, lost: boolean): Headline {
  if (lost) return { title: `disconnected · ${place}`, icon: "quiet" };
  const icon = iconOf(rows);
  if (news) {
    const who = news.service ? `${news.project}:${news.service}` : news.project;
    return { title: `${sign(news.tone === "bad" ? "failed" : "completed")} ${who} ${news.text} · locald`, icon };
  }
  const down = counts(rows.filter(isDown));
  const told = down.map((one) => `${one.count} ${one.standing}`).join(", ");
  return { title: `${down[0] ? `${sign(down[0].standing)} ${told} · ` : ""}${place}`, icon };
}

function iconOf(rows: readonly Row[]): Icon {
  if (rows.some(isDown)) return "bad";
  if (rows.some(isMoving)) return "busy";
  return rows.some(isReady) ? "good" : "quiet";
}
