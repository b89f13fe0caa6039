import { expect, test } from "vitest";
import type { AccountName, ListedWorksheet, WorksheetId } from "../src/protocol";
import { arrange, HOME, LINES, lossOf } from "../src/worksheets";

const ME = "ana" as AccountName;
const NOW = new Date(2026, 10, 21, 12).getTime();
const HOUR = 3_600_000;

function listed(title: string, more: Partial<ListedWorksheet> = {}): ListedWorksheet {
  const changed = new Date(NOW - HOUR).toISOString();
  return { id: title as WorksheetId, title, owner: ME, role: "own", created: changed, changed, session: null, state: null, cells: 1, members: 1, found: "", ...more };
}

function ago(hours: number): Partial<ListedWorksheet> {
  return { changed: new Date(NOW - hours * HOUR).toISOString() };
}

function titles(worksheets: readonly ListedWorksheet[], view: Partial<typeof HOME>): readonly string[] {
  return arrange(worksheets, { ...HOME, ...view }, ME, NOW).sections.flatMap(({ worksheets }) => worksheets.map(({ title }) => title));
}

test("the newest stand first, under the time of their change", () => {
  const all = [listed("old", ago(24 * 400)), listed("now", ago(1)), listed("week", ago(24 * 4)), listed("night", ago(20)), listed("month", ago(24 * 20))];
  const { sections } = arrange(all, HOME, ME, NOW);
  expect(sections.map(({ head, worksheets }) => [head, worksheets.map(({ title }) => title)])).toEqual([
    ["Today", ["now"]],
    ["Yesterday", ["night"]],
    ["In the last seven days", ["week"]],
    ["In the last month", ["month"]],
    ["Before", ["old"]],
  ]);
});

test("a time that the server's clock puts into the future is today", () => {
  expect(arrange([listed("next", ago(-1))], HOME, ME, NOW).sections[0]?.head).toBe("Today");
});

test("groups are counted after the search", () => {
  const all = [listed("rain"), listed("rain too", { owner: "ben" as AccountName, state: "busy" }), listed("sun", { state: "idle" })];
  const { counts } = arrange(all, { ...HOME, query: "rain" }, ME, NOW);
  expect(counts).toEqual({ all: 2, yours: 1, shared: 1, running: 1 });
  expect(titles(all, { group: "running" })).toEqual(["rain too"]);
  expect(titles(all, { group: "yours" })).toEqual(["rain", "sun"]);
});

test("every word counts, in title or owner, whatever the case and the accents", () => {
  const all = [listed("Été à Rennes", { owner: "benoît" as AccountName }), listed("Rennes")];
  expect(titles(all, { query: "ETE rennes" })).toEqual(["Été à Rennes"]);
  expect(titles(all, { query: "benoit" })).toEqual(["Été à Rennes"]);
  expect(titles(all, { query: "  " })).toHaveLength(2);
});

test("what the server found in cells is found", () => {
  expect(titles([listed("a"), listed("b")], { query: "load", found: new Map([["b" as WorksheetId, "load()"]]) })).toEqual(["b"]);
});

test("titles are sorted as people count", () => {
  expect(titles([listed("Part 10"), listed("part 2"), listed("Alpha")], { order: "title" })).toEqual(["Alpha", "part 2", "Part 10"]);
});

test("no more lines are drawn than are looked at", () => {
  const all = Array.from({ length: 1000 }, (_, n) => listed(`${n}`));
  const arranged = arrange(all, HOME, ME, NOW);
  expect(arranged.total).toBe(1000);
  expect(arranged.sections.flatMap(({ worksheets }) => worksheets)).toHaveLength(LINES);
});

test("what is lost is said", () => {
  expect(lossOf(listed("a"))).toBe("Its cell goes with all outputs and their whole history. This cannot be undone: to keep it, export it first.");
  expect(lossOf(listed("a", { cells: 12, members: 3, state: "busy" }))).toBe(
    "Its 12 cells go with all outputs and their whole history; what runs in its session stops. 2 others have it too and will have it no more. This cannot be undone: to keep it, export it first.",
  );
});
