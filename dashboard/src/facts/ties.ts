// Dependencies, and which of them block. A dependency blocks while it is not ready (`waiting_on`). Following
// the blocking ones, the worst first, leads to the root cause: the one service that needs a fix.

import { rank } from "./standing";
import type { Row, State } from "./wire";

/** Direct dependencies by name, with the required condition. An older daemon names only the missing ones. */
export function dependencies(row: Row): Record<string, string> {
  return row.depends_on ?? Object.fromEntries(row.waiting_on.map((name) => [name, "healthy"]));
}

export function dependents(rows: Iterable<Row>, name: string): Row[] {
  return [...rows].filter((row) => Object.hasOwn(dependencies(row), name));
}

/** It waits for its dependencies; else it keeps running without them. */
export function isHeldUp(row: { state: State }): boolean {
  return row.state === "waiting" || row.state === "blocked";
}

/** From the service to its root cause, itself first; only itself when nothing blocks it. */
export function pathToRoot(rows: ReadonlyMap<string, Row>, name: string): string[] {
  const path = [name];
  for (let row = rows.get(name); row; ) {
    const missing = row.waiting_on
      .map((other) => rows.get(other))
      .filter((other): other is Row => other !== undefined && !path.includes(other.name));
    const worst = missing.sort((a, b) => rank(a) - rank(b))[0];
    if (!worst) break;
    path.push(worst.name);
    row = worst;
  }
  return path;
}

export function byName(rows: Iterable<Row>): Map<string, Row> {
  return new Map([...rows].map((row) => [row.name, row]));
}
