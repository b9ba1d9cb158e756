import { describe, expect, it } from "vitest";
import { apply, NOTHING, projects, rowsOf, type Facts } from "../src/facts/facts";
import { notices } from "../src/facts/notices";
import { basis, counts, isDown, isReady, phrase, rank, sourceWords, standing, tone } from "../src/facts/standing";
import { pathToRoot, byName, dependents } from "../src/facts/ties";
import { summary } from "../src/facts/summary";
import type { Daemon, Row, Why } from "../src/facts/wire";
import { row } from "./rows";

const daemon: Daemon = { pid: 1, version: "1", started_at: "2026-01-01T00:00:00Z", dashboard_url: null };

function snapshot(...services: Row[]): Facts {
  return apply(NOTHING, { kind: "snapshot", daemon, services });
}

function change(facts: Facts, ...services: Row[]): Facts {
  return apply(facts, { kind: "change", services, removed: [] });
}

describe("facts", () => {
  it("take changed rows in their place, and lose removed ones", () => {
    const before = snapshot(row("a"), row("b"), row("c"));
    const after = apply(before, {
      kind: "change",
      services: [row("b", { state: "failed" })],
      removed: [{ project: "shop", name: "a" }],
    });
    expect([...after.rows.keys()]).toEqual(["shop:b", "shop:c"]);
    expect(after.rows.get("shop:b")?.state).toBe("failed");
  });

  it("keep unchanged rows the same objects over a reconnect", () => {
    const before = snapshot(row("a"), row("b"));
    const after = apply(before, { kind: "snapshot", daemon, services: [row("a"), row("b", { restarts: 1 })] });
    expect(after.rows.get("shop:a")).toBe(before.rows.get("shop:a"));
    expect(after.rows.get("shop:b")).not.toBe(before.rows.get("shop:b"));
  });

  it("are left as they are by what tells nothing about services", () => {
    const before = snapshot(row("a"));
    expect(apply(before, { kind: "lines", watch: 1, lines: [], history: true })).toBe(before);
  });

  it("put what is amiss first, the worst at the top, until it is well again", () => {
    let facts = snapshot(row("a"), row("b"), row("c"), row("d"));
    const order = (...rows: Row[]): string => {
      facts = change(facts, ...rows);
      return projects(facts.rows.values(), facts.amiss).flatMap((one) => one.rows.map((each) => each.name)).join("");
    };
    expect(order(row("d", { state: "blocked", health: "unknown" }), row("c", { state: "failed" }))).toBe("cdab");
    expect(order(row("b", { state: "backoff" }))).toBe("cbda");
    expect(order(row("b", { state: "starting", health: "starting" }))).toBe("cbda");
    expect(order(row("b"))).toBe("cdab");
    expect(order(row("c", { state: "stopped" }))).toBe("dabc");
  });

  it("have what is shared in each project that shares it, and by itself", () => {
    const db = row("db", { project: "shop@_", shared: true, shared_by: ["shop", "shop@feat"], directory: "/shop" });
    const rows = [db, row("web"), row("web", { project: "shop@feat", directory: "/feat" })];
    const told = projects(rows).map((one) => [one.name, one.directory, one.rows.map((each) => each.name)]);
    expect(told).toEqual([
      ["shop", rows[1]?.directory, ["db", "web"]],
      ["shop@feat", "/feat", ["db", "web"]],
    ]);
    expect(rowsOf(rows, "shop@_")).toEqual([db]);
  });

  it("group rows by project in the order of the daemon", () => {
    const found = projects([row("b"), row("x", { project: "docs" }), row("a")]);
    expect(found.map((one) => [one.name, one.rows.map((each) => each.name)])).toEqual([
      ["shop", ["b", "a"]],
      ["docs", ["x"]],
    ]);
  });
});

