import { describe, expect, it } from "vitest";
import { Clock } from "../src/state/clock";

describe("the clock of the daemon", () => {
  it("is the wall clock until the daemon has said what time it is", () => {
    let counted = 50;
    const clock = new Clock(() => counted, 1_000_000);
    counted += 200;
    expect(clock.now()).toBe(1_000_200);
  });

  it("goes on from what the daemon said, whatever the wall clock is set to", () => {
    let counted = 50;
    const clock = new Clock(() => counted, 1_000_000);
    clock.hear(7000.5);
    expect(clock.now()).toBe(7_000_500);
    counted += 2000;
    expect(clock.now()).toBe(7_002_500);
  });

  it("is put right with each message: a browser's count stands still while the machine sleeps", () => {
    const clock = new Clock(() => 50, 1_000_000);
    clock.hear(7000);
    clock.hear(9000);
    expect(clock.now()).toBe(9_000_000);
  });
});
