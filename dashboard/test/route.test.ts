import { describe, expect, it } from "vitest";
import { href, outward, parse, toRun } from "../src/facts/route";

describe("the lines of one run", () => {
  it("have an address", () => {
    expect(toRun("shop@feat", "web", 3)).toBe("#/service/shop%40feat/web/logs/3");
    const route = parse("#/service/shop%40feat/web/logs/3");
    expect(route).toEqual({ at: "service", project: "shop@feat", service: "web", view: "logs", run: 3 });
    expect(href(route)).toBe("#/service/shop%40feat/web/logs/3");
    expect(outward(route)).toEqual({ at: "project", project: "shop@feat", view: "services" });
  });

  it.each(["0", "x", "-1", "1e3", "12345678901"])("are those of a number, not of %s", (word) => {
    expect(parse(`#/service/shop/web/logs/${word}`)).toEqual({ at: "service", project: "shop", service: "web", view: "logs" });
  });

  it("are looked at in the logs only", () => {
    expect(parse("#/service/shop/web/why/3")).toEqual({ at: "service", project: "shop", service: "web", view: "why" });
  });
});
