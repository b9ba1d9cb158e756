// What is searched for: words as they are, without regard to case unless a capital is typed; or, between
// slashes, a regular expression. It becomes one expression without `g`, so that testing keeps no state.

export interface Search {
  pattern: RegExp | null;
  /** why it is no regular expression */
  fault: string | null;
}

export function search(text: string): Search {
  if (!text) return { pattern: null, fault: null };
  const expression = /^\/(.+?)\/?$/.exec(text)?.[1];
  const flags = /\p{Lu}/u.test(expression?.replace(/\\./g, "") ?? text) ? "" : "i";
  try {
    return { pattern: new RegExp(expression ?? escaped(text), flags), fault: null };
  } catch (error) {
    return { pattern: null, fault: error instanceof Error ? error.message : String(error) };
  }
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

/** The matches in a text, as [from, to]; at most a thousand, none of them empty. */
export function matches(text: string, pattern: RegExp): [number, number][] {
  const found: [number, number][] = [];
  for (const match of text.matchAll(new RegExp(pattern.source, `${pattern.flags}g`))) {
    if (match[0]) found.push([match.index, match.index + match[0].length]);
    if (found.length === 1000) break;
  }
  return found;
}

/** How many of a growing list hold a match: each line is looked at once, all of them again only when it is another
 * list or another search. */
export class MatchCount<T> {
  count = 0;
  private list: readonly T[] | null = null;
  private pattern: RegExp | null = null;
  private seen = 0;

  constructor(private readonly text: (one: T) => string) {}

  update(list: readonly T[], pattern: RegExp | null): number {
    if (list !== this.list || pattern !== this.pattern || list.length < this.seen) {
      this.list = list;
      this.pattern = pattern;
      this.count = this.seen = 0;
    }
    if (!pattern) return 0;
    for (; this.seen < list.length; this.seen++) this.count += Number(pattern.test(this.text(list[this.seen] as T)));
    return this.count;
  }
}
