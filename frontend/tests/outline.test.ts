import { describe, expect, test } from "vitest";
import { openNotebook } from "../src/notebook";
import { headings, outlineOf } from "../src/outline";
import { overviewOf } from "../src/overview";
import type { AccountName, Run } from "../src/protocol";
import { cell, run, snapshot } from "./feed";

const ME = "ana" as AccountName;
const text = (id: string, source: string) => ({ ...cell(id, source), type: "markdown" as const });

describe("headings", () => {
  test("are lines that begin with one to six signs and a space", () => {
    expect(headings("# One\ntext # no\n###### Six ##\n#none\n   ## `Two` *now*")).toEqual([[1, "One"], [6, "Six"], [2, "Two now"]]);
  });

  test("do not stand in fenced code", () => {
    expect(headings("```python\n# comment\n~~~\n# comment\n```\n# After")).toEqual([[1, "After"]]);
  });
});

test("cells stand below their heading, each with its state", () => {
  const runs = [run("r1", "b", { state: "ok" }), run("r2", "c", { state: "error" })];
  const notebook = openNotebook(ME, snapshot({ cells: [text("a", "# Data\n\n## Load"), cell("b", "\nread()"), cell("c", "1 / 0"), cell("d")], runs }));
  expect(outlineOf(notebook).lines.map(({ place, level, text, kind }) => [place, level, text, kind])).toEqual([
    [1, 1, "Data", null],
    [1, 2, "Load", null],
    [2, 3, "read()", "done"],
    [3, 3, "1 / 0", "failed"],
    [4, 3, "", "never"],
  ]);
  expect(outlineOf({ ...notebook })).toBe(outlineOf(notebook));
});

test("of very many cells those that run or failed are told, and all headings", () => {
  const cells = [text("h", "# Top"), ...Array.from({ length: 1000 }, (_, n) => cell(`c${n}`, String(n)))];
  const notebook = openNotebook(ME, snapshot({ cells, runs: [run("r", "c500", { state: "error" })] }));
  const { lines, omitted } = outlineOf(notebook);
  expect(lines.map(({ text }) => text)).toEqual(["Top", "500"]);
  expect(omitted).toBe(999);
});

test("a run of many tells at which cell it stopped", () => {
  const runs = [run("s.0", "a", { state: "ok" }), run("s.1", "b", { state: "error" }), run("s.2", "c", { state: "cancelled" }), run("s.3", "d", { state: "cancelled" })];
  const stopped = (...runs: readonly Run[]) => overviewOf(openNotebook(ME, snapshot({ cells: ["a", "b", "c", "d"].map((id) => cell(id)), runs }))).stopped;
  expect(stopped(...runs)).toEqual({ cell: "b", left: 2 });
  // One that was cancelled by hand stopped nothing, and what was run again stops nothing any more.
  expect(stopped(runs[1]!, run("alone", "c", { state: "cancelled" }))).toBeNull();
  expect(stopped(runs[0]!, run("again", "b", { state: "ok" }), runs[2]!, runs[3]!)).toBeNull();
});
