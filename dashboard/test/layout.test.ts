import { describe, expect, it } from "vitest";
import { depth, layout, type Layout, type Size, type Tie } from "../src/facts/layout";
import { growth } from "./effort";

const size: Size = { along: 100, across: 30, gapAlong: 60, gapAcross: 14, perRow: 4, rowsLie: "along" };

function at(drawing: Layout, name: string) {
  const found = drawing.nodes.find((node) => node.name === name);
  if (!found) throw new Error(name);
  return found;
}

function overlaps(drawing: Layout): boolean {
  return drawing.nodes.some((one, i) =>
    drawing.nodes.slice(i + 1).some(
      (other) =>
        Math.abs(one.along - other.along) < size.along - 0.01 && Math.abs(one.across - other.across) < size.across - 0.01,
    ),
  );
}

function mesh(count: number): { names: string[]; ties: Tie[] } {
  let seed = 7;
  const random = () => (seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31;
  const names = Array.from({ length: count }, (_, i) => `s${i}`);
  const ties = names.flatMap((to, i) =>
    Array.from({ length: Math.floor(random() * 4) }, () => ({ from: `s${Math.floor(random() * i)}`, to })),
  );
  return { names, ties: ties.filter((tie) => tie.from !== tie.to) };
}

describe("the graph", () => {
  it("puts each service after all that it needs", () => {
    const { names, ties } = mesh(200);
    const drawing = layout(names, ties, size);
    for (const tie of ties) expect(at(drawing, tie.from).layer).toBeLessThan(at(drawing, tie.to).layer);
  });

  it("places every service once, inside, and none over another", () => {
    for (const count of [1, 2, 10, 50, 200]) {
      const { names, ties } = mesh(count);
      const drawing = layout(names, ties, size);
      expect(drawing.nodes.map((node) => node.name).sort()).toEqual([...names].sort());
      expect(overlaps(drawing)).toBe(false);
      for (const node of drawing.nodes) {
        expect(node.across).toBeGreaterThanOrEqual(-0.01);
        expect(node.along + size.along).toBeLessThanOrEqual(drawing.along + 0.01);
        expect(node.across + size.across).toBeLessThanOrEqual(drawing.across + 0.01);
      }
    }
  });

  it("draws a chain as a straight line", () => {
    const drawing = layout(["a", "b", "c"], [{ from: "a", to: "b" }, { from: "b", to: "c" }], size);
    expect(new Set(drawing.nodes.map((node) => node.across)).size).toBe(1);
    expect(drawing.nodes.map((node) => node.along)).toEqual([0, 160, 320]);
  });

  it("crosses no ties where none need to", () => {
    const drawing = layout(
      ["a", "b", "x", "y"],
      [{ from: "a", to: "y" }, { from: "b", to: "x" }],
      size,
    );
    const order = (one: string, other: string) => Math.sign(at(drawing, one).across - at(drawing, other).across);
    expect(order("a", "b")).toBe(order("y", "x"));
  });

  it("leads a long tie around what lies between", () => {
    const drawing = layout(["a", "b", "c"], [{ from: "a", to: "b" }, { from: "b", to: "c" }, { from: "a", to: "c" }], size);
    const long = drawing.edges.find((edge) => edge.from === "a" && edge.to === "c");
    const between = long?.points.slice(1, -1) ?? [];
    expect(between.length).toBe(2);
    for (const point of between) expect(Math.abs(point.across - (at(drawing, "b").across + 15))).toBeGreaterThan(15);
  });

  it("lays services without ties in rows below", () => {
    const alone = ["a", "b", "c", "d", "e"];
    expect(layout(alone, [], size).nodes.map((node) => [node.along, node.across])).toEqual([
      [0, 0],
      [160, 0],
      [320, 0],
      [480, 0],
      [0, 44],
    ]);
    const down = layout(alone, [], { ...size, rowsLie: "across", perRow: 2 });
    expect(down.nodes.map((node) => [node.along, node.across]).slice(0, 3)).toEqual([
      [0, 0],
      [0, 44],
      [114, 0],
    ]);
  });

  it("ends, whatever it is told: circles, itself, names that are not there", () => {
    const ties = [
      { from: "a", to: "b" },
      { from: "b", to: "a" },
      { from: "a", to: "a" },
      { from: "gone", to: "a" },
    ];
    expect(layout(["a", "b"], ties, size).nodes.length).toBe(2);
    expect(layout([], [], size)).toMatchObject({ nodes: [], edges: [], along: 0, across: 0 });
  });

  it("knows how many layers there will be", () => {
    const ties = [{ from: "a", to: "b" }, { from: "b", to: "c" }, { from: "a", to: "c" }];
    expect(depth(["a", "b", "c", "d"], ties)).toBe(3);
    expect(depth(["a", "b"], [])).toBe(0);
  });

  it("grows with what there is to draw, not with its cube", () => {
    const work = ({ names, ties }: ReturnType<typeof mesh>) => layout(names, ties, size);
    expect(growth(mesh, work, 50, 4)).toBeLessThan(40);
  });
});
