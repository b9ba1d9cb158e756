// Numbers and times as people read them, by the same rule as on a terminal: the twin of
// `src/locald/domain/values/amounts.py`. Both are tested with `tests/amounts.json`.

/** Milliseconds since the epoch of a time of the daemon's; null where there is none. */
export function moment(at: string | null | undefined): number | null {
  if (!at) return null;
  const found = Date.parse(at);
  return Number.isNaN(found) ? null : found;
}

/** A length of time, of milliseconds: `84ms`, `1.6s`, `26s`, `3m05s`, `2h10m`, `4d03h`. */
export function length(ms: number): string {
  const milliseconds = rounded(Math.max(ms, 0));
  if (milliseconds < 1000) return `${milliseconds}ms`;
  if (milliseconds < 9950) return `${(rounded(milliseconds / 100) / 10).toFixed(1)}s`;
  return whole(rounded(milliseconds / 1000));
}

/** In the two largest units. */
function whole(seconds: number): string {
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h${two(Math.floor((seconds % 3600) / 60))}m`;
  return `${Math.floor(seconds / 86_400)}d${two(Math.floor((seconds % 86_400) / 3600))}h`;
}

/** `just now`, `12s ago`. */
export function ago(ms: number): string {
  return ms < 1000 ? "just now" : `${length(ms)} ago`;
}

/** Bytes in decimal units: `512B`, `4.2MB`, `310MB`. */
export function bytes(count: number): string {
  let value = count;
  for (const unit of ["B", "KB", "MB", "GB"]) {
    if (value < 999.5) return `${unit === "B" ? rounded(value) : figures(value)}${unit}`;
    value /= 1000;
  }
  return `${figures(value)}TB`;
}

/** Processor time as a share of one core: `0%`, `0.4%`, `12%`, `250%`. */
export function cpu(cores: number): string {
  const percent = cores * 100;
  return `${percent < 0.05 ? 0 : figures(percent)}%`;
}

/** One decimal below ten, none above. */
function figures(value: number): string {
  return value < 9.95 ? (rounded(value * 10) / 10).toFixed(1) : String(rounded(value));
}

/** Half up, as in Python. */
function rounded(value: number): number {
  return Math.floor(value + 0.5);
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}

/** Time of day to the millisecond, for log lines. */
export function clock(at: number): string {
  const date = new Date(at);
  const seconds = `${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
  return `${two(date.getHours())}:${two(date.getMinutes())}:${seconds}`;
}

/** A moment in full, for tooltips: local date and time. */
export function full(at: number): string {
  const date = new Date(at);
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${clock(at)}`;
}

export function plural(count: number, word: string, words = `${word}s`): string {
  return `${grouped(count)} ${count === 1 ? word : words}`;
}

/** `12,345`. The browser's own way takes tens of milliseconds when it is first used, before anything is seen. */
export function grouped(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `a`, `a and b`, `a, b and c`. */
export function list(names: readonly string[]): string {
  if (names.length < 2) return names[0] ?? "";
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
