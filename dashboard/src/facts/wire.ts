// What the daemon says, field for field: its own API, as `/v1/openapi.json` describes it. Nothing here is
// derived; a field that an older or newer daemon may leave out is marked as such.

export type State =
  | "stopped" | "waiting" | "blocked" | "preparing" | "starting" | "running"
  | "stopping" | "backoff" | "failed" | "completed";
export type Health = "unknown" | "starting" | "healthy" | "unhealthy";
export type Source = "explicit" | "swarm" | "kubernetes" | "systemd" | "docker" | "notify" | "protocol" | "tcp" | "process" | "none";
export type Action = "up" | "stop" | "restart" | "down";

export interface Row {
  name: string;
  project: string;
  /** the label of an instance, which `named` puts behind the project's name */
  instance?: string | null;
  /** one for all instances */
  shared?: boolean;
  /** the instances that have it in their file */
  shared_by?: string[];
  directory: string;
  type: string;
  /** where it runs: local, swarm, systemd, kubernetes */
  engine?: string;
  state: State;
  health: Health;
  source: Source;
  check: string | null;
  fallback: boolean;
  because: string;
  /** The same for screens: what a program said of its exit, in place of the exit code. An older daemon has none. */
  reason?: string;
  since: string | null;
  waiting_on: string[];
  depends_on?: Record<string, string>;
  pid: number | null;
  container: string | null;
  port: number | null;
  url: string | null;
  /** By name, by way of the proxy. An older daemon has none. */
  name_url?: string | null;
  run: number;
  restarts: number;
  exit_code: number | null;
  started_at: string | null;
  ready_at: string | null;
}

export interface Daemon {
  pid: number;
  version: string;
  started_at: string;
  dashboard_url: string | null;
  trouble?: string;
}

export interface Usage {
  project: string;
  name: string;
  /** cores: 0.5 is half of one */
  cpu: number | null;
  /** bytes */
  memory: number | null;
}

/** What services took of the machine in the last quarter of an hour, as far as it was measured. */
export interface PastUsage {
  /** seconds that one sample stands for */
  step: number;
  services: { project: string; name: string; samples: { at: string; cpu: number; memory: number }[] }[];
}

export interface LogRecord {
  at: string;
  project: string;
  service: string;
  run: number;
  stream: "stdout" | "stderr" | "locald";
  line: string;
  level?: Level | null;
  /** of a line of a structured log: what happened, then its fields */
  shown?: string;
  /** so many lines of its stream and run, the last before it, do not stand any more: this was drawn over them */
  over?: number;
}
export type Level = "error" | "warn" | "info" | "debug";

export interface Problem {
  what: string;
  where: string;
  hint: string;
}

export interface Evidence {
  source: Source;
  check: string | null;
  ok: boolean;
  at: string;
  detail: string;
}

export interface Blocker {
  service: string;
  state: State;
  health: Health;
  because: string;
}

export interface Why {
  service: string;
  project: string;
  state: State;
  health: Health;
  source: Source;
  because: string;
  blockers: Blocker[];
  evidence: Evidence[];
  hints: string[];
  /** All of it in one line; an older daemon does not tell. */
  summary?: string;
}

export interface Started {
  name: string;
  queued_at: string | null;
  spawned_at: string | null;
  listening_at: string | null;
  ready_at: string | null;
  source: Source;
  waited_for: string[];
  median_ms?: number | null;
  /** when its run ended without having been ready */
  ended_at?: string | null;
}

export interface Timeline {
  project: string;
  services: Started[];
  critical_path: string[];
  total_ms: number | null;
  /** the latest earlier start of more services */
  before?: { services: Started[]; critical_path: string[]; total_ms: number | null } | null;
}

export interface PastRun {
  service: string;
  run: number;
  started_at: string | null;
  ready_at: string | null;
  ended_at: string | null;
  exit_code: number | null;
  /** why it began, where nobody asked for it */
  cause: string | null;
  /** the line it printed that says most about its end */
  said: string | null;
}

export interface Definition {
  type: string;
  command: string | string[] | null;
  image: string | null;
  workdir: string;
  file: string;
  line: number | null;
}

export interface Environment {
  env: Record<string, string>;
  workdir: string;
  origins: Record<string, string>;
  masked?: string[];
}

export interface Effect {
  ends: string[];
  starts: string[];
}

/** What the live socket sends. */
export type Message = {
  /** epoch seconds on the daemon's clock; an older daemon does not say */
  now?: number;
} & (
  | { kind: "snapshot"; daemon: Daemon; services: Row[] }
  | { kind: "change"; services: Row[]; removed: { project: string; name: string }[] }
  | { kind: "usage"; services: Usage[] }
  | LinesMessage
  | { kind: "refused"; watch?: number | null; problems: Problem[] }
);

export interface LinesMessage {
  kind: "lines";
  watch: number;
  lines: LogRecord[];
  history: boolean;
  /** the next batch follows at once */
  more?: boolean;
  /** lines before these were left out: services printed faster than could be told */
  skipped?: boolean;
}

/** Lines from before those that are known. */
export interface EarlierLines {
  lines: LogRecord[];
  /** there are others before these */
  truncated: boolean;
}

/** What it takes. */
export interface LogWatch {
  watch: number;
  project?: string;
  services: string[];
  n: number;
  since?: number;
  run?: number;
}
export type Order = { usage: boolean } | { logs: LogWatch | null };
