import { expect, test } from "vitest";
import { named } from "../src/facts/named";

test("a project of which there are several folders is named with its label, wherever it stands", () => {
  const text = '{"services":[{"project":"shop","instance":"feat","name":"web"}],"project":"shop","instance":null}';
  expect(JSON.parse(text, named)).toEqual({
    services: [{ project: "shop@feat", instance: "feat", name: "web" }],
    project: "shop",
    instance: null,
  });
});

test("what is no row is left as it is", () => {
  expect(JSON.parse('{"instance":"x","project":7,"list":[1,null,"a"]}', named)).toEqual({
    instance: "x",
    project: 7,
    list: [1, null, "a"],
  });
});
