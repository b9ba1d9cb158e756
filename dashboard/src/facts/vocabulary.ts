// Every state and health with its tone and its sign, from the worst to the best. Written by
// tools/vocabulary.py from src/locald/faces/states.py: change that.

export type Tone = "good" | "busy" | "warn" | "bad" | "quiet";
export type Word = keyof typeof STATES;

export const STATES = {
  failed: { tone: "bad", sign: "✗" },
  unhealthy: { tone: "bad", sign: "▲" },
  backoff: { tone: "warn", sign: "↻" },
  blocked: { tone: "warn", sign: "⊘" },
  unknown: { tone: "quiet", sign: "◌" },
  stopping: { tone: "busy", sign: "◑" },
  preparing: { tone: "busy", sign: "◐" },
  starting: { tone: "busy", sign: "◐" },
  waiting: { tone: "quiet", sign: "◌" },
  stopped: { tone: "quiet", sign: "○" },
  running: { tone: "good", sign: "●" },
  healthy: { tone: "good", sign: "●" },
  completed: { tone: "good", sign: "✓" },
} as const satisfies Record<string, Entry>;

interface Entry {
  tone: Tone;
  sign: string;
}

/** A service went down by itself. */
export const DOWN: ReadonlySet<Word> = new Set<Word>(["unhealthy", "failed", "backoff"]);

/** Somebody has to look at a service: it stands first. */
export const AMISS: ReadonlySet<Word> = new Set<Word>(["unhealthy", "failed", "backoff", "blocked"]);

/** A service has not settled. */
export const MOVING: ReadonlySet<Word> = new Set<Word>(["waiting", "preparing", "starting", "stopping", "backoff"]);
