// The current view as the fragment of the address: it can be linked, bookmarked and reloaded.
//
//   #/                            all projects
//   #/logs                        the logs of all
//   #/project/shop/graph          services | graph | timeline | logs
//   #/service/shop/web/why        why | logs | environment

export const PROJECT_VIEWS = ["services", "graph", "timeline", "logs"] as const;
export const SERVICE_VIEWS = ["why", "logs", "environment"] as const;
export type ProjectView = (typeof PROJECT_VIEWS)[number];
export type ServiceView = (typeof SERVICE_VIEWS)[number];

export type Route =
  | { at: "all" }
  | { at: "logs" }
  | { at: "project"; project: string; view: ProjectView }
  | { at: "service"; project: string; service: string; view: ServiceView };

/** The route of a hash; what cannot be understood leads to all projects. */
export function parse(hash: string): Route {
  const [first, ...rest] = hash.replace(/^#?\/?/, "").split("/").map(decoded);
  const [project, second, third] = rest;
  if (first === "logs") return { at: "logs" };
  if (first === "project" && project) return { at: "project", project, view: one(PROJECT_VIEWS, second) };
  if (first === "service" && project && second) {
    return { at: "service", project, service: second, view: one(SERVICE_VIEWS, third) };
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
    case "service":
      return `#/service/${encodeURIComponent(route.project)}/${encodeURIComponent(route.service)}/${route.view}`;
  }
}

export function toProject(project: string, view: ProjectView = "services"): string {
  return href({ at: "project", project, view });
}

export function toService(project: string, service: string, view: ServiceView = "why"): string {
  return href({ at: "service", project, service, view });
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
