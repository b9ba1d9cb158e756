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
