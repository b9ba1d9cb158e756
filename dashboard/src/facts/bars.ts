// The last start as bars on a time axis. Services that started together share an axis. One that was started
// again an hour later gets its own, or neither would be readable. A service that is starting reaches up to now.

import { moment } from "./format";
import type { Row, Started, Timeline } from "./wire";

export type Kind = "waiting" | "starting" | "listening";

export interface Bar {
  kind: Kind;
  /** milliseconds since the axis began */
  from: number;
  to: number;
}

export interface Track {
  name: string;
  bars: Bar[];
  critical: boolean;
  waitedFor: string[];
  /** milliseconds waited for dependencies */
  waited: number | null;
  /** milliseconds from spawn; null while it has not come to that */
  listening: number | null;
  ready: number | null;
  /** of earlier starts, from spawn to ready */
  median: number | null;
  /** not ready yet, and it may become so */
  open: boolean;
  failed: boolean;
}

/** The progress of a service, beyond what a timeline says. */
export interface Progress {
  /** it may still become ready */
  open: boolean;
  /** when its attempt ended without that, epoch milliseconds */
  failedAt: number | null;
}

export interface Start {
  /** epoch milliseconds */
  at: number;
  /** length of the axis, milliseconds */
  span: number;
  tracks: Track[];
  path: string[];
  /** milliseconds from the first request on the path to the last readiness; null without a path */
  total: number | null;
}

/** An axis ends; a service requested this many milliseconds later begins the next one. */
const APART = 2_000;

/** The newest start comes first. */
export function starts(timeline: Timeline, now: number, progress: (name: string) => Progress): Start[] {
  const parts = timeline.services
    .map((part) => ({ part, ...moments(part), ...progress(part.name) }))
    .filter((one): one is Timed => one.queued !== null)
    .sort((a, b) => a.queued - b.queued);
  const groups: Timed[][] = [];
  let end = -Infinity;
  for (const one of parts) {
    if (one.queued > end + APART) groups.push([]);
    groups.at(-1)?.push(one);
    end = Math.max(end, ended(one, now));
  }
  const { before } = timeline;
  if (!before) return groups.map((group) => start(group, timeline, now)).reverse();
  // What is left of it is among the latest too, where it does not belong.
  const own = new Set(before.services.map((part) => `${part.name} ${part.queued_at}`));
  const later = groups.map((group) => group.filter(({ part }) => !own.has(`${part.name} ${part.queued_at}`)));
  const others = later.filter((group) => group.length).map((group) => start(group, timeline, now));
  const group = before.services.map((part) => asItWas(part)).filter((one): one is Timed => one.queued !== null);
  return [...others, start(group, before, now)].sort((a, b) => b.at - a.at);
}

function asItWas(part: Started) {
  return { part, ...moments(part), open: false, failedAt: part.ready_at ? null : moment(part.ended_at) };
}

/** With what the rows say by now: they come at once, a timeline only when it is requested. */
export function withRows(timeline: Timeline, rows: ReadonlyMap<string, Row>): Timeline {
  return { ...timeline, services: timeline.services.map((part) => withRow(part, rows.get(part.name))) };
}

function withRow(part: Started, row: Row | undefined): Started {
  const [queued, started] = [moment(part.queued_at), moment(row?.started_at)];
  const isOfThisStart = row && queued !== null && started !== null && started >= queued;
  if (!isOfThisStart) return part;
  return { ...part, spawned_at: part.spawned_at ?? row.started_at, ready_at: part.ready_at ?? row.ready_at };
}

interface Timed {
  part: Started;
  queued: number;
  spawned: number | null;
  listening: number | null;
  ready: number | null;
  open: boolean;
  failedAt: number | null;
}

function moments(part: Started) {
  return {
    queued: moment(part.queued_at),
    spawned: moment(part.spawned_at),
    listening: moment(part.listening_at),
    ready: moment(part.ready_at),
  };
}

function ended(one: Timed, now: number): number {
  if (one.ready === null && one.open) return now;
  const failed = one.ready === null && one.spawned !== null ? one.failedAt : null;
  return Math.max(one.queued, one.spawned ?? 0, one.listening ?? 0, one.ready ?? 0, failed ?? 0);
}

function start(group: Timed[], told: Pick<Timeline, "critical_path" | "total_ms">, now: number): Start {
  const critical = told.critical_path;
  const at = Math.min(...group.map((one) => one.queued));
  const span = Math.max(...group.map((one) => ended(one, now))) - at;
  const names = new Set(group.map((one) => one.part.name));
  // A path that is only partly in this start explains nothing, nor does one that has not reached its end.
  const isOver = !group.some((one) => one.open && one.ready === null);
  const path = isOver && critical.every((name) => names.has(name)) ? critical : [];
  const tracks = group
    .sort((a, b) => (a.spawned ?? Infinity) - (b.spawned ?? Infinity) || a.part.name.localeCompare(b.part.name))
    .map((one) => track(one, at, path, now));
  return { at, span: Math.max(span, 1), tracks, path, total: path.length ? told.total_ms : null };
}

function track(one: Timed, at: number, path: string[], now: number): Track {
  const { part, spawned } = one;
  const since = (time: number | null) => (time === null || spawned === null ? null : Math.max(time - spawned, 0));
  return {
    name: part.name,
    bars: bars(one, now).map((bar) => ({ ...bar, from: bar.from - at, to: bar.to - at })),
    critical: path.includes(part.name),
    waitedFor: part.waited_for,
    waited: spawned === null && !one.open ? null : Math.max((spawned ?? now) - one.queued, 0),
    listening: since(one.listening),
    ready: since(one.ready),
    median: part.median_ms ?? null,
    open: one.open && one.ready === null,
    failed: one.failedAt !== null && one.ready === null,
  };
}

function bars(one: Timed, now: number): Bar[] {
  const end = ended(one, now);
  const spawned = one.spawned ?? end;
  // A program may say that it is ready before its listener is seen.
  const ready = one.ready ?? end;
  const listening = one.listening === null ? ready : Math.min(one.listening, ready);
  const found: Bar[] = [{ kind: "waiting", from: one.queued, to: spawned }];
  if (one.spawned !== null) {
    found.push({ kind: "starting", from: spawned, to: Math.max(listening, spawned) });
    found.push({ kind: "listening", from: Math.max(listening, spawned), to: Math.max(ready, spawned) });
  }
  return found.filter((bar) => bar.to > bar.from);
}

/** Much slower than the median of earlier starts. */
export function isSlow(track: Track): boolean {
  const { ready, median } = track;
  return ready !== null && median !== null && ready > median * 1.5 && ready - median > 500;
}

/** Round distances for the marks of an axis: some four to eight of them. */
export function ticks(span: number): number[] {
  const rough = span / 5;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * magnitude).find((size) => size >= rough) ?? rough;
  const found: number[] = [];
  for (let at = 0; at <= span; at += step) found.push(at);
  return found;
}
