// What time it is on the daemon's clock. All times that it tells are on that one, which nobody sets, and the wall
// clock here may be set at any moment, or be that of another machine. So the page counts on from what the daemon
// said last, by the browser's own count of time.

export class Clock {
  private ahead: number;

  /** `counted`: milliseconds that go on evenly; `wall`: epoch milliseconds, until the daemon has said */
  constructor(
    private readonly counted: () => number,
    wall: number,
  ) {
    this.ahead = wall - counted();
  }

  /** The daemon says what time it is: epoch seconds. */
  hear(now: number): void {
    this.ahead = now * 1000 - this.counted();
  }

  /** epoch milliseconds */
  now(): number {
    return this.counted() + this.ahead;
  }
}

export const clock = new Clock(() => performance.now(), Date.now());
