// The lines that are kept, and which of them are shown. The newest 100,000 are kept; what is shown is an
// index into them, extended by each batch and made again only when the filter changes. Numbers of lines never
// change while the line is kept (`id`), so a place in the list survives what falls out at the top.

import { plain } from "./ansi";
import type { Level, LogRecord } from "../facts/wire";

export const KEPT = 100_000;
const SLACK = 5_000;

export interface Line {
  id: number;
  at: number;
  record: LogRecord;
  /** without escape sequences; made when first needed */
  text: string | null;
}

export type Stream = LogRecord["stream"];
export type LevelName = Level | "none";

export interface Choice {
  streams: ReadonlySet<Stream>;
  levels: ReadonlySet<LevelName>;
  /** names to hide, `project:service` */
  hidden: ReadonlySet<string>;
  /** only lines with a match are shown */
  matching: RegExp | null;
}

export const STREAMS: readonly Stream[] = ["stdout", "stderr", "locald"];
export const LEVELS: readonly LevelName[] = ["error", "warn", "info", "debug", "none"];
export const ALL: Choice = {
  streams: new Set(STREAMS),
  levels: new Set(LEVELS),
  hidden: new Set(),
  matching: null,
};

export class LogBuffer {
  lines: Line[] = [];
  shown: Line[] = [];
  /** how many fell out at the top */
  dropped = 0;
  private next = 0;
  private choice: Choice = ALL;

  constructor(private readonly kept = KEPT) {}

  clear(): void {
    this.lines = [];
    this.shown = [];
    this.dropped = 0;
  }

  add(records: readonly LogRecord[]): void {
    for (const record of records) {
      const line: Line = { id: this.next++, at: Date.parse(record.at), record, text: null };
      this.lines.push(line);
      if (wanted(line, this.choice)) this.shown.push(line);
    }
    // Cutting an array at its front costs its length: done rarely.
    if (this.lines.length > this.kept + SLACK) this.cut(this.lines.length - this.kept);
  }

  choose(choice: Choice): void {
    this.choice = choice;
    this.shown = this.lines.filter((line) => wanted(line, choice));
  }

  private cut(count: number): void {
    this.lines = this.lines.slice(count);
    this.dropped += count;
    const first = this.lines[0]?.id ?? this.next;
    this.shown = this.shown.slice(indexOf(this.shown, first));
  }
}

export function textOf(line: Line): string {
  return (line.text ??= plain(line.record.shown ?? line.record.line));
}

function wanted(line: Line, choice: Choice): boolean {
  const { stream, level, project, service } = line.record;
  if (!choice.streams.has(stream)) return false;
  if (stream !== "locald" && !choice.levels.has(level ?? "none")) return false;
  if (choice.hidden.size && choice.hidden.has(`${project}:${service}`)) return false;
  return choice.matching === null || choice.matching.test(textOf(line));
}

/** Where the line with this id is, or would be. */
export function indexOf(lines: readonly Line[], id: number): number {
  let low = 0;
  let high = lines.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((lines[middle]?.id ?? Infinity) < id) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The next line from a place, in a direction, for which something holds; -1 when there is none. */
export function seek(
  lines: readonly Line[],
  from: number,
  direction: 1 | -1,
  holds: (line: Line) => boolean,
): number {
  for (let i = from + direction; i >= 0 && i < lines.length; i += direction) {
    if (holds(lines[i] as Line)) return i;
  }
  return -1;
}

/** A line of locald's own: a start, an end, a change of health. */
export function isChange(line: Line): boolean {
  return line.record.stream === "locald";
}
