import { describe, expect, it } from "vitest";
import { ALL, indexOf, isChange, LogBuffer, seek } from "../src/logs/buffer";
import { Heights } from "../src/logs/heights";
import { Even, range, ROW, Uneven } from "../src/logs/span";
import type { LogRecord } from "../src/facts/wire";

function record(line: string, but: Partial<LogRecord> = {}): LogRecord {
  return { at: "2026-01-01T00:00:00.000Z", project: "shop", service: "web", run: 1, stream: "stdout", line, ...but };
}

describe("the lines that are kept", () => {
  it("are the newest, and numbers of lines survive what falls out", () => {
    const buffer = new LogBuffer(10_000);
    for (let i = 0; i < 30; i++) buffer.add(Array.from({ length: 1_000 }, (_, j) => record(`${i * 1_000 + j}`)));
    expect(buffer.lines.length).toBeLessThanOrEqual(15_000);
    expect(buffer.lines.at(-1)?.record.line).toBe("29999");
    expect(buffer.dropped + buffer.lines.length).toBe(30_000);
    expect(buffer.lines[indexOf(buffer.lines, 25_000)]?.record.line).toBe("25000");
    expect(buffer.shown.length).toBe(buffer.lines.length);
  });

  it("are shown by stream, level, service and match, the same whether chosen before or after", () => {
    const records = [
      record("one", { level: "error" }),
      record("two", { stream: "stderr" }),
      record("three", { service: "api" }),
      record("healthy (tcp)", { stream: "locald" }),
    ];
    const choices = [
      { choice: { ...ALL, levels: new Set(["error"] as const) }, lines: ["one", "healthy (tcp)"] },
      { choice: { ...ALL, streams: new Set(["stderr"] as const) }, lines: ["two"] },
      { choice: { ...ALL, hidden: new Set(["shop:web"]) }, lines: ["three"] },
      { choice: { ...ALL, matching: /t/ }, lines: ["two", "three", "healthy (tcp)"] },
    ];
    for (const { choice, lines } of choices) {
      const [before, after] = [new LogBuffer(), new LogBuffer()];
      before.choose(choice);
      before.add(records);
      after.add(records);
      after.choose(choice);
      expect(before.shown.map((line) => line.record.line)).toEqual(lines);
      expect(after.shown.map((line) => line.record.line)).toEqual(lines);
    }
  });

  it("are matched without their escapes", () => {
    const buffer = new LogBuffer();
    buffer.choose({ ...ALL, matching: /^error: x$/ });
    buffer.add([record("\u001b[31merror\u001b[0m: x")]);
    expect(buffer.shown.length).toBe(1);
  });

  it("do not hold what was drawn over: the last lines of that stream of that run", () => {
    const buffer = new LogBuffer();
    buffer.add([record("a 1"), record("b 1"), record("other", { stream: "stderr" }), record("else", { service: "api" })]);
    buffer.choose({ ...ALL, hidden: new Set(["shop:api"]) });
    buffer.add([record("a 2", { over: 2 }), record("b 2")]);
    expect(buffer.lines.map((line) => line.record.line)).toEqual(["other", "else", "a 2", "b 2"]);
    expect(buffer.shown.map((line) => line.record.line)).toEqual(["other", "a 2", "b 2"]);
    buffer.add([record("c", { over: 5, run: 2 })]);
    expect(buffer.lines.length).toBe(5);
  });

  it("know where another run of their service begins, also when older ones are put before them", () => {
    const buffer = new LogBuffer();
    const begun = (): string[] => buffer.lines.filter((line) => line.begins).map((line) => line.record.line);
    buffer.add([record("b", { run: 2 }), record("x", { service: "api" }), record("c", { run: 3 }), record("d", { run: 3 })]);
    expect(begun()).toEqual(["c"]);
    buffer.addBefore([record("a"), record("w", { service: "api" })]);
    expect(begun()).toEqual(["b", "c"]);
    expect(buffer.lines.map((line) => line.id)).toEqual([-2, -1, 0, 1, 2, 3]);
    buffer.addBefore([record("0")]);
    expect(buffer.lines[indexOf(buffer.lines, -3)]?.record.line).toBe("0");
  });

  it("can be searched for changes in both directions", () => {
    const buffer = new LogBuffer();
    buffer.add([record("a"), record("started", { stream: "locald" }), record("b"), record("c")]);
    expect(seek(buffer.shown, 3, -1, isChange)).toBe(1);
    expect(seek(buffer.shown, -1, 1, isChange)).toBe(1);
    expect(seek(buffer.shown, 1, 1, isChange)).toBe(-1);
  });
});

describe("heights of lines", () => {
  it("add up, and find the line at an offset, also after one changed", () => {
    const heights = new Heights();
    const plainly: number[] = [];
    for (let i = 0; i < 1_000; i++) {
      heights.push(20 + (i % 3) * 20);
      plainly.push(20 + (i % 3) * 20);
    }
    heights.set(500, 400);
    plainly[500] = 400;
    const sum = (to: number) => plainly.slice(0, to).reduce((a, b) => a + b, 0);
    for (const i of [0, 1, 499, 500, 501, 999]) {
      expect(heights.before(i)).toBe(sum(i));
      expect(heights.at(sum(i))).toBe(i);
      expect(heights.at(sum(i) + 19)).toBe(i);
    }
    expect(heights.total).toBe(sum(1_000));
    expect(heights.at(1e9)).toBe(999);
    expect(new Heights().at(10)).toBe(0);
  });

  it("of even lines are arithmetic, and only what is in view is drawn", () => {
    const even = new Even(100_000);
    expect(even.total).toBe(100_000 * ROW);
    const [first, end] = range(even, 100_000, 50_000 * ROW, 800);
    expect(first).toBeLessThan(50_000);
    expect(end - first).toBeLessThan(80);
    expect(range(new Even(0), 0, 0, 800)).toEqual([0, 0]);
  });

  it("of wrapped lines are guessed, measured, and reset for another list", () => {
    const buffer = new LogBuffer();
    buffer.add([record("x".repeat(250)), record("y")]);
    const uneven = new Uneven(100);
    uneven.update(buffer.shown);
    expect(uneven.total).toBe(4 * ROW);
    expect(uneven.measure(1, 60)).toBe(true);
    expect(uneven.measure(1, 60)).toBe(false);
    buffer.add([record("z")]);
    uneven.update(buffer.shown);
    expect(uneven.total).toBe(3 * ROW + 60 + ROW);
    buffer.choose(ALL);
    uneven.update(buffer.shown);
    expect(uneven.total).toBe(5 * ROW);
  });
});
