// The current view as the fragment of the address: it can be linked, bookmarked and reloaded.
//
//   #/                            all projects
//   #/logs                        the logs of all
//   #/project/shop/graph          services | graph | timeline | logs
//   #/service/shop/web/why        why | logs | environment
//   #/service/shop/web/logs/3     the lines of one run

export const PROJECT_VIEWS = ["services", "graph", "timeline", "logs"] as const;
export const SERVICE_VIEWS = ["why", "logs", "environment"] as const;
export type ProjectView = (typeof PROJECT_VIEWS)[number];
export type ServiceView = (typeof SERVICE_VIEWS)[number];

export type Route =
  | { at: "all" }
  | { at: "logs" }
  | { at: "project"; project: string; view: ProjectView }
  | { at: "service"; project: string; service: string; view: ServiceView; run?: number };

/** The route of a hash; what cannot be understood leads to all projects. */
export function parse(hash: string): Route {
  const [first, ...rest] = hash.replace(/^#?\/?/, "").split("/").map(decoded);
  const [project, second, third, fourth] = rest;
  if (first === "logs") return { at: "logs" };
  if (first === "project" && project) return { at: "project", project, view: one(PROJECT_VIEWS, second) };
  if (first === "service" && project && second) {
    const view = one(SERVICE_VIEWS, third);
    const run = view === "logs" && /^[1-9]\d{0,8}$/.test(fourth ?? "") ? { run: Number(fourth) } : {};
    return { at: "service", project, service: second, view, ...run };
  }
  return { at: "all" };
}

export function href(route: Route): string {
  switch (route.at) {
    case "all":
      return "#/";
    case "logs":
      return "#/logs";
    case "project":
      return `#/project/${encodeURIComponent(route.project)}/${route.view}`;
    case "service": {
      const own = `#/service/${encodeURIComponent(route.project)}/${encodeURIComponent(route.service)}/${route.view}`;
      return route.run === undefined ? own : `${own}/${route.run}`;
    }
  }
}

export function toProject(project: string, view: ProjectView = "services"): string {
  return href({ at: "project", project, view });
}

export function toService(project: string, service: string, view: ServiceView = "why"): string {
  return href({ at: "service", project, service, view });
}

export function toRun(project: string, service: string, run: number): string {
  return href({ at: "service", project, service, view: "logs", run });
}

/** One level up. */
export function outward(route: Route): Route {
  if (route.at === "service") return { at: "project", project: route.project, view: "services" };
  return { at: "all" };
}

function one<T extends string>(known: readonly T[], word: string | undefined): T {
  return known.find((view) => view === word) ?? (known[0] as T);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
