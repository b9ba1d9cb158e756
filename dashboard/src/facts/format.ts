// Numbers and times as people read them. Lengths keep two or three figures; whatever changes each second
// (uptime) has parts that do not jump in width.

/** Milliseconds since the epoch of a time of the daemon's; null where there is none. */
export function moment(at: string | null | undefined): number | null {
  if (!at) return null;
  const found = Date.parse(at);
  return Number.isNaN(found) ? null : found;
}

/** A length of time: `84 ms`, `2.1 s`, `42 s`, `3 min 5 s`, `2 h 7 min`, `4 d 3 h`. */
export function length(ms: number): string {
  const seconds = Math.max(ms, 0) / 1000;
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  return parts(Math.round(seconds));
}

/** The same in whole seconds, for what counts on. */
export function age(ms: number): string {
  return parts(Math.max(Math.floor(ms / 1000), 0));
}

function parts(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return pair(seconds, 60, "min", 1, "s");
  if (seconds < 86_400) return pair(seconds, 3600, "h", 60, "min");
  return pair(seconds, 86_400, "d", 3600, "h");
}

function pair(seconds: number, large: number, first: string, small: number, second: string): string {
  const rest = Math.floor((seconds % large) / small);
  return `${Math.floor(seconds / large)} ${first}` + (rest ? ` ${rest} ${second}` : "");
}

/** `just now`, `12 s ago`. */
export function ago(ms: number): string {
  return ms < 1000 ? "just now" : `${age(ms)} ago`;
}

/** Bytes in decimal units: `512 B`, `4.2 MB`, `310 MB`. */
export function bytes(count: number): string {
  let value = count;
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (value < 999.5) return `${figures(value, unit === "B")} ${unit}`;
    value /= 1000;
  }
  return `${figures(value, false)} TB`;
}

function figures(value: number, whole: boolean): string {
  return whole || value >= 9.95 ? value.toFixed(0) : value.toFixed(1);
}

/** Cores as a part of one: `0 %`, `0.4 %`, `12 %`, `250 %`. */
export function cpu(cores: number): string {
  const percent = cores * 100;
  if (percent < 0.05) return "0 %";
  return `${percent < 9.95 ? percent.toFixed(1) : percent.toFixed(0)} %`;
}

/** Time of day, to the millisecond: of log lines. */
export function clock(at: number): string {
  const date = new Date(at);
  const two = (value: number) => String(value).padStart(2, "0");
  const seconds = `${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
  return `${two(date.getHours())}:${two(date.getMinutes())}:${seconds}`;
}

/** A moment in full, for who hovers: local date and time. */
export function full(at: number): string {
  const date = new Date(at);
  const day = `${date.getFullYear()}-${String(date.getMonth() + 1).padStart(2, "0")}-${String(date.getDate()).padStart(2, "0")}`;
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
