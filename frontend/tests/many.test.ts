/** Many cells at once: steps and what undoes them, selection, folding, the clipboard. */

import { describe, expect, test } from "vitest";
import { clipsOfText, decodeClips, encodeClips, mergedMetadata, plainText } from "../src/clips";
import { foldKey, foldPatch, isFolded, sectionEnd, sectionsOf, unfolded } from "../src/folding";
import { openNotebook } from "../src/notebook";
import type { AccountName, Cell, CellId, Step } from "../src/protocol";
import { extended, neighbour, selectedCells, spokenTo, toggled } from "../src/selection";
import { parts } from "../src/shaping";
import { START, type State } from "../src/state";
import { besides, fitting, inverse, movesTo, patched, takenBack } from "../src/steps";
import { cell, snapshot } from "./feed";

const id = (name: string) => name as CellId;
const cells: readonly Cell[] = ["a", "b", "c", "d", "e"].map((name) => cell(name, name));
const text = (name: string, source: string) => ({ ...cell(name, source), type: "markdown" as const });

/** What the server does with the steps, as far as order, type and metadata go. A bin remembers what stood before. */
function done(before: readonly Cell[], steps: readonly Step[], bin = new Map<CellId, [Cell, CellId | null]>()): readonly Cell[] {
  return steps.reduce((now, step) => {
    const at = now.findIndex((one) => one.id === step.cell);
    const others = now.filter((one) => one.id !== step.cell);
    const put = (one: Cell, after: CellId | null) => others.toSpliced(after === null ? 0 : others.findIndex((other) => other.id === after) + 1, 0, one);
    switch (step.do) {
      case "create":
        return put({ ...cell(step.cell), type: step.type, source: step.source, metadata: step.metadata }, step.after);
      case "delete":
        bin.set(step.cell, [now[at]!, now[at - 1]?.id ?? null]);
        return others;
      case "restore":
        return put(...bin.get(step.cell)!);
      case "move":
        return put(now[at]!, step.after);
      case "convert":
        return now.with(at, { ...now[at]!, type: step.type });
      case "annotate":
        return now.with(at, { ...now[at]!, metadata: patched(now[at]!.metadata, step.patch) });
    }
  }, before);
}

const order = (now: readonly Cell[]) => now.map(({ id }) => id).join("");

describe("steps", () => {
  test.each<[string, readonly Step[]]>([
    ["deleting neighbours", ["b", "c", "e"].map((name) => ({ do: "delete", cell: id(name) }))],
    ["moving a block to the top", movesTo(cells, [id("c"), id("d")], null)],
    ["moving what is scattered", movesTo(cells, [id("a"), id("e")], id("c"))],
    ["pasting and converting", [{ do: "create", cell: id("x"), after: id("b"), type: "code", source: "1", metadata: {} }, { do: "convert", cell: id("a"), type: "markdown" }]],
    ["hiding twice", [{ do: "annotate", cell: id("a"), patch: foldPatch("code", true) }, { do: "annotate", cell: id("a"), patch: foldPatch("outputs", true) }]],
  ])("%s is undone, and done again", (_name, steps) => {
    const bin = new Map();
    const after = done(cells, steps, bin);
    expect(after).not.toEqual(cells);
    const back = inverse(cells, steps);
    const before = done(after, back, bin);
    expect(before.map(({ id, type }) => [id, type])).toEqual(cells.map(({ id, type }) => [id, type]));
    expect(order(done(before, inverse(after, back), bin))).toBe(order(after));
  });

  test("bring cells in their order behind another one, and none that stand there", () => {
    expect(order(done(cells, movesTo(cells, [id("a"), id("c")], id("d"))))).toBe("bdace");
    expect(movesTo(cells, [id("b"), id("c")], id("a"))).toEqual([]);
    expect(movesTo(cells, [id("b"), id("c")], null)).toHaveLength(2);
  });

  test("move a block by one place, up to the ends", () => {
    expect(besides(cells, [id("b"), id("c")], 1)).toBe("d");
    expect(besides(cells, [id("b"), id("c")], -1)).toBe(null);
    expect(besides(cells, [id("c")], -1)).toBe("a");
    expect(besides(cells, [id("a")], -1)).toBe(undefined);
    expect(besides(cells, [id("e")], 1)).toBe(undefined);
  });

  test("fit what others left: who is gone is left alone, and what stood behind them goes to the end", () => {
    const left = cells.filter(({ id }) => id !== "b");
    const steps: readonly Step[] = [{ do: "move", cell: id("b"), after: null }, { do: "move", cell: id("a"), after: id("b") }, { do: "restore", cell: id("b") }, { do: "move", cell: id("c"), after: id("b") }];
    expect(fitting(left, steps)).toEqual([{ do: "move", cell: "a", after: "e" }, { do: "restore", cell: "b" }, { do: "move", cell: "c", after: "b" }]);
  });

  test("take back what was written, and leave what others wrote since", () => {
    expect(takenBack("new\nx", "new\nx", "old\nx")).toBe("old\nx");
    expect(takenBack("new\nx = theirs", "new\nx", "old\nx")).toBe("old\nx = theirs");
  });
});

