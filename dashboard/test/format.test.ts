import { describe, expect, it } from "vitest";
import { ago, age, bytes, cpu, length, list, moment, plural } from "../src/facts/format";
import { href, outward, parse, toService, type Route } from "../src/facts/route";
import { headline } from "../src/state/headline";
import { row } from "./rows";

describe("format", () => {
  it.each([
    [0, "0 ms"],
    [84.4, "84 ms"],
    [999.6, "1.0 s"],
    [2_140, "2.1 s"],
    [9_960, "10 s"],
    [185_000, "3 min 5 s"],
    [180_000, "3 min"],
    [7_620_000, "2 h 7 min"],
    [356_400_000, "4 d 3 h"],
    [-5, "0 ms"],
  ])("shows %d ms as %s", (ms, text) => expect(length(ms)).toBe(text));

  it("counts whole seconds for what counts on", () => {
    expect(age(1_999)).toBe("1 s");
    expect(ago(300)).toBe("just now");
    expect(ago(61_000)).toBe("1 min 1 s ago");
  });

  it.each([
    [0, "0 B"],
    [999, "999 B"],
    [1_000, "1.0 kB"],
    [4_249_000, "4.2 MB"],
    [310_400_000, "310 MB"],
    [999_600_000, "1.0 GB"],
  ])("shows %d bytes as %s", (count, text) => expect(bytes(count)).toBe(text));

  it.each([
    [0, "0 %"],
    [0.004, "0.4 %"],
    [0.12, "12 %"],
    [2.5, "250 %"],
  ])("shows %d cores as %s", (cores, text) => expect(cpu(cores)).toBe(text));

  it("joins names and counts things", () => {
    expect([list([]), list(["a"]), list(["a", "b", "c"])]).toEqual(["", "a", "a, b and c"]);
    expect([plural(1, "line"), plural(12_345, "line"), plural(2, "match", "matches")]).toEqual([
      "1 line",
      "12,345 lines",
      "2 matches",
    ]);
  });

  it("takes no time for none", () => {
    expect([moment(null), moment("nonsense"), moment("1970-01-01T00:00:01Z")]).toEqual([null, null, 1000]);
  });
});

describe("routes", () => {
  const routes: Route[] = [
    { at: "all" },
    { at: "logs" },
    { at: "project", project: "shop", view: "graph" },
    { at: "service", project: "a b/c", service: "wéb", view: "environment" },
  ];
  it.each(routes)("come back from their address: %o", (route) => expect(parse(href(route))).toEqual(route));

  it("fall back to the first view, and to all projects", () => {
    expect(parse("#/project/shop")).toEqual({ at: "project", project: "shop", view: "services" });
    expect(parse("#/service/shop/web/nonsense")).toMatchObject({ view: "why" });
    expect(parse("#/service/shop")).toEqual({ at: "all" });
    expect(parse("#/%E0%A4%A")).toEqual({ at: "all" });
  });

  it("lead outward step by step", () => {
    expect(outward(parse(toService("shop", "web")))).toEqual({ at: "project", project: "shop", view: "services" });
    expect(outward({ at: "project", project: "shop", view: "logs" })).toEqual({ at: "all" });
  });
});

describe("the title of the tab", () => {
  it("tells what is down, and news until the reader looks", () => {
    const failed = row("a", { state: "failed", health: "unknown" });
    expect(headline([row("b"), failed], null, "shop", false)).toEqual({ title: "✕ 1 failed · shop", icon: "bad" });
    const news = { tone: "good" as const, text: "is up", project: "shop", service: null, because: "" };
    expect(headline([row("b")], news, "shop", false)).toEqual({ title: "✓ shop is up · locald", icon: "good" });
  });

  it("claims nothing about services when the daemon is gone", () => {
    expect(headline([row("b")], null, "shop", true).icon).toBe("quiet");
  });
});
