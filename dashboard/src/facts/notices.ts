// What is worth telling somebody who looks elsewhere: a service went down, or a start is complete. Found by
// comparing what was known with what is known now; never for the first snapshot, which is no news.

import { projects, type Facts } from "./facts";
import { isDown, isMoving, isReady, standing } from "./standing";
import { plural } from "./format";

export interface Notice {
  tone: "good" | "bad";
  /** a sentence without its object: `is healthy again` */
  text: string;
  project: string;
  /** null: it is about the project */
  service: string | null;
  because: string;
}

/** `told`: the services whose going down is still on the screen, by key. */
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
    if (isDown(row) && !isDown(old)) found.push({ tone: "bad", text: DOWN[standing(row)] ?? "is down", ...about });
    else if (row.state === "failed" && old.state !== "failed") found.push({ tone: "bad", text: "failed", ...about });
    else if (isReady(row) && !isReady(old) && (standing(old) === "unhealthy" || told.has(key))) {
      found.push({ tone: "good", text: row.state === "completed" ? "has completed" : "is healthy again", ...about });
    }
  }
  return found;
}

const DOWN: Partial<Record<string, string>> = {
  failed: "failed",
  unhealthy: "is unhealthy",
  backoff: "ended, and is tried again",
};

/** Projects in which something was being started, and now nothing moves and nothing is wrong. */
function completions(before: Facts, after: Facts): Notice[] {
  const earlier = new Map(projects(before.rows.values()).map((project) => [project.name, project]));
  return projects(after.rows.values()).flatMap((project) => {
    const was = earlier.get(project.name);
    const wanted = project.rows.filter((row) => row.state !== "stopped");
    if (!was?.rows.some(isStarting) || project.rows.some(isMoving)) return [];
    if (wanted.length === 0 || !wanted.every(isReady)) return [];
    const because = `${plural(wanted.length, "service is", "services are")} ready`;
    return [{ tone: "good" as const, text: "is up", project: project.name, service: null, because }];
  });
}

function isStarting(row: Parameters<typeof standing>[0]): boolean {
  return ["waiting", "preparing", "starting"].includes(standing(row));
}
