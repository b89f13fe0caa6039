import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

/** The floors, lowest first. A module imports only from its own floor, when that is a folder, and from lower ones. */
const FLOORS: readonly (readonly string[])[] = [
  ["protocol", "ansi", "terminal", "grid", "lines", "math", "draft", "transport", "store", "heights", "layered"],
  ["widgets", "threads", "slides"],
  ["outputs", "worksheets", "blobs", "websocket", "polling", "fallback", "variables", "usage"],
  ["cleared"],
  ["notebook"],
  ["overview", "trust", "steps", "clips", "finding"],
  ["outline", "prompts", "inspection", "rpc"],
  ["folding"],
  ["state"],
  ["client", "http", "selection"],
  ["changing"],
  ["selecting"],
  ["finder", "follow", "editing", "past", "carets", "admin", "shaping", "home", "looking", "meter", "bell", "asking", "files", "comments", "presenting", "scratch", "clearing"],
  ["actions"],
  // What runs inside the sandboxed frame is a program of its own.
  ["frame"],
  ["views"],
  ["main"],
];

const SOURCE = join(import.meta.dirname, "../src");

function modules(): string[] {
  return readdirSync(SOURCE, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
}

function floorOf(module: string): number {
  const name = module.split("/")[0]!.replace(/\.ts$/, "");
  return FLOORS.findIndex((names) => names.includes(name));
}

test.each(modules())("%s stands on a floor and imports only lower ones", (module) => {
  const floor = floorOf(module);
  expect(floor, "it is named in FLOORS").toBeGreaterThanOrEqual(0);
  const text = readFileSync(join(SOURCE, module), "utf8");
  for (const [, path] of text.matchAll(/(?:from|import) "(\.[^"]+)"/g)) {
    if (/\.css(?:\?inline)?$/.test(path!)) continue;
    const target = join(module, "..", path!.replace(/\?.*$/, ""));
    const inside = ["views/", "frame/"].some((folder) => module.startsWith(folder) && target.startsWith(folder));
    expect(inside || floorOf(target) < floor, `${module} imports ${target}`).toBe(true);
  }
});

test("only the top two floors and http.ts know of a browser's document", () => {
  for (const module of modules()) {
    if (/^(?:views|frame)\//.test(module) || ["main.ts", "http.ts", "actions.ts"].includes(module)) continue;
    expect(readFileSync(join(SOURCE, module), "utf8"), module).not.toMatch(/\b(document|window|location|localStorage)\./);
  }
});
