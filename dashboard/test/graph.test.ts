import { describe, expect, it } from "vitest";
import { line, peak, SPAN } from "../src/facts/graph";

const NOW = 1_000_000_000;
const at = (secondsAgo: number, value: number) => ({ at: NOW - secondsAgo * 1000, value });

describe("a small graph", () => {
  it("reaches from a quarter of an hour ago up to now, and as high as its peak", () => {
    const points = [at(900, 0), at(890, 5), at(880, 10)];
    expect(line(points, NOW, 10_000, 900, 20)).toBe("M0 20h5L10 10L20 0");
    expect(peak(points)).toBe(10);
  });

  it("has a gap where nobody looked", () => {
    expect(line([at(100, 1), at(60, 1)], NOW, 10_000, 900, 20)).toBe("M800 0h5M840 0h5");
  });

  it("leaves out what is older, and is flat where there is nothing", () => {
    expect(line([{ at: NOW - SPAN - 1, value: 7 }, at(10, 0)], NOW, 10_000, 900, 20)).toBe("M890 20h5");
    expect(line([], NOW, 10_000, 900, 20)).toBe("");
  });
});
