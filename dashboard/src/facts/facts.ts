// All that the page knows of services: the rows of the last snapshot with every change since, and their use of
// processor and memory. A value: each message makes a new one, in which unchanged rows are the same objects, so
// that views can tell what to draw again.

import { isAmiss, isReady, rank } from "./standing";
import type { Daemon, Message, Row, Usage } from "./wire";

export interface Facts {
  daemon: Daemon | null;
  /** by `project:name`, in the order of the daemon */
  rows: ReadonlyMap<string, Row>;
  usage: ReadonlyMap<string, Usage>;
  /** how bad each service was last that is amiss: it stands first until it is well again, so that one which
      crashes and is started again does not jump up and down */
  amiss: ReadonlyMap<string, number>;
}

export const NOTHING: Facts = { daemon: null, rows: new Map(), usage: new Map(), amiss: new Map() };

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
      return withRows({ ...facts, daemon: message.daemon }, kept(facts.rows, message.services));
    case "change":
      return withRows(facts, changed(facts.rows, message));
    case "usage":
      return { ...facts, usage: new Map(message.services.map((use) => [keyOf(use), use])) };
    default:
      return facts;
  }
}

function withRows(facts: Facts, rows: Facts["rows"]): Facts {
  const amiss = new Map<string, number>();
  for (const [key, row] of rows) {
    const before = facts.amiss.get(key);
    if (isAmiss(row)) amiss.set(key, rank(row));
    else if (before !== undefined && !isReady(row) && row.state !== "stopped") amiss.set(key, before);
  }
  return { ...facts, rows, amiss };
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

/** The services of a project, and those that it shares with other instances. */
export function rowsOf(rows: Iterable<Row>, project: string): Row[] {
  return [...rows].filter((row) => row.project === project || row.shared_by?.includes(project));
}

/** Rows by project: what is amiss first, the rest in the order in which the daemon told it. What is shared is in
 * each that shares it. */
export function projects(rows: Iterable<Row>, amiss: Facts["amiss"] = new Map()): Project[] {
  const place = (row: Row) => amiss.get(keyOf(row)) ?? CALM;
  const found = new Map<string, Project>();
  const all = [...rows].sort((a, b) => place(a) - place(b));
  const add = (name: string, row: Row, directory = row.directory) => {
    const project = found.get(name);
    if (project) project.rows.push(row);
    else found.set(name, { name, directory, rows: [row] });
  };
  const folders = new Map(all.filter((row) => !row.shared).map((row) => [row.project, row.directory]));
  for (const row of all) {
    const sharing = row.shared_by?.length ? row.shared_by : [row.project];
    for (const name of sharing) add(name, row, folders.get(name));
  }
  return [...found.values()];
}

/** the place of what is not amiss: behind all that is */
const CALM = 99;
