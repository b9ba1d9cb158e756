// How a service stands, in one word, one shape and one tone. State and health are two facts; who glances at
// a list wants one: the health of what runs, the state of everything else. Every standing has a shape of its
// own, so that it can be told without colour, and a rank by which the worst is found.

import type { Health, Row, State } from "./wire";

export type Standing = Exclude<State, "running"> | "healthy" | "unhealthy";
export type Tone = "good" | "busy" | "warn" | "bad" | "quiet";

export function standing(of: { state: State; health: Health }): Standing {
  if (of.state !== "running") return of.state;
  if (of.health === "healthy" || of.health === "unhealthy") return of.health;
  return "starting";
}

const TONES: Record<Standing, Tone> = {
  healthy: "good",
  completed: "good",
  preparing: "busy",
  starting: "busy",
  stopping: "busy",
  waiting: "quiet",
  stopped: "quiet",
  blocked: "warn",
  backoff: "warn",
  unhealthy: "bad",
  failed: "bad",
};

export function tone(word: Standing): Tone {
  return TONES[word];
}

const HEALTHS: Record<Health, Standing> = {
  healthy: "healthy",
  unhealthy: "unhealthy",
  starting: "starting",
  unknown: "stopped",
};

/** The shape for a bare health. */
export function ofHealth(health: Health): Standing {
  return HEALTHS[health];
}

/** Ready for whoever depends on it. */
export function isReady(row: { state: State; health: Health }): boolean {
  return row.state === "completed" || (row.state === "running" && row.health === "healthy");
}

/** Something is wrong that will not mend by waiting a little. */
export function isDown(row: { state: State; health: Health }): boolean {
  const word = standing(row);
  return word === "failed" || word === "unhealthy" || word === "backoff";
}

/** Something is under way. */
export function isMoving(row: { state: State; health: Health }): boolean {
  return ["waiting", "preparing", "starting", "stopping", "backoff"].includes(standing(row));
}

/** There is a run, or the wish for one. */
export function isOn(row: { state: State }): boolean {
  return !["stopped", "failed", "completed"].includes(row.state);
}

const ORDER: Standing[] = [
  "failed", "unhealthy", "backoff", "blocked", "stopping", "preparing", "starting", "waiting", "stopped",
  "healthy", "completed",
];

/** 0 is the worst. */
export function rank(row: { state: State; health: Health }): number {
  return ORDER.indexOf(standing(row));
}

export interface Count {
  standing: Standing;
  count: number;
}

/** How many stand how, the worst first. */
export function counts(rows: Iterable<Row>): Count[] {
  const found = new Map<Standing, number>();
  for (const row of rows) found.set(standing(row), (found.get(standing(row)) ?? 0) + 1);
  return ORDER.filter((word) => found.has(word)).map((word) => ({ standing: word, count: found.get(word) ?? 0 }));
}

/** What health rests on, as every face says it: `notify`, `explicit (http)`, `tcp (fallback)`. */
export function sourceWords(row: { source: string; check?: string | null; fallback?: boolean }): string {
  if (row.source === "none") return "";
  const remark = row.source === "explicit" ? row.check : row.fallback ? "fallback" : null;
  return remark ? `${row.source} (${remark})` : row.source;
}
