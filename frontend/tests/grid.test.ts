import { expect, test } from "vitest";
import { asTabs, gridOf, isNumeric, nextOrder, numberOf, parseCsv, sorted } from "../src/grid";

const GRID = gridOf([["name", "sum"], ["b", "10"], ["a", "9"], ["c", "NaN"], ["d", "-1.5e3"]]);

function column(grid = GRID, order: Parameters<typeof sorted>[1] = null, at = 0): string[] {
  return sorted(grid, order).map((row) => row[at]!.text);
}

test.each([
  ["1,234.5", 1234.5],
  ["\u22122", -2],
  ["12%", 12],
  ["$3", 3],
  [".5", 0.5],
  ["1e-3", 0.001],
  ["-inf", -Infinity],
  ["2024-01-01", null],
  ["", null],
  ["0x10", null],
])("%j is the number %j", (text, value) => {
  expect(numberOf(text)).toBe(value);
});

test("numbers are sorted as numbers, and what is missing comes last either way", () => {
  expect(isNumeric(GRID, 1)).toBe(true);
  expect(column(GRID, { column: 1, down: false }, 1)).toEqual(["-1.5e3", "9", "10", "NaN"]);
  expect(column(GRID, { column: 1, down: true }, 1)).toEqual(["10", "9", "-1.5e3", "NaN"]);
  expect(column(GRID, { column: 0, down: false })).toEqual(["a", "b", "c", "d"]);
});

test("rows that are equal stay in their order", () => {
  const grid = gridOf([["k", "n"], ["x", "1"], ["y", "0"], ["x", "2"], ["x", "3"]]);
  expect(column(grid, { column: 0, down: true }, 1)).toEqual(["0", "1", "2", "3"]);
});

test("a head goes up, down, and back to the order it came in", () => {
  const up = nextOrder(null, 2);
  expect(up).toEqual({ column: 2, down: false });
  expect(nextOrder(up, 2)).toEqual({ column: 2, down: true });
  expect(nextOrder(nextOrder(up, 2), 2)).toBeNull();
  expect(nextOrder(up, 0)).toEqual({ column: 0, down: false });
});

test("a table is copied as fields with tabs between them", () => {
  expect(asTabs(gridOf([["a", "b"], ["1\n2", "3"]]))).toBe("a\tb\n1 2\t3");
});

test.each([
  ["a,b\n1,2\n", [["a", "b"], ["1", "2"]]],
  ['"a,1","say ""yes"""\r\n\r\nx,', [["a,1", 'say "yes"'], [""], ["x", ""]]],
  ['"two\nlines",b', [["two\nlines", "b"]]],
  ['"open', [["open"]]],
  ["", []],
])("%j is read as comma-separated values", (text, lines) => {
  expect(parseCsv(text)).toEqual(lines);
});
