// The lines that are kept, and which of them are shown. The newest 100,000 are kept; what is shown is an
// index into them, extended by each batch and made again only when the filter changes. Numbers of lines never
// change while the line is kept (`id`), so a place in the list survives what falls out at the top, and what is put
// there. Lines that were drawn over make another list, for whoever counts along.

import { plain } from "./ansi";
import type { Level, LogRecord } from "../facts/wire";

export const KEPT = 100_000;
const SLACK = 5_000;
/** how far back one looks for a line that was drawn over, where others print in between */
const FAR = 10_000;

export interface Line {
  id: number;
  at: number;
  record: LogRecord;
  /** without escape sequences; made when first needed */
  text: string | null;
  /** the first line of another run than that of the line before it of this service */
  begins: boolean;
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
  private earlier = -1;
  private choice: Choice = ALL;
  /** of each service, the run of its last line */
  private runs = new Map<string, number>();

  constructor(private readonly kept = KEPT) {}

  clear(): void {
    this.lines = [];
    this.shown = [];
    this.dropped = 0;
    this.runs.clear();
  }

  add(records: readonly LogRecord[]): void {
    for (const record of records) {
      if (record.over) this.drawOver(record);
      const line = made(this.next++, record, this.runs);
      this.lines.push(line);
      if (wanted(line, this.choice)) this.shown.push(line);
    }
    // Cutting an array at its front costs its length: done rarely.
    if (this.lines.length > this.kept + SLACK) this.cut(this.lines.length - this.kept);
  }

  /** Lines from before the first one. */
  addBefore(records: readonly LogRecord[]): void {
    const runs = new Map<string, number>();
    const from = this.earlier - records.length;
    const lines = records.map((record, i) => made(from + 1 + i, record, runs));
    this.earlier = from;
    // Of each service the first line from before now has one that precedes it.
    const met = new Set<string>();
    for (const line of this.lines) {
      const whose = service(line.record);
      if (met.has(whose)) continue;
      met.add(whose);
      line.begins = runs.has(whose) && runs.get(whose) !== line.record.run;
      if (met.size >= this.runs.size) break;
    }
    this.lines = [...lines, ...this.lines];
    this.shown = [...lines.filter((line) => wanted(line, this.choice)), ...this.shown];
  }

  choose(choice: Choice): void {
    this.choice = choice;
    this.shown = this.lines.filter((line) => wanted(line, choice));
  }

  /** The last lines of its stream do not stand any more. */
  private drawOver(record: LogRecord): void {
    const gone = new Set<number>();
    const least = Math.max(this.lines.length - FAR, 0);
    for (let i = this.lines.length - 1; i >= least && gone.size < (record.over ?? 0); i--) {
      const line = this.lines[i] as Line;
      const { run, stream } = line.record;
      if (service(line.record) === service(record) && run === record.run && stream === record.stream) gone.add(line.id);
    }
    if (!gone.size) return;
    this.lines = this.lines.filter((line) => !gone.has(line.id));
    this.shown = this.shown.filter((line) => !gone.has(line.id));
  }

  private cut(count: number): void {
    this.lines = this.lines.slice(count);
    this.dropped += count;
    const first = this.lines[0]?.id ?? this.next;
    this.shown = this.shown.slice(indexOf(this.shown, first));
  }
}

function service(record: LogRecord): string {
  return `${record.project}:${record.service}`;
}

function made(id: number, record: LogRecord, runs: Map<string, number>): Line {
  const whose = service(record);
  const before = runs.get(whose);
  runs.set(whose, record.run);
  const begins = before !== undefined && before !== record.run;
  return { id, at: Date.parse(record.at), record, text: null, begins };
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