describe("standing", () => {
  it("is the health of what runs and the state of everything else", () => {
    expect(standing(row("a"))).toBe("healthy");
    expect(standing(row("a", { health: "unhealthy" }))).toBe("unhealthy");
    expect(standing(row("a", { health: "unknown" }))).toBe("unknown");
    expect(standing(row("a", { state: "blocked", health: "unknown" }))).toBe("blocked");
  });

  it("is ready for a completed task, and down for a failure", () => {
    expect(isReady(row("a", { state: "completed" }))).toBe(true);
    expect(isDown(row("a", { state: "failed", health: "unknown" }))).toBe(true);
    expect(isDown(row("a", { state: "blocked", health: "unknown" }))).toBe(false);
  });

  it("is counted with the worst first", () => {
    const rows = [row("a"), row("b"), row("c", { state: "failed" }), row("d", { state: "completed" })];
    expect(counts(rows)).toEqual([
      { standing: "failed", count: 1 },
      { standing: "healthy", count: 2 },
      { standing: "completed", count: 1 },
    ]);
  });

  it("has one tone and rank on every face: blocked is a warning, like backoff", () => {
    expect([tone("blocked"), tone("backoff"), tone("failed"), tone("starting"), tone("waiting"), tone("completed")]).toEqual([
      "warn", "warn", "bad", "busy", "quiet", "good",
    ]);
    const failed = { state: "failed", health: "unknown" } as const;
    expect(rank(failed)).toBe(0);
    expect(rank(row("a"))).toBeGreaterThan(rank(row("b", { state: "blocked", health: "unknown" })));
  });

  it("reads as a phrase in sentences", () => {
    expect([phrase("healthy"), phrase("failed"), phrase("backoff")]).toEqual(["is healthy", "has failed", "is in backoff"]);
    expect([basis(row("a")), basis(row("a", { source: "none", fallback: false }))]).toEqual(["tcp, fallback", ""]);
  });

  it("names sources as every face does", () => {
    expect(sourceWords(row("a"))).toBe("tcp (fallback)");
    expect(sourceWords(row("a", { source: "explicit", check: "http", fallback: false }))).toBe("explicit (http)");
    expect(sourceWords(row("a", { source: "explicit", check: "http", engine: "swarm" }))).toBe("explicit (http, swarm)");
    expect(sourceWords(row("a", { source: "swarm", fallback: false, engine: "swarm" }))).toBe("swarm");
    expect(sourceWords(row("a", { source: "none", fallback: false }))).toBe("");
  });
});

describe("ties", () => {
  const migrate = row("migrate", { state: "failed", health: "unknown" });
  const auth = row("auth", { state: "blocked", health: "unknown", waiting_on: ["migrate"] });
  const slow = row("slow", { state: "starting", health: "starting" });
  const web = row("web", {
    state: "blocked",
    waiting_on: ["slow", "auth"],
    depends_on: { slow: "healthy", auth: "healthy" },
  });

  it("lead to the root, the worst first", () => {
    expect(pathToRoot(byName([migrate, auth, slow, web]), "web")).toEqual(["web", "auth", "migrate"]);
  });

  it("do not go round in circles", () => {
    const a = row("a", { waiting_on: ["b"] });
    const b = row("b", { waiting_on: ["a"] });
    expect(pathToRoot(byName([a, b]), "a")).toEqual(["a", "b"]);
  });

  it("know who needs a service", () => {
    expect(dependents([web, auth], "auth").map((one) => one.name)).toEqual(["web"]);
  });
});

describe("notices", () => {
  it("are none for the first snapshot: what was so before is no news", () => {
    expect(notices(NOTHING, snapshot(row("a", { state: "failed" })))).toEqual([]);
  });

  it("tell that a service went down, and why", () => {
    const before = snapshot(row("a"));
    const after = change(before, row("a", { state: "failed", health: "unknown", because: "exited with code 1" }));
    expect(notices(before, after)).toMatchObject([{ tone: "bad", service: "a", text: "has failed", because: "exited with code 1" }]);
  });

  it("tell it once, not at each further change of what is down", () => {
    const down = change(snapshot(row("a")), row("a", { state: "backoff", health: "unknown" }));
    expect(notices(down, change(down, row("a", { state: "backoff", health: "unknown", restarts: 2 })))).toEqual([]);
  });

  it("do not leave it at that once the service is back, by whatever way", () => {
    const starting = change(snapshot(row("a")), row("a", { state: "starting", health: "starting" }));
    const back = change(starting, row("a"));
    const again = { tone: "good", service: "a", text: "is healthy again" };
    expect(notices(starting, back, new Set(["shop:a"]))).toContainEqual(expect.objectContaining(again));
    expect(notices(starting, back)).not.toContainEqual(expect.objectContaining(again));
  });

  it("tell that a start is complete when all services have settled and are ready", () => {
    const before = snapshot(row("a"), row("b", { state: "starting", health: "starting" }));
    expect(notices(before, change(before, row("b")))).toMatchObject([{ tone: "good", project: "shop", service: null }]);
  });

  it("tell no such thing while something else failed", () => {
    const failed = row("a", { state: "failed", health: "unknown" });
    const before = snapshot(failed, row("b", { state: "starting", health: "starting" }));
    expect(notices(before, change(before, row("b")))).toEqual([]);
  });
});

describe("summary", () => {
  const why: Why = {
    service: "web",
    project: "shop",
    state: "blocked",
    health: "unknown",
    source: "none",
    because: "needs auth",
    blockers: [{ service: "auth", state: "failed", health: "unknown", because: "exited\nwith code 1 \u001b[31m\u202e" }],
    evidence: [],
    hints: ["`locald logs auth`"],
  };

  it("is one line with the root and what to do, without breaks, escapes or marks of direction", () => {
    expect(summary(why)).toBe(
      "shop:web is blocked: needs auth — root cause: auth has failed: exited with code 1  [31m — hint: `locald logs auth`",
    );
  });

  it("is what the daemon says, where it does", () => {
    expect(summary({ ...why, summary: "shop:web is blocked: auth failed — locald logs shop:auth" })).toBe(
      "shop:web is blocked: auth failed — locald logs shop:auth",
    );
  });
});
