import { expect, test } from "vitest";
import { matchesOf, rowAt, rowsOf } from "../src/lines";

function cut(text: string, columns: number): string[] {
  return rowsOf(text, columns).map(({ from, to }) => text.slice(from, to));
}

test.each([
  ["", 5, [""]],
  ["one\ntwo", 5, ["one", "two"]],
  ["one\n\ntwo\n", 5, ["one", "", "two"]],
  ["abcdefgh", 3, ["abc", "def", "gh"]],
  ["abc", 3, ["abc"]],
  ["a\tb", 8, ["a\t", "b"]],
  ["ab\u{1f600}c", 3, ["ab", "\u{1f600}c"]],
])("%j in %i columns", (text, columns, rows) => {
  expect(cut(text, columns)).toEqual(rows);
});

test("nothing is lost, whatever the width", () => {
  const text = "first\n\tsecond line\n\nlast without an end \u{1f600}\u{1f600}".repeat(20);
  for (const columns of [1, 2, 7, 20, 500]) {
    let at = 0;
    for (const { from, to } of rowsOf(text, columns)) {
      expect(text.slice(at, from)).toMatch(/^\n?$/);
      at = to;
    }
    expect(at).toBe(text.length);
  }
});

test("an offset is found in its row", () => {
  const rows = rowsOf("abcdef\ngh", 3);
  expect([0, 2, 3, 6, 7, 9].map((offset) => rowAt(rows, offset))).toEqual([0, 0, 1, 1, 2, 2]);
});

test("places are found without regard to case, and signs mean themselves", () => {
  expect(matchesOf("Error: an ERROR (error)", "error")).toEqual([0, 10, 17]);
  expect(matchesOf("a.b a+b", "a.b")).toEqual([0]);
  expect(matchesOf("aaaa", "aa")).toEqual([0, 2]);
  expect(matchesOf("a", "")).toEqual([]);
});
