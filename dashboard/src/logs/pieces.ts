// A line ready to be drawn: its coloured spans, cut at the matches of a search. A line that is too long is
// cut; the rest is shown on demand.

import { spans, type Span, type Style } from "./ansi";
import { matches } from "./search";

export const LONGEST = 2_000;
/** An escape sequence may be cut in two here; its first half is left out like a whole one. */
const LONGEST_RAW = 8_000;

export interface Piece {
  text: string;
  style: Style | null;
  marked: boolean;
}

export interface Drawn {
  pieces: Piece[];
  /** there is more of it */
  cut: boolean;
}

export function drawn(line: string, pattern: RegExp | null, longest = LONGEST): Drawn {
  const raw = line.length > longest * 4 ? line.slice(0, Math.max(longest * 4, LONGEST_RAW)) : line;
  const { kept, cut } = limited(spans(raw), longest);
  return { pieces: pattern ? marked(kept, pattern) : kept.map(unmarked), cut: cut || raw !== line };
}

function unmarked(span: Span): Piece {
  return { ...span, marked: false };
}

function limited(all: Span[], longest: number): { kept: Span[]; cut: boolean } {
  let room = longest;
  const kept: Span[] = [];
  for (const span of all) {
    if (room <= 0) return { kept, cut: true };
    kept.push(span.text.length > room ? { ...span, text: span.text.slice(0, room) } : span);
    room -= span.text.length;
  }
  return { kept, cut: room < 0 };
}

function marked(all: Span[], pattern: RegExp): Piece[] {
  const found = matches(all.map((span) => span.text).join(""), pattern);
  if (!found.length) return all.map(unmarked);
  const pieces: Piece[] = [];
  let at = 0;
  for (const span of all) {
    pieces.push(...cutUp(span, at, found));
    at += span.text.length;
  }
  return pieces;
}

/** One span, which begins at `at` in its line, in pieces with and without a mark. */
function cutUp(span: Span, at: number, found: [number, number][]): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  const put = (to: number, mark: boolean) => {
    if (to > from) pieces.push({ text: span.text.slice(from, to), style: span.style, marked: mark });
    from = Math.max(from, to);
  };
  for (const [start, end] of found) {
    if (end <= at || start >= at + span.text.length) continue;
    put(start - at, false);
    put(Math.min(end - at, span.text.length), true);
  }
  put(span.text.length, false);
  return pieces;
}
