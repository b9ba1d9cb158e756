// A quarter of an hour of one figure as the line of a small graph. Where nobody looked, the line has a gap.

export const SPAN = 15 * 60_000;

export interface Point {
  /** epoch milliseconds */
  at: number;
  value: number;
}

/** As the `d` of an SVG path in a box of so many units. `step`: milliseconds that one point stands for. */
export function line(points: readonly Point[], now: number, step: number, width: number, height: number): string {
  const most = peak(points);
  const parts: string[] = [];
  let before: Point | null = null;
  for (const point of points) {
    const x = width * (1 - (now - point.at) / SPAN);
    if (x < 0) continue;
    const y = height * (1 - (most ? point.value / most : 0));
    const goesOn = before !== null && point.at - before.at < step * 2.5;
    // A point that stands alone is seen as one step.
    parts.push(`${goesOn ? "L" : "M"}${round(x)} ${round(y)}`);
    if (!goesOn) parts.push(`h${round(Math.min((width * step) / SPAN / 2, width - x))}`);
    before = point;
  }
  return parts.join("");
}

export function peak(points: readonly Point[]): number {
  return points.reduce((most, point) => Math.max(most, point.value), 0);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
