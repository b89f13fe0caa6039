import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { strokeOf } from "../src/views/commands/keys";
import { search } from "../src/views/commands/search";
import { COMMANDS } from "../src/views/commands/table";

const names = (query: string) => search(query, COMMANDS).map(({ id }) => id);

describe("the table of commands", () => {
  test("has each id and each key once, and every name begins as a sentence does", () => {
    const ids = COMMANDS.map(({ id }) => id);
    const keys = COMMANDS.flatMap(({ keys }) => keys ?? []);
    expect(new Set(ids).size).toBe(ids.length);
    expect(new Set(keys).size).toBe(keys.length);
    for (const { name } of COMMANDS) expect(name).toMatch(/^\p{Lu}/u);
  });

  test("has Jupyter's keys", () => {
    const keys = new Map(COMMANDS.flatMap(({ id, keys }) => (keys ?? []).map((key) => [key, id] as const)));
    const jupyters = {
      "Shift+Enter": "run-next", "Ctrl+Enter": "run-stay", "Alt+Enter": "run-insert", Enter: "edit",
      a: "insert-above", b: "insert-below", x: "cut", c: "copy", v: "paste-below", "Shift+V": "paste-above", "d d": "delete", z: "undo", "Shift+Z": "redo", "Shift+J": "select-down", "Shift+K": "select-up", "Shift+ArrowDown": "select-down", "Shift+ArrowUp": "select-up", "Ctrl+A": "select-all", "Ctrl+F": "find",
      m: "to-markdown", y: "to-code", j: "next", k: "previous", ArrowDown: "next", ArrowUp: "previous",
      "Shift+M": "merge", "Ctrl+Shift+-": "split", "1": "heading-1", "6": "heading-6", o: "toggle-output",
      "Shift+L": "line-numbers", h: "keys", "?": "keys", "i i": "stop", "0 0": "restart", "Ctrl+S": "send", "Ctrl+Shift+C": "palette", "Ctrl+Shift+P": "palette",
    };
    for (const [key, id] of Object.entries(jupyters)) expect(keys.get(key), key).toBe(id);
  });
});

describe("the guide", () => {
  test("names keys that there are", () => {
    const guide = readFileSync(join(import.meta.dirname, "../../docs/notebook.md"), "utf8");
    // Beside commands: what a pointer does, and what the editor does itself.
    const known = new Set([...COMMANDS.flatMap(({ keys }) => keys ?? []), "Shift+Tab"]);
    const named = guide.match(/\b(?:Ctrl|Alt|Shift)(?:\+(?:Ctrl|Alt|Shift))*\+(?:[A-Z][a-z]+|[A-Z]|-)/g) ?? [];
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter((key) => !known.has(key))).toEqual([]);
  });
});

describe("search", () => {
  test("finds by words in any order, by beginnings, and by other words", () => {
    expect(names("run all")[0]).toBe("run-all");
    expect(names("all run")[0]).toBe("run-all");
    expect(names("execute everything")[0]).toBe("run-all");
    expect(names("restart")[0]).toBe("restart");
    expect(names("kernel")[0]).toBe("restart");
    expect(names("dark")[0]).toBe("theme-dark");
    expect(names("ipynb")).toContain("download-ipynb");
  });

  test("finds by some letters of a word", () => {
    expect(names("intrpt")[0]).toMatch(/^(interrupt|stop)$/);
    expect(names("otln")[0]).toBe("outline");
  });

  test("tells nothing where nothing answers, and all when nothing is asked", () => {
    expect(names("qqqq")).toEqual([]);
    expect(names("  ")).toHaveLength(COMMANDS.length);
  });
});

describe("a stroke", () => {
  const stroke = (key: string, held: Partial<KeyboardEvent> = {}) =>
    strokeOf({ key, code: "", ctrlKey: false, altKey: false, shiftKey: false, metaKey: false, ...held });

  test.each([
    [stroke("a"), "a"],
    [stroke("A", { shiftKey: true }), "Shift+A"],
    [stroke("?", { shiftKey: true }), "?"],
    [stroke("Enter", { shiftKey: true }), "Shift+Enter"],
    [stroke("s", { ctrlKey: true }), "Ctrl+S"],
    [stroke("s", { metaKey: true }), "Ctrl+S"],
    [stroke("P", { ctrlKey: true, shiftKey: true }), "Ctrl+Shift+P"],
    [stroke("_", { ctrlKey: true, shiftKey: true, code: "Minus" }), "Ctrl+Shift+-"],
    [stroke("ArrowUp", { altKey: true }), "Alt+ArrowUp"],
  ])("%s is %s", (told, written) => expect(told).toBe(written));
});
