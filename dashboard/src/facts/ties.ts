// Who needs whom, and who is in whose way. A tie in the way is one whose dependency is not there yet
// (`waiting_on`); following those, the worst first, leads to the root: the one service that a person has to
// look at.

import { rank } from "./standing";
import type { Row, State } from "./wire";

/** Direct dependencies by name, with what is asked of each. Those of an older daemon are only the missing. */
export function dependencies(row: Row): Record<string, string> {
  return row.depends_on ?? Object.fromEntries(row.waiting_on.map((name) => [name, "healthy"]));
}

export function dependents(rows: Iterable<Row>, name: string): Row[] {
  return [...rows].filter((row) => Object.hasOwn(dependencies(row), name));
}

/** It waits for what is missing; else it runs without that, as it did before. */
export function isHeldUp(row: { state: State }): boolean {
  return row.state === "waiting" || row.state === "blocked";
}

/** From the service to the root of its trouble, itself first; only itself when nothing is in its way. */
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
