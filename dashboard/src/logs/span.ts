// Which lines have to be drawn. All of one height is arithmetic; wrapped, heights come from a tree of sums.
// Either way: where does a line begin, which one is at an offset, how high is all of it.

import { Heights } from "./heights";
import type { Line } from "./buffer";

export const ROW = 20;
const OVERSCAN = 12;

export interface Spread {
  readonly total: number;
  top(index: number): number;
  at(offset: number): number;
}

export class Even implements Spread {
  constructor(private readonly count: number) {}
  get total(): number {
    return this.count * ROW;
  }
  top(index: number): number {
    return index * ROW;
  }
  at(offset: number): number {
    return Math.max(Math.min(Math.floor(offset / ROW), this.count - 1), 0);
  }
}

/** Heights of wrapped lines: guessed by the length of a line until it has been drawn and measured. */
export class Uneven implements Spread {
  private heights = new Heights();
  private lines: readonly Line[] = [];
  private counted = 0;

  constructor(private readonly columns: number) {}

  /** Take in what was added; start over when it is another list. */
  update(lines: readonly Line[]): void {
    if (lines !== this.lines || lines.length < this.counted) {
      this.lines = lines;
      this.heights = new Heights();
      this.counted = 0;
    }
    for (; this.counted < lines.length; this.counted++) this.heights.push(this.guess(lines[this.counted] as Line));
  }

  /** Whether that was news. */
  measure(index: number, height: number): boolean {
    if (!height || this.heights.get(index) === height) return false;
    this.heights.set(index, height);
    return true;
  }

  get total(): number {
    return this.heights.total;
  }
  top(index: number): number {
    return this.heights.before(index);
  }
  at(offset: number): number {
    return this.heights.at(Math.max(offset, 0));
  }

  private guess(line: Line): number {
    const length = Math.min((line.record.shown ?? line.record.line).length, 2_000);
    return Math.max(Math.ceil(length / Math.max(this.columns, 1)), 1) * ROW;
  }
}

/** The first line to draw, and the one after the last. */
export function range(spread: Spread, count: number, from: number, height: number): [number, number] {
  if (!count) return [0, 0];
  const first = Math.max(spread.at(from) - OVERSCAN, 0);
  return [first, Math.min(spread.at(from + height) + OVERSCAN + 1, count)];
}
