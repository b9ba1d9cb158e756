import { beforeEach, describe, expect, it, vi } from "vitest";
import { LogSession } from "../src/state/logs.svelte";
import type { LinesMessage, LogRecord, Order } from "../src/facts/wire";

let frames: (() => void)[] = [];
beforeEach(() => {
  frames = [];
  vi.stubGlobal("requestAnimationFrame", (run: () => void) => frames.push(run));
});

function drawn(): void {
  frames.splice(0).forEach((run) => run());
}

function records(count: number): LogRecord[] {
  const at = "2026-01-01T00:00:00.000Z";
  return Array.from({ length: count }, (_, i) => ({ at, project: "shop", service: "web", run: 1, stream: "stdout", line: `${i}` }));
}

function lines(watch: number, count: number, but: Partial<LinesMessage> = {}): LinesMessage {
  return { kind: "lines", watch, lines: records(count), history: false, ...but };
}

function session(): { logs: LogSession; orders: Order[] } {
  const orders: Order[] = [];
  return { logs: new LogSession((order) => orders.push(order)), orders };
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
    const { logs, orders } = session();
    logs.follow(request);
    logs.receive(lines(1, 600, { history: true, more: true }));
    expect(logs.complete).toBe(false);
    logs.receive(lines(1, 400, { history: true, more: false }));
    expect([logs.complete, logs.older]).toEqual([true, true]);
    logs.reachBack();
    expect(orders.at(-1)).toMatchObject({ logs: { watch: 2, n: 100_000 } });
    logs.receive(lines(2, 1_500, { history: true, more: false }));
    expect([logs.complete, logs.older]).toEqual([true, false]);
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
