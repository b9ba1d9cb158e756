// How the time of something grows with its size: a ratio, which a slow or busy machine hardly changes.

const TRIES = 7;
const LEAST = 1;

/** Time for `times` the size over time for the size, each the best of several. `size` grows until it is measurable. */
export function growth<T>(make: (size: number) => T, work: (made: T) => unknown, size: number, times: number): number {
  for (;;) {
    const [small, large] = [make(size), make(size * times)];
    const took = [Infinity, Infinity];
    for (let i = 0; i < TRIES; i++) {
      took[0] = Math.min(took[0] as number, spent(() => work(small)));
      took[1] = Math.min(took[1] as number, spent(() => work(large)));
    }
    if ((took[1] as number) >= LEAST) return (took[1] as number) / Math.max(took[0] as number, 1e-3);
    size *= 2;
  }
}

function spent(work: () => unknown): number {
  const began = performance.now();
  work();
  return performance.now() - began;
}
