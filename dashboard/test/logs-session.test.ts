import { beforeEach, describe, expect, it, vi } from "vitest";
import { LogSession } from "../src/state/logs.svelte";
import type { EarlierLines, LinesMessage, LogRecord, Order } from "../src/facts/wire";

let frames: (() => void)[] = [];
beforeEach(() => {
  frames = [];
  vi.stubGlobal("requestAnimationFrame", (run: () => void) => frames.push(run));
});

function drawn(): void {
  frames.splice(0).forEach((run) => run());
}

function records(count: number, at = "2026-01-01T00:00:00.000Z"): LogRecord[] {
  return Array.from({ length: count }, (_, i) => ({ at, project: "shop", service: "web", run: 1, stream: "stdout", line: `${i}` }));
}

function lines(watch: number, count: number, but: Partial<LinesMessage> = {}): LinesMessage {
  return { kind: "lines", watch, lines: records(count), history: false, ...but };
}

function session(past: EarlierLines = { lines: [], truncated: false }): { logs: LogSession; orders: Order[]; asked: unknown[] } {
  const orders: Order[] = [];
  const asked: unknown[] = [];
  const earlier = async (...wanted: unknown[]) => {
    asked.push(wanted);
    return past;
  };
  return { logs: new LogSession((order) => orders.push(order), earlier), orders, asked };
}

const request = { project: "shop", services: ["web"], n: 1_000 };

describe("the log watch", () => {
  it("asks for what a view wants, and for nothing when it goes", () => {
    const { logs, orders } = session();
    logs.follow(request);
    logs.follow({ ...request, project: null, services: [] });
    logs.stop();
    expect(orders).toEqual([
      { logs: { watch: 1, project: "shop", services: ["web"], n: 1_000 } },
      { logs: { watch: 2, services: [], n: 1_000 } },
      { logs: null },
    ]);
  });

  it("shows batches a frame at a time, and drops what comes for an earlier request", () => {
    const { logs } = session();
    logs.follow(request);
    logs.receive(lines(1, 10));
    logs.receive(lines(1, 10));
    logs.receive(lines(7, 10));
    expect(logs.buffer.lines.length).toBe(0);
    expect(frames.length).toBe(1);
    drawn();
    expect(logs.buffer.lines.length).toBe(20);
    logs.again();
    logs.receive(lines(1, 10));
    drawn();
    expect(logs.buffer.lines.length).toBe(0);
  });

  it("knows when the history is told, and whether there may be older lines", () => {
    const { logs } = session();
    logs.follow(request);
    logs.receive(lines(1, 600, { history: true, more: true }));
    expect(logs.complete).toBe(false);
    logs.receive(lines(1, 400, { history: true, more: false }));
    expect([logs.complete, logs.older]).toEqual([true, true]);
  });

  it("puts older lines before those that are there, and asks with what is known of the oldest moment", async () => {
    const { logs, asked } = session({ lines: records(3, "2025-12-31T00:00:00.000Z"), truncated: false });
    logs.follow({ ...request, n: 2 });
    logs.receive(lines(1, 2, { history: true, more: false }));
    drawn();
    const [first] = logs.buffer.lines;
    expect(await logs.reachBack()).toBe(true);
    expect(asked).toEqual([[{ ...request, n: 2 }, 2_000, Date.parse("2026-01-01T00:00:00.000Z"), 2]]);
    expect(logs.buffer.lines.map((line) => line.record.line)).toEqual(["0", "1", "2", "0", "1"]);
    expect(logs.buffer.lines[3]).toBe(first);
    expect([logs.older, await logs.reachBack()]).toEqual([false, false]);
  });

  it("drops older lines that come for an earlier request", async () => {
    const { logs } = session({ lines: records(3), truncated: true });
    logs.follow({ ...request, n: 2 });
    logs.receive(lines(1, 2, { history: true, more: false }));
    drawn();
    const coming = logs.reachBack();
    logs.again();
    expect([await coming, logs.buffer.lines.length, logs.reaching]).toEqual([false, 0, false]);
  });

  it("keeps new lines aside while paused, and none is lost", () => {
    const { logs } = session();
    logs.follow(request);
    logs.receive(lines(1, 5, { history: true, more: false }));
    logs.pause(true);
    logs.receive(lines(1, 7));
    drawn();
    expect([logs.buffer.lines.length, logs.held]).toEqual([5, 7]);
    logs.pause(false);
    drawn();
    expect([logs.buffer.lines.length, logs.held]).toEqual([12, 0]);
  });

  it("says where lines were skipped", () => {
    const { logs } = session();
    logs.follow(request);
    logs.receive(lines(1, 2, { skipped: true }));
    drawn();
    expect(logs.buffer.lines.map((line) => line.record.stream)).toEqual(["locald", "stdout", "stdout"]);
    expect(logs.buffer.lines[0]?.record.line).toContain("lines skipped");
  });

  it("tells what was refused", () => {
    const { logs } = session();
    logs.follow(request);
    const problems = [{ what: 'no service "web"', where: "", hint: "" }];
    logs.receive({ kind: "refused", watch: 1, problems });
    expect([logs.problems, logs.complete]).toEqual([problems, true]);
  });
});
