import { describe, expect, test } from "vitest";
import { expressionOf, findIn, hitAt, hitBeside, MOST_HITS, type Query, rangesIn, replacedIn } from "../src/finding";
import { placesOf } from "../src/folding";
import { apply, openNotebook } from "../src/notebook";
import type { AccountName, CellId, SessionUid } from "../src/protocol";
import { cell, run, runOf, snapshot } from "./feed";

const PLAIN: Query = { text: "", exact: false, words: false, pattern: false, outputs: false };
const a = "a" as CellId;

function expression(text: string, more: Partial<Query> = {}): RegExp {
  const found = expressionOf({ ...PLAIN, text, ...more });
  if (!(found instanceof RegExp)) throw new Error(JSON.stringify(found));
  return found;
}

describe("an expression", () => {
  test.each<[string, Partial<Query>, string, number]>([
    ["x.y", {}, "x.y xzy X.Y", 2],
    ["x.y", { exact: true }, "x.y xzy X.Y", 1],
    ["x.y", { pattern: true }, "x.y xzy X.Y", 3],
    ["data", { words: true }, "data data_2 my_data (data) Übdata", 2],
    ["e", { words: true }, "é e eé", 1],
    ["^import", { pattern: true }, "import a\n  import b\nimport c", 2],
    ["a-b\\-c", { pattern: true }, "a-b-c", 1],
    ["x*", { pattern: true }, "xx y x", 2],
    ["[", {}, "a[0][1]", 2],
  ])("%j %j in %j is found %i times", (text, more, where, times) => {
    expect(rangesIn(where, expression(text, more))).toHaveLength(times);
  });

  test("that is none says why, and an empty one is none", () => {
    expect(expressionOf({ ...PLAIN, text: "(", pattern: true })).toEqual({ fault: expect.stringMatching(/^This is no regular expression: .*group/) });
    expect(expressionOf(PLAIN)).toBe(null);
  });
});

describe("finding", () => {
  const sheet = snapshot({ cells: [cell("a", "one = 1\nprint(one)"), cell("b", "two")], runs: [run("r", "a", { state: "ok" })] });
  const notebook = apply(openNotebook("ana" as AccountName, sheet), { type: "publications", session: "s" as SessionUid, publications: runOf(1, "r", "", ["\x1b[1mo\x1b[0mne\n"]), latest: 0, gone: null });

  test("goes through all cells, and their outputs if one wants", () => {
    expect(findIn(notebook, expression("o"), false).hits.map(({ cell, from }) => [cell, from])).toEqual([["a", 0], ["a", 14], ["b", 2]]);
    const hits = findIn(notebook, expression("one"), true).hits;
    expect(hits.map(({ cell, where, from, to }) => [cell, where, from, to])).toEqual([["a", "source", 0, 3], ["a", "source", 14, 17], ["a", "outputs", 0, 3]]);
  });

  test("stops where nobody follows", () => {
    const long = openNotebook("ana" as AccountName, snapshot({ cells: [cell("a", "x".repeat(MOST_HITS + 5))] }));
    expect(findIn(long, expression("x"), false)).toMatchObject({ more: true, hits: { length: MOST_HITS } });
  });

  test("stands at a place, whatever others write before it, and goes round the end", () => {
    const { hits } = findIn(notebook, expression("o"), false);
    const places = placesOf(notebook.cells);
    expect(hitAt(hits, { cell: a, where: "source", from: 1 }, places)).toBe(1);
    expect(hitAt(hits, { cell: a, where: "outputs", from: 0 }, places)).toBe(2);
    expect(hitAt(hits, { cell: "b" as CellId, where: "outputs", from: 0 }, places)).toBe(0);
    expect(hitAt(hits, null, places)).toBe(0);
    expect(hitAt([], null, places)).toBe(-1);
    expect(hitBeside(hits, 2, 1)).toBe(hits[0]);
    expect(hitBeside(hits, 0, -1)).toBe(hits[2]);
  });
});

describe("replacing", () => {
  test.each<[string, string, Partial<Query>, string, string]>([
    ["x", "y", {}, "x + x", "y + y"],
    ["x", "$1", {}, "x", "$1"],
    ["(\\w+)=(\\w+)", "$2=$1$$ $&$3\\n", { pattern: true }, "a=b", "b=a$ a=b$3\n"],
    ["(?<n>\\d+)", "<$<n>>", { pattern: true }, "7 8", "<7> <8>"],
    ["(?<=a)b", "c", { pattern: true }, "ab b", "ac b"],
    ["a", "aa", {}, "aaa", "aaaaaa"],
  ])("%j by %j %j", (text, by, more, before, after) => {
    expect(replacedIn(before, expression(text, more), by, more.pattern === true).text).toBe(after);
  });

  test("one alone, and says where what was written ends", () => {
    expect(replacedIn("x x x", expression("x"), "long", false, 2)).toEqual({ text: "x long x", count: 1, end: 6 });
    expect(replacedIn("x x x", expression("x"), "y", false)).toMatchObject({ count: 3 });
    expect(replacedIn("x", expression("x"), "y", false, 5)).toMatchObject({ text: "x", count: 0 });
  });
});
