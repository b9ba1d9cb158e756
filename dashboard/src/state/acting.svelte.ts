// Actions of the page: start, stop, restart. First the daemon says what the action would do. When that affects
// more than the named services, the user confirms it.

import { api, problemsOf } from "./api";
import type { Action, Effect, Problem } from "../facts/wire";

export interface Intent {
  action: Action;
  project: string;
  /** none: the whole project */
  services: string[];
}

export interface Question extends Intent {
  effect: Effect;
}

export class Acting {
  question = $state.raw<Question | null>(null);
  /** the actions in progress, `action project:service` */
  busy = $state.raw<ReadonlySet<string>>(new Set());

  constructor(private readonly failed: (intent: Intent, problems: Problem[]) => void) {}

  /** Do it, or ask first. */
  async request(intent: Intent): Promise<void> {
    await this.during(intent, async () => {
      const effect = await api.effect(intent.action, intent.project, intent.services);
      if (goesBeyond(intent, effect)) this.question = { ...intent, effect };
      else await this.perform(intent);
    });
  }

  async confirm(): Promise<void> {
    const question = this.question;
    this.question = null;
    if (question) await this.during(question, () => this.perform(question));
  }

  cancel(): void {
    this.question = null;
  }

  isBusy(intent: Intent): boolean {
    return this.busy.has(spelled(intent));
  }

  private async perform({ action, project, services }: Intent): Promise<void> {
    const answer = await api.act(action, project, services);
    if (answer.warnings?.length) this.failed({ action, project, services }, answer.warnings);
  }

  private async during(intent: Intent, work: () => Promise<void>): Promise<void> {
    this.busy = new Set([...this.busy, spelled(intent)]);
    try {
      await work();
    } catch (error) {
      this.failed(intent, problemsOf(error));
    } finally {
      this.busy = new Set([...this.busy].filter((one) => one !== spelled(intent)));
    }
  }
}

function spelled(intent: Intent): string {
  return `${intent.action} ${intent.project}:${intent.services.join(",")}`;
}

/** Whether it affects more than the named services. */
export function goesBeyond(intent: Intent, effect: Effect): boolean {
  if (intent.action === "down") return true;
  const named = new Set(intent.services);
  const unnamed = (names: string[]) => names.some((name) => !named.has(name));
  return unnamed(effect.ends) || (named.size > 0 && unnamed(effect.starts));
}
