import { describe, expect, it } from "vitest";
import { plain, spans } from "../src/logs/ansi";
import { contrast, legible } from "../src/logs/legible";
import { drawn } from "../src/logs/pieces";
import { MatchCount, matches, search } from "../src/logs/search";
import { growth } from "./effort";

const E = "\u001b";

describe("a line as a terminal would colour it", () => {
  it("is one span when it has no escapes", () => {
    expect(spans("plain <b>text</b>")).toEqual([{ text: "plain <b>text</b>", style: null }]);
    expect(spans("")).toEqual([]);
  });

  it("knows 16, 256 and true colours, in both spellings", () => {
    const told = spans(`${E}[31ma${E}[92mb${E}[38;5;208mc${E}[38;2;1;2;3md${E}[48:2::4:5:6me${E}[39;49mf`);
    expect(told.map((span) => span.style)).toEqual([
      { ink: 1 },
      { ink: 10 },
      { ink: [255, 135, 0] },
      { ink: [1, 2, 3] },
      { ink: [1, 2, 3], paper: [4, 5, 6] },
      null,
    ]);
  });

  it("knows the cube, the greys and the palette of the 256", () => {
    const ink = (n: number) => spans(`${E}[38;5;${n}mx`)[0]?.style?.ink;
    expect([ink(9), ink(16), ink(231), ink(232), ink(255)]).toEqual([9, [0, 0, 0], [255, 255, 255], [8, 8, 8], [238, 238, 238]]);
  });

  it("adds up styles, takes them away one by one, and all at once", () => {
    const told = spans(`${E}[1;4ma${E}[22mb${E}[3;9;7mc${E}[md`);
    expect(told.map((span) => span.style)).toEqual([
      { bold: true, underline: true },
      { underline: true },
      { underline: true, italic: true, strike: true, inverse: true },
      null,
    ]);
  });

  it("survives parameters that are cut short or out of range", () => {
    expect(plain(`${E}[38;2;300mx${E}[38;5my${E}[99999mz${E}[38`)).toBe("xyz");
    expect(spans(`${E}[38;2;300;0;0mx`)[0]?.style).toEqual({ ink: [255, 0, 0] });
  });

  it("leaves out every other sequence: titles, links, moves, screens", () => {
    const line = `a${E}]0;title\u0007b${E}]8;;http://x${E}\\link${E}]8;;${E}\\${E}[2Jc${E}[?25ld${E}(Be${E}Pq#${E}\\f`;
    expect(plain(line)).toBe("ablinkcdef");
    expect(spans(line).map((span) => span.text).join("")).toBe("ablinkcdef");
  });

  it("shows the last of what overwrote itself, across colours", () => {
    expect(plain("10%\r50%\r100%\r")).toBe("100%");
    const told = spans(`${E}[31m10%\r${E}[32m100${E}[0m%\r\r`);
    expect(told.map((span) => [span.text, span.style])).toEqual([["100", { ink: 2 }], ["%", null]]);
  });

  it("shows other control characters, and forced directions, as pictures", () => {
    expect(plain("a\u0007b\u0000c\u007fd\u202ee\u0085")).toBe("a\u2407b\u2400c\u2421d\ufffde\ufffd");
    expect(plain("tab\tstays")).toBe("tab\tstays");
  });

  it("takes ten times as long for ten times as many escapes, and not a hundred times", () => {
    const colours = (count: number) => `${E}[31m`.repeat(count);
    expect(spans(colours(200_000))).toEqual([]);
    expect(growth(colours, spans, 5_000, 10)).toBeLessThan(40);
    expect(growth((count) => `${E}]`.repeat(count), plain, 5_000, 10)).toBeLessThan(40);
  });
});

describe("true colours on the paper of a theme", () => {
  it("become legible, and stay what they are when they were", () => {
    expect(contrast(legible([255, 255, 0], [255, 255, 255]), [255, 255, 255])).toBeGreaterThanOrEqual(4.5);
    expect(contrast(legible([0, 0, 90], [26, 28, 32]), [26, 28, 32])).toBeGreaterThanOrEqual(4.5);
    expect(legible([0, 0, 0], [255, 255, 255])).toEqual([0, 0, 0]);
  });
});

describe("a search", () => {
  it("takes words as they are, without regard to case unless a capital is typed", () => {
    expect(search("a.b").pattern?.test("A.B")).toBe(true);
    expect(search("a.b").pattern?.test("axb")).toBe(false);
    expect(search("A.b").pattern?.test("a.b")).toBe(false);
  });

  it("takes an expression between slashes, and says what is wrong with it", () => {
    expect(search("/\\d{3}/").pattern?.test("in 200 ms")).toBe(true);
    expect(search("/(/").fault).toBeTruthy();
    expect(search("").pattern).toBeNull();
  });

  it("finds no empty matches, and ends", () => {
    expect(matches("aaa", /x*/)).toEqual([]);
    expect(matches("abab", /b/)).toEqual([[1, 2], [3, 4]]);
  });
});

describe("the count of matches", () => {
  it("looks at each line once as a list grows, and again for another list or search", () => {
    const looked: string[] = [];
    const counter = new MatchCount<string>((line) => (looked.push(line), line));
    const list = ["a", "b"];
    const pattern = /a/;
    expect(counter.update(list, pattern)).toBe(1);
    list.push("aa");
    expect(counter.update(list, pattern)).toBe(2);
    expect(looked).toEqual(["a", "b", "aa"]);
    expect(counter.update(list, /b/)).toBe(1);
    expect(counter.update(["b", "b"], /b/)).toBe(2);
    expect(counter.update(list, null)).toBe(0);
  });
});

describe("a line ready to be drawn", () => {
  it("is cut at matches, also across colours", () => {
    const { pieces } = drawn(`he${E}[31mllo wor${E}[0mld`, /lo world/);
    expect(pieces.map((piece) => [piece.text, piece.marked])).toEqual([
      ["he", false],
      ["l", false],
      ["lo wor", true],
      ["ld", true],
    ]);
  });

  it("is cut when it is too long, and says so", () => {
    const { pieces, cut } = drawn("x".repeat(1_000_000), null);
    expect(cut).toBe(true);
    expect(pieces.map((piece) => piece.text.length)).toEqual([2_000]);
    expect(drawn("short", null).cut).toBe(false);
  });
});
