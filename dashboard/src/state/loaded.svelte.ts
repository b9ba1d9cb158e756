// Something asked of the daemon and asked again as things change. What was told stays until there is something
// newer; an answer that was overtaken by a later question is dropped.

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
