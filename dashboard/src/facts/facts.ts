// All that the page knows of services: the rows of the last snapshot with every change since, and their use of
// processor and memory. A value: each message makes a new one, in which unchanged rows are the same objects, so
// that views can tell what to draw again.

import type { Daemon, Message, Row, Usage } from "./wire";

export interface Facts {
  daemon: Daemon | null;
  /** by `project:name`, in the order of the daemon */
  rows: ReadonlyMap<string, Row>;
  usage: ReadonlyMap<string, Usage>;
}

export const NOTHING: Facts = { daemon: null, rows: new Map(), usage: new Map() };

export function key(project: string, name: string): string {
  return `${project}:${name}`;
}

export function keyOf(row: { project: string; name: string }): string {
  return key(row.project, row.name);
}

/** The facts after a message; the same object when it says nothing about services. */
export function apply(facts: Facts, message: Message): Facts {
  switch (message.kind) {
    case "snapshot":
      return { daemon: message.daemon, rows: kept(facts.rows, message.services), usage: facts.usage };
    case "change":
      return { ...facts, rows: changed(facts.rows, message) };
    case "usage":
      return { ...facts, usage: new Map(message.services.map((use) => [keyOf(use), use])) };
    default:
      return facts;
  }
}

function changed(rows: Facts["rows"], change: Message & { kind: "change" }): Facts["rows"] {
  const next = new Map(rows);
  for (const gone of change.removed ?? []) next.delete(keyOf(gone));
  for (const row of change.services) next.set(keyOf(row), row);
  return next;
}

/** After a reconnect most rows are what they were: equal ones stay the same objects. */
function kept(before: Facts["rows"], rows: Row[]): Facts["rows"] {
  const pairs = rows.map((row): [string, Row] => {
    const old = before.get(keyOf(row));
    return [keyOf(row), old && JSON.stringify(old) === JSON.stringify(row) ? old : row];
  });
  return new Map(pairs);
}

export interface Project {
  name: string;
  directory: string;
  rows: Row[];
}

/** Rows by project, both in the order in which the daemon told them. */
export function projects(rows: Iterable<Row>): Project[] {
  const found = new Map<string, Project>();
  for (const row of rows) {
    const project = found.get(row.project);
    if (project) project.rows.push(row);
    else found.set(row.project, { name: row.project, directory: row.directory, rows: [row] });
  }
  return [...found.values()];
}
