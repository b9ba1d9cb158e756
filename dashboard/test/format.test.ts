import { describe, expect, it } from "vitest";
import vectors from "../../tests/amounts.json";
import { ago, bytes, cpu, length, list, moment, plural } from "../src/facts/format";
import { href, outward, parse, toService, type Route } from "../src/facts/route";
import { headline } from "../src/state/headline";
import { row } from "./rows";

/** An amount, and how every face shows it. */
type Vector = [number, string];

describe("format", () => {
  it.each(vectors.length as Vector[])("shows %d seconds as %s", (seconds, text) =>
    expect(length(seconds * 1000)).toBe(text),
  );
  it.each(vectors.size as Vector[])("shows %d bytes as %s", (count, text) => expect(bytes(count)).toBe(text));
  it.each(vectors.percent as Vector[])("shows %d cores as %s", (cores, text) => expect(cpu(cores)).toBe(text));

  it("says how long ago something was", () => {
    expect([ago(300), ago(61_000)]).toEqual(["just now", "1m01s ago"]);
  });

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
    expect(headline([row("b"), failed], null, "shop", false)).toEqual({ title: "✗ 1 failed · shop", icon: "bad" });
    const news = { tone: "good" as const, text: "is running", project: "shop", service: null, because: "" };
    expect(headline([row("b")], news, "shop", false)).toEqual({ title: "✓ shop is running · locald", icon: "good" });
  });

  it("claims nothing about services when the daemon is gone", () => {
    expect(headline([row("b")], null, "shop", true).icon).toBe("quiet");
  });
});
