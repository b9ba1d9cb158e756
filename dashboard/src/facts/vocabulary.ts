// Every state and health with its tone and its sign, from the worst to the best. Written by
// tools/vocabulary.py from src/locald/faces/states.py and runs.py: change those.

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

/** Signals, by the exit code that a shell shows after them. */
export const SIGNALS: Readonly<Record<number, string>> = {"129": "SIGHUP", "130": "SIGINT", "131": "SIGQUIT", "132": "SIGILL", "133": "SIGTRAP", "134": "SIGABRT", "135": "SIGBUS", "136": "SIGFPE", "137": "SIGKILL", "138": "SIGUSR1", "139": "SIGSEGV", "140": "SIGUSR2", "141": "SIGPIPE", "142": "SIGALRM", "143": "SIGTERM", "144": "SIGSTKFLT", "145": "SIGCHLD", "146": "SIGCONT", "147": "SIGSTOP", "148": "SIGTSTP", "149": "SIGTTIN", "150": "SIGTTOU", "151": "SIGURG", "152": "SIGXCPU", "153": "SIGXFSZ", "154": "SIGVTALRM", "155": "SIGPROF", "156": "SIGWINCH", "157": "SIGIO", "158": "SIGPWR", "159": "SIGSYS"};

/** Exit codes of what somebody asked to end. */
export const ASKED: ReadonlySet<number> = new Set([129, 130, 143]);
