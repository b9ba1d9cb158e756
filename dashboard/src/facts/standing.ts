// The status of a service in one word. State and health are two facts; a list needs one: the health of a
// running service, the state of every other. Each word has a tone, a sign and a rank (`vocabulary.ts`), and a
// shape of its own (`Glyph`), so that it can be told without colour.

import type { Health, Row, State } from "./wire";
import { AMISS, DOWN, MOVING, STATES, type Tone, type Word } from "./vocabulary";

export type { Tone } from "./vocabulary";
export type Standing = Exclude<State, "running"> | "healthy" | "unhealthy" | "unknown";

export function standing(of: { state: State; health: Health }): Standing {
  if (of.state !== "running") return of.state;
  return of.health;
}

/** The tone of a state or a health. */
export function tone(word: Word): Tone {
  return STATES[word].tone;
}

/** Its sign where there is only text, as in the title of the tab. */
export function sign(word: Word): string {
  return STATES[word].sign;
}

/** `is healthy`, `has failed`, `is in backoff`. */
export function phrase(word: Standing): string {
  return word === "failed" ? "has failed" : word === "backoff" ? "is in backoff" : `is ${word}`;
}

/** Ready for its dependents. */
export function isReady(row: { state: State; health: Health }): boolean {
  return row.state === "completed" || (row.state === "running" && row.health === "healthy");
}

/** Something is wrong that waiting a little does not fix. */
export function isDown(row: { state: State; health: Health }): boolean {
  return DOWN.has(standing(row));
}

/** Somebody has to look at it. */
export function isAmiss(row: { state: State; health: Health }): boolean {
  return AMISS.has(standing(row));
}

/** Why, for screens: what a program said of its exit, where that is known, in place of the exit code. */
export function reason(row: { because: string; reason?: string }): string {
  return row.reason || row.because;
}

/** It has not settled. */
export function isMoving(row: { state: State; health: Health }): boolean {
  return MOVING.has(standing(row));
}

/** There is a run, or one is requested. */
export function isOn(row: { state: State }): boolean {
  return !["stopped", "failed", "completed"].includes(row.state);
}

const ORDER = Object.keys(STATES) as Word[];

/** 0 is the worst. */
export function rank(row: { state: State; health: Health }): number {
  return ORDER.indexOf(standing(row));
}

export interface Count {
  standing: Standing;
  count: number;
}

/** The number of services of each status, the worst first. */
export function counts(rows: Iterable<Row>): Count[] {
  const found = new Map<Standing, number>();
  for (const row of rows) found.set(standing(row), (found.get(standing(row)) ?? 0) + 1);
  const pairs = [...found].sort(([a], [b]) => ORDER.indexOf(a) - ORDER.indexOf(b));
  return pairs.map(([standing, count]) => ({ standing, count }));
}

/** The source of a health: `notify`, `explicit (http)`, `tcp (fallback)`; with the engine, where that is not this machine. */
export function sourceWords(row: {
  source: string;
  check?: string | null;
  fallback?: boolean;
  engine?: string;
}): string {
  if (row.source === "none") return "";
  const remark = row.source === "explicit" || row.source === "protocol" ? row.check : row.fallback ? "fallback" : null;
  const elsewhere = row.engine === "local" || row.engine === row.source ? null : row.engine;
  const remarks = [remark, elsewhere].filter(Boolean).join(", ");
  return remarks ? `${row.source} (${remarks})` : row.source;
}

/** The same within parentheses: `tcp, fallback`. */
export function basis(row: Parameters<typeof sourceWords>[0]): string {
  return sourceWords(row).replace(" (", ", ").replace(/\)$/, "");
}
