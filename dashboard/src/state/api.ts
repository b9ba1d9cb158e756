// Requests to the daemon. What it refuses becomes a `Refused` with its problems: what, where, and a hint, as in
// the terminal.

import { named } from "../facts/named";
import type { Action, Definition, EarlierLines, Effect, Environment, PastRun, PastUsage, Problem, Timeline, Why } from "../facts/wire";

export class Refused extends Error {
  constructor(readonly problems: Problem[]) {
    super(problems.map((problem) => problem.what).join("; "));
  }
}

const LOST: Problem = {
  what: "the daemon does not answer",
  where: "",
  hint: "run `locald server status`",
};

async function request<T>(path: string, body?: object): Promise<T> {
  const init: RequestInit = { headers: { Accept: "application/json" } };
  if (body) {
    init.method = "POST";
    init.headers = { Accept: "application/json", "Content-Type": "application/json" };
    init.body = JSON.stringify(body);
  }
  const answer = await fetch(path, init).catch(() => {
    throw new Refused([LOST]);
  });
  const told: unknown = await answer.text().then((text): unknown => JSON.parse(text, named)).catch(() => null);
  if (answer.ok) return told as T;
  const problems = (told as { problems?: Problem[] } | null)?.problems;
  throw new Refused(problems ?? [{ ...LOST, what: `the daemon answered ${answer.status}` }]);
}

function query(path: string, values: Record<string, string>, services: readonly string[] = []): string {
  const pairs: [string, string][] = Object.entries(values);
  return `${path}?${new URLSearchParams([...pairs, ...services.map((name): [string, string] => ["service", name])])}`;
}

export const api = {
  why: (project: string, service: string) => request<Why>(query("/v1/why", { project }, [service])),
  timeline: (project: string) => request<Timeline>(query("/v1/timeline", { project })),
  environment: (project: string, service: string) =>
    request<Environment>(query("/v1/environment", { project, mask: "1" }, [service])),
  definition: (project: string, service: string) =>
    request<Definition>(query("/v1/definition", { project }, [service])),
  runs: (project: string, service: string) =>
    request<{ runs: PastRun[] }>(query("/v1/runs", { project }, [service])),
  usage: (project: string, service: string) =>
    request<PastUsage>(query("/v1/usage", { project }, [service])),
  /** the last lines up to a time (epoch milliseconds), but for those that are known of it */
  earlier: (watch: { project: string | null; services: readonly string[]; run?: number }, n: number, before: number, known: number) =>
    request<EarlierLines>(
      query(
        "/v1/lines",
        {
          ...(watch.project === null ? {} : { project: watch.project }),
          ...(watch.run === undefined ? {} : { run: `${watch.run}` }),
          n: `${n}`,
          before: `${before / 1_000}`,
          known: `${known}`,
          fold: "1",
          shown: "1",
        },
        watch.services,
      ),
    ),
  effect: (action: Action, project: string, services: readonly string[]) =>
    request<Effect>(query("/v1/effect", { action, project }, services)),
  act: (action: Action, project: string, services: readonly string[]) =>
    request<{ warnings?: Problem[] }>(`/v1/${action}`, action === "down" ? { project } : { project, services }),
};

export function problemsOf(error: unknown): Problem[] {
  if (error instanceof Refused) return error.problems;
  return [{ what: error instanceof Error ? error.message : String(error), where: "", hint: "" }];
}
