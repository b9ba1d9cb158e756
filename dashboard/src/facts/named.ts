// A project's name as it is shown and asked for everywhere: `shop`, and `shop@feat` for an instance of it. The
// daemon tells the two apart, the page has no need to, so they are put together where its words are read.

/** For `JSON.parse`. */
export function named(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const { project, instance } = value as { project?: unknown; instance?: unknown };
  return typeof project === "string" && instance ? { ...value, project: `${project}@${String(instance)}` } : value;
}
