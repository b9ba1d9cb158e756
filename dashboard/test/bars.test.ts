import { describe, expect, it } from "vitest";
import { isSlow, starts, ticks, withRows } from "../src/facts/bars";
import type { Started, Timeline } from "../src/facts/wire";
import { row } from "./rows";

const ZERO = Date.parse("2026-01-01T00:00:00.000Z");
const iso = (ms: number | null) => (ms === null ? null : new Date(ZERO + ms).toISOString());

function part(name: string, queued: number, spawned: number | null, listening: number | null, ready: number | null, but: Partial<Started> = {}): Started {
  return {
    name,
    queued_at: iso(queued),
    spawned_at: iso(spawned),
    listening_at: iso(listening),
    ready_at: iso(ready),
    source: "tcp",
    waited_for: [],
    ...but,
  };
}

function timeline(services: Started[], critical: string[] = []): Timeline {
  return { project: "shop", services, critical_path: critical, total_ms: null };
}

const never = () => ({ open: false, failedAt: null });

describe("the timeline", () => {
  it("shows the long start before a repair as it was, and nothing of it twice", () => {
    const db = part("db", 0, 100, 600, 900);
    const failed = part("web", 0, 900, null, null, { ended_at: iso(1_500) });
    const told = timeline([db, part("web", 60_000, 60_100, null, 61_000)], ["web"]);
    const before = { services: [db, failed], critical_path: ["db"], total_ms: 900 };
    const found = starts({ ...told, total_ms: 1_000, before }, ZERO + 70_000, never);
    expect(found.map((start) => [start.tracks.map((track) => track.name), start.path, start.total])).toEqual([
      [["web"], ["web"], 1_000],
      [["db", "web"], ["db"], 900],
    ]);
    expect(found[1]?.tracks[1]).toMatchObject({ failed: true, ready: null });
    expect(found[1]?.span).toBe(1_500);
  });

  it("shows waiting, spawn to listening and listening to ready as bars on one axis", () => {
    const [start] = starts(timeline([part("db", 0, 100, 600, 900), part("web", 0, 900, 1_000, 1_500)], ["db", "web"]), ZERO, never);
    expect(start?.span).toBe(1_500);
    expect(start?.tracks[0]).toMatchObject({
      name: "db",
      critical: true,
      waited: 100,
      listening: 500,
      ready: 800,
      bars: [
        { kind: "waiting", from: 0, to: 100 },
        { kind: "starting", from: 100, to: 600 },
        { kind: "listening", from: 600, to: 900 },
      ],
    });
  });

  it("shows a repair apart that comes so soon that the start before is hardly over", () => {
    const db = part("db", 0, 100, 600, 900);
    const told = timeline([db, part("web", 2_000, 2_100, null, 2_900)], ["web"]);
    const before = { services: [db, part("web", 0, 900, null, 1_500)], critical_path: ["db", "web"], total_ms: 1_500 };
    const found = starts({ ...told, total_ms: 900, before }, ZERO + 70_000, never);
    expect(found.map((start) => start.tracks.map((track) => track.name))).toEqual([["web"], ["db", "web"]]);
  });

  it("takes a program's word that came before its listener was seen", () => {
    const [start] = starts(timeline([part("db", 0, 100, 910, 900)]), ZERO, never);
    expect(start?.tracks[0]?.bars).toEqual([
      { kind: "waiting", from: 0, to: 100 },
      { kind: "starting", from: 100, to: 900 },
    ]);
  });

  it("has no critical path while a service that may be on it is still starting", () => {
    const told = timeline([part("db", 0, 100, 600, 900), part("web", 0, 900, null, null)], ["db"]);
    const [start] = starts(told, ZERO + 5_000, () => ({ open: true, failedAt: null }));
    expect(start?.path).toEqual([]);
    expect(start?.tracks.some((track) => track.critical)).toBe(false);
  });

  it("goes on until now for what is on its way, and until its end for what failed", () => {
    const now = ZERO + 5_000;
    const told = timeline([part("a", 0, 1_000, null, null), part("b", 0, 1_000, null, null), part("c", 0, null, null, null)]);
    const [start] = starts(told, now, (name) => ({ open: name !== "b", failedAt: name === "b" ? ZERO + 2_000 : null }));
    const ends = Object.fromEntries((start?.tracks ?? []).map((track) => [track.name, track.bars.at(-1)?.to]));
    expect(ends).toEqual({ a: 5_000, b: 2_000, c: 5_000 });
  });

  it("gives what was started again later an axis of its own, newest first, and no path that is not all of it", () => {
    const told = timeline([part("db", 0, 10, 20, 30), part("web", 3_600_000, 3_600_100, null, 3_600_200)], ["db", "web"]);
    const found = starts(told, ZERO, never);
    expect(found.map((one) => [one.tracks.map((track) => track.name), one.span, one.path])).toEqual([
      [["web"], 200, []],
      [["db"], 30, []],
    ]);
  });

  it("tells what is slower than usual by so much that it is worth a word", () => {
    const [start] = starts(
      timeline([
        part("a", 0, 0, null, 9_000, { median_ms: 2_100 }),
        part("b", 0, 0, null, 90, { median_ms: 30 }),
        part("c", 0, 0, null, 9_000),
      ]),
      ZERO,
      never,
    );
    expect(start?.tracks.filter(isSlow).map((track) => track.name)).toEqual(["a"]);
  });

  it("knows from the rows what happened since it was asked for", () => {
    const told = timeline([part("a", 0, null, null, null), part("b", 5_000, null, null, null)]);
    const rows = new Map([
      ["a", row("a", { started_at: iso(100), ready_at: iso(200) })],
      ["b", row("b", { started_at: iso(100), ready_at: iso(200) })],
    ]);
    const [a, b] = withRows(told, rows).services;
    expect([a?.spawned_at, a?.ready_at]).toEqual([iso(100), iso(200)]);
    expect([b?.spawned_at, b?.ready_at]).toEqual([null, null]);
  });

  it.each([1, 84, 1_000, 1_184, 33_000, 7_200_000])("marks its axis at round distances: %d ms", (span) => {
    const marks = ticks(span);
    expect(marks[0]).toBe(0);
    expect(marks.length).toBeGreaterThanOrEqual(2);
    expect(marks.length).toBeLessThanOrEqual(9);
  });
});
