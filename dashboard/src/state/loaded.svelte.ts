// A document of the daemon, requested again as things change. The last one stays until there is a newer one; an
// answer to an earlier request is dropped.

import { problemsOf } from "./api";
import type { Problem } from "../facts/wire";

export class Loaded<T> {
  value = $state.raw<T | null>(null);
  problems = $state.raw<Problem[]>([]);
  private asked = 0;

  constructor(private readonly ask: () => Promise<T>) {}

  async load(): Promise<void> {
    const turn = ++this.asked;
    try {
      const value = await this.ask();
      if (turn !== this.asked) return;
      this.value = value;
      this.problems = [];
    } catch (error) {
      if (turn === this.asked) this.problems = problemsOf(error);
    }
  }
}
