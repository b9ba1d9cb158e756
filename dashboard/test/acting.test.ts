import { afterEach, describe, expect, it, vi } from "vitest";
import { Acting, goesBeyond, type Intent } from "../src/state/acting.svelte";
import { api, Refused } from "../src/state/api";
import type { Action, Problem } from "../src/facts/wire";

const of = (action: Action, services: string[]): Intent => ({ action, project: "shop", services });

interface Asked {
  path: string;
  body: unknown;
}

/** A daemon that answers each path, and remembers what it was asked. */
function daemon(answers: Record<string, { status?: number; json: unknown }>): Asked[] {
  const asked: Asked[] = [];
  vi.stubGlobal("fetch", (path: string, init?: { body?: string }) => {
    asked.push({ path, body: init?.body ? JSON.parse(init.body) : null });
    const answer = answers[path.split("?")[0] ?? ""];
    if (!answer) return Promise.reject(new Error("nobody there"));
    const status = answer.status ?? 200;
    return Promise.resolve({ ok: status < 400, status, text: () => Promise.resolve(JSON.stringify(answer.json)) });
  });
  return asked;
}

afterEach(() => vi.unstubAllGlobals());

describe("an action", () => {
  it("is done at once when it concerns nothing else", async () => {
    const asked = daemon({ "/v1/effect": { json: { ends: ["web"], starts: [] } }, "/v1/stop": { json: {} } });
    const acting = new Acting(() => {});
    const done = acting.request(of("stop", ["web"]));
    expect(acting.isBusy(of("stop", ["web"]))).toBe(true);
    await done;
    expect(acting.isBusy(of("stop", ["web"]))).toBe(false);
    expect(asked).toEqual([
      { path: "/v1/effect?action=stop&project=shop&service=web", body: null },
      { path: "/v1/stop", body: { project: "shop", services: ["web"] } },
    ]);
  });

  it("is shown first when others are concerned, and done only when that is confirmed", async () => {
    const effect = { ends: ["web", "db"], starts: [] };
    const asked = daemon({ "/v1/effect": { json: effect }, "/v1/stop": { json: {} } });
    const acting = new Acting(() => {});
    await acting.request(of("stop", ["db"]));
    expect(acting.question).toEqual({ ...of("stop", ["db"]), effect });
    expect(asked.length).toBe(1);
    acting.cancel();
    await acting.confirm();
    expect(asked.length).toBe(1);
    await acting.request(of("stop", ["db"]));
    await acting.confirm();
    expect(asked.at(-1)).toEqual({ path: "/v1/stop", body: { project: "shop", services: ["db"] } });
  });

  it("that the daemon refuses shows its problems and hints", async () => {
    const problems: Problem[] = [{ what: "unknown key", where: "locald.toml:12", hint: "did you mean?" }];
    daemon({ "/v1/effect": { status: 422, json: { problems, exit: 2 } } });
    const told: Problem[][] = [];
    await new Acting((_, found) => told.push(found)).request(of("up", []));
    expect(told).toEqual([problems]);
  });

  it("that nobody answers says so", async () => {
    daemon({});
    await expect(api.why("shop", "web")).rejects.toBeInstanceOf(Refused);
    await expect(api.why("shop", "web")).rejects.toThrow("the daemon does not answer");
  });

  it("passes on the warnings of an up", async () => {
    const warnings: Problem[] = [{ what: "PORT is ignored", where: ".env", hint: "" }];
    daemon({ "/v1/effect": { json: { ends: [], starts: ["a"] } }, "/v1/up": { json: { warnings } } });
    const told: Problem[][] = [];
    await new Acting((_, found) => told.push(found)).request(of("up", []));
    expect(told).toEqual([warnings]);
  });

  it("goes beyond what was named, or does not", () => {
    expect(goesBeyond(of("stop", ["db"]), { ends: ["web", "db"], starts: [] })).toBe(true);
    expect(goesBeyond(of("stop", ["web"]), { ends: ["web"], starts: [] })).toBe(false);
    expect(goesBeyond(of("restart", ["db"]), { ends: ["db"], starts: ["db"] })).toBe(false);
    expect(goesBeyond(of("up", ["web"]), { ends: [], starts: ["db", "web"] })).toBe(true);
    expect(goesBeyond(of("up", []), { ends: [], starts: ["db", "web"] })).toBe(false);
    expect(goesBeyond(of("up", []), { ends: ["db"], starts: ["db"] })).toBe(true);
    expect(goesBeyond(of("down", []), { ends: [], starts: [] })).toBe(true);
  });
});
