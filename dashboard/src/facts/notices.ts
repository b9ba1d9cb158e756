// Notifications: a service went down, or a start is complete. Found by comparing the facts before and after a
// message; there are none for the first snapshot.

import { projects, type Facts } from "./facts";
import { isDown, isMoving, isReady, phrase, standing } from "./standing";
import { plural } from "./format";

export interface Notice {
  tone: "good" | "bad";
  /** a sentence without its object: `is healthy again` */
  text: string;
  project: string;
  /** null: about the project */
  service: string | null;
  because: string;
}

/** `told`: the keys of services whose failure is still on the screen. */
export function notices(before: Facts, after: Facts, told: ReadonlySet<string> = new Set()): Notice[] {
  if (before.daemon === null || before.rows === after.rows) return [];
  return [...downs(before, after, told), ...completions(before, after)];
}

function downs(before: Facts, after: Facts, told: ReadonlySet<string>): Notice[] {
  const found: Notice[] = [];
  for (const [key, row] of after.rows) {
    const old = before.rows.get(key);
    if (!old || old === row) continue;
    const about = { project: row.project, service: row.name, because: row.because };
    if (isDown(row) && !isDown(old)) found.push({ tone: "bad", text: phrase(standing(row)), ...about });
    else if (row.state === "failed" && old.state !== "failed") found.push({ tone: "bad", text: phrase("failed"), ...about });
    else if (isReady(row) && !isReady(old) && (standing(old) === "unhealthy" || told.has(key))) {
      found.push({ tone: "good", text: row.state === "completed" ? "has completed" : "is healthy again", ...about });
    }
  }
  return found;
}

/** Projects in which a service was starting, and now all have settled and are ready. */
function completions(before: Facts, after: Facts): Notice[] {
  const earlier = new Map(projects(before.rows.values()).map((project) => [project.name, project]));
  return projects(after.rows.values()).flatMap((project) => {
    const was = earlier.get(project.name);
    const requested = project.rows.filter((row) => row.state !== "stopped");
    if (!was?.rows.some(isStarting) || project.rows.some(isMoving)) return [];
    if (requested.length === 0 || !requested.every(isReady)) return [];
    const because = `${plural(requested.length, "service")} ready`;
    return [{ tone: "good" as const, text: "is running", project: project.name, service: null, because }];
  });
}

function isStarting(row: Parameters<typeof standing>[0]): boolean {
  return ["waiting", "preparing", "starting"].includes(standing(row));
}