describe("a selection", () => {
  const notebook = openNotebook("ana" as AccountName, snapshot({ cells: [text("h", "# One"), cell("a"), cell("b"), text("i", "# Two"), cell("c")] }));
  const at = (current: string): State => ({ ...START, notebook, current: id(current) });
  const names = (state: Parameters<typeof selectedCells>[0]) => selectedCells(state).map(({ id }) => id);

  test("grows and shrinks from where it began", () => {
    let state = at("a");
    expect(names(state)).toEqual(["a"]);
    state = { ...state, ...extended(state, id("i")) };
    expect(names(state)).toEqual(["a", "b", "i"]);
    state = { ...state, ...extended(state, id("b")) };
    expect(names(state)).toEqual(["a", "b"]);
    state = { ...state, ...extended(state, id("h")) };
    expect(names(state)).toEqual(["h", "a"]);
    state = { ...state, ...extended(state, id("a")) };
    expect(state.selected.size).toBe(0);
  });

  test("takes single cells in and out, and keeps the last", () => {
    let state = at("a");
    state = { ...state, ...toggled(state, id("c")) };
    expect(names(state)).toEqual(["a", "c"]);
    state = { ...state, ...toggled(state, id("c")) };
    expect([names(state), state.current, state.selected.size]).toEqual([["a"], "a", 0]);
    expect({ ...state, ...toggled(state, id("a")) }.current).toBe("a");
  });

  test("speaks of what a folded heading hides, and steps over it", () => {
    const state = { ...at("h"), folds: new Map([[foldKey(id("h"), "section"), true]]) };
    expect(spokenTo(state).map(({ id }) => id)).toEqual(["h", "a", "b"]);
    expect(neighbour(state, 1)).toBe("i");
    expect(neighbour({ ...state, current: id("b") }, 1)).toBe("i");
    expect(neighbour(at("h"), 1)).toBe("a");
  });
});

describe("folding", () => {
  test("reads Jupyter's words, and writes them", () => {
    const hidden = { ...cell("a"), metadata: { jupyter: { source_hidden: true }, collapsed: true } };
    const none = new Map();
    expect([isFolded(hidden, "code", none), isFolded(hidden, "outputs", none), isFolded(cell("a"), "code", none)]).toEqual([true, true, false]);
    expect(isFolded(hidden, "code", new Map([[foldKey(id("a"), "code"), false]]))).toBe(false);
    expect(patched({ tags: ["x"] }, foldPatch("outputs", true))).toEqual({ tags: ["x"], collapsed: true, jupyter: { outputs_hidden: true } });
    expect(patched(hidden.metadata, foldPatch("outputs", false))).toEqual({ jupyter: { source_hidden: true } });
  });

  test("of a section ends at the next heading that is as high", () => {
    const sheet = [text("a", "# A"), text("b", "## B"), cell("c"), text("d", "words"), text("e", "# E"), cell("f")];
    expect([0, 1, 2, 4].map((at) => sectionEnd(sheet, at))).toEqual([4, 4, 3, 6]);
    const folds = new Map([[foldKey(id("b"), "section"), true], [foldKey(id("e"), "section"), true]]);
    const { seen, under, counts } = sectionsOf(sheet, folds);
    expect(order(seen)).toBe("abe");
    expect(under.get(id("d"))).toBe("b");
    expect(Object.fromEntries(counts)).toEqual({ b: 2, e: 1 });
    const all = new Map([...folds, [foldKey(id("a"), "section"), true]]);
    expect(order(sectionsOf(sheet, all).seen)).toBe("ae");
    expect(order(sectionsOf(sheet, unfolded(sheet, all, id("d"), [])).seen)).toBe("abcde");
    expect(unfolded(sheet, all, id("e"), ["code"])).toBe(all);
  });
});

describe("the clipboard", () => {
  const clips = [{ type: "code" as const, source: "1\n", metadata: { tags: ["x"] } }, { type: "markdown" as const, source: "# T", metadata: {} }];

  test("carries cells as they are, and as plain text", () => {
    expect(decodeClips(encodeClips(clips))).toEqual(clips);
    expect(plainText(clips)).toBe("1\n\n# T");
    expect(clipsOfText("\r\n  x = 1\r\n")).toEqual([{ type: "code", source: "  x = 1", metadata: {} }]);
    expect(clipsOfText(" \n ")).toBe(null);
  });

  test.each(["", "{", "null", '{"antiphon":1}', '{"antiphon":2,"cells":[]}', '{"antiphon":1,"cells":[{"type":"raw","source":""}]}', '{"antiphon":1,"cells":[{"type":"code","source":5}]}', '{"antiphon":1,"cells":[null]}'])("takes %j for something else", (text) => {
    expect(decodeClips(text)).toBe(null);
  });

  test("a merge keeps the tags and attachments of all, and the first word in the rest", () => {
    expect(mergedMetadata([{ tags: ["a"], name: "one" }, { tags: ["a", "b"], name: "two", attachments: { p: 1 } }, { attachments: { q: 2 } }])).toEqual({ tags: ["a", "b"], name: "one", attachments: { p: 1, q: 2 } });
  });

  test("a split cuts at the cursor, or around what is selected", () => {
    expect(parts("one\ntwo", 4, 4)).toEqual(["one", "two"]);
    expect(parts("one\ntwo\nthree", 7, 4)).toEqual(["one", "two", "three"]);
    expect(parts("one", 0, 0)).toEqual(["", "one"]);
    expect(parts("one", 0, 3)).toEqual(["one"]);
  });
});
