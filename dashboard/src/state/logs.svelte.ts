// The one log watch of the page. A view requests lines; what comes for an earlier request is dropped. The newest
// lines come at once, older ones when they are asked for. Lines are shown at most once a frame. While paused, new lines are kept aside, bounded like those that are shown.

import { untrack } from "svelte";
import { LogBuffer, KEPT, type Choice } from "../logs/buffer";
import type { EarlierLines, LinesMessage, LogRecord, Message, Order, Problem } from "../facts/wire";
import { problemsOf } from "./api";
import { clock } from "./clock";

/** older lines that are asked for at a time: as many as there are already */
const EARLIER = 2_000;
const MOST_EARLIER = 10_000;

export interface Request {
  /** null: of all projects */
  project: string | null;
  /** none: all */
  services: string[];
  n: number;
  /** only of this run */
  run?: number;
}

export class LogSession {
  readonly buffer = new LogBuffer();
  /** counts what was done to the buffer, so that views know */
  version = $state(0);
  paused = $state(false);
  /** lines that came while paused */
  held = $state(0);
  /** the history is complete */
  complete = $state(false);
  /** there may be older lines than those shown */
  older = $state(false);
  problems = $state.raw<Problem[]>([]);

  /** older lines are on their way */
  reaching = $state(false);

  private request: Request | null = null;
  private watch = 0;
  private aside: LogRecord[] = [];
  private coming: LogRecord[] = [];
  private frame = 0;

  constructor(
    private readonly order: (order: Order) => void,
    private readonly earlier: (watch: Request, n: number, before: number, known: number) => Promise<EarlierLines>,
  ) {}

  follow(request: Request): void {
    this.request = request;
    this.again();
  }

  stop(): void {
    this.request = null;
    this.watch++;
    this.clear();
    this.order({ logs: null });
  }

  /** Ask for the same once more: after the connection was lost, or when there are other services. */
  again(): void {
    if (!this.request) return;
    const { project, services, n, run } = this.request;
    this.clear();
    const only = { ...(project ? { project } : {}), ...(run === undefined ? {} : { run }) };
    this.order({ logs: { watch: ++this.watch, ...only, services, n } });
  }

  /** Show more of the past. Whether there was some. */
  async reachBack(): Promise<boolean> {
    const { request, watch } = this;
    const first = this.buffer.lines[0];
    if (!request || !first || !this.older || this.reaching) return false;
    this.reaching = true;
    // Of the oldest millisecond some lines are known: those at the beginning.
    const known = this.buffer.lines.findIndex((line) => line.at !== first.at);
    try {
      const all = this.buffer.lines.length;
      const wanted = Math.min(Math.max(all, EARLIER), MOST_EARLIER);
      const told = await this.earlier(request, wanted, first.at, known < 0 ? all : known);
      if (watch !== this.watch) return false;
      this.buffer.addBefore(told.lines);
      this.older = told.truncated && told.lines.length > 0 && this.buffer.lines.length < KEPT;
      this.touch();
      return told.lines.length > 0;
    } catch (error) {
      if (watch === this.watch) this.problems = problemsOf(error);
      return false;
    } finally {
      if (watch === this.watch) this.reaching = false;
    }
  }

  receive(message: Message & { kind: "lines" | "refused" }): void {
    if (message.watch !== this.watch || !this.request) return;
    if (message.kind === "refused") {
      this.problems = message.problems;
      this.complete = true;
    } else {
      this.take(message);
    }
  }

  choose(choice: Choice): void {
    this.buffer.choose(choice);
    this.touch();
  }

  pause(on: boolean): void {
    this.paused = on;
    if (on) return;
    this.coming.push(...this.aside);
    this.aside = [];
    this.held = 0;
    this.soon();
  }

  /** A caller within an effect must not depend on what it changes. */
  private touch(): void {
    this.version = untrack(() => this.version) + 1;
  }

  private clear(): void {
    this.buffer.clear();
    this.aside = [];
    this.coming = [];
    this.held = 0;
    this.complete = false;
    this.older = false;
    this.reaching = false;
    this.problems = [];
    this.touch();
  }

  private take(message: LinesMessage): void {
    const lines = message.skipped ? [gap(message.lines[0]), ...message.lines] : message.lines;
    if (this.paused && !message.history) {
      this.aside.push(...lines);
      if (this.aside.length > KEPT * 1.1) this.aside = this.aside.slice(-KEPT);
      this.held = this.aside.length;
      return;
    }
    this.coming.push(...lines);
    if (message.history && !message.more) this.told();
    this.soon();
  }

  private told(): void {
    const count = this.buffer.lines.length + this.coming.length;
    this.complete = true;
    this.older = this.request !== null && count >= this.request.n;
  }

  private soon(): void {
    // A hidden page gets no frames; its lines wait in `coming`, and the oldest are dropped.
    if (this.coming.length > KEPT * 1.1) this.coming = this.coming.slice(-KEPT);
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.buffer.add(this.coming);
      this.coming = [];
      this.touch();
    });
  }
}

function gap(next: LogRecord | undefined): LogRecord {
  const line = "lines skipped, output is too fast";
  const about = { project: next?.project ?? "", service: next?.service ?? "", run: next?.run ?? 0 };
  return { at: next?.at ?? new Date(clock.now()).toISOString(), ...about, stream: "locald", line, level: "warn" };
}
