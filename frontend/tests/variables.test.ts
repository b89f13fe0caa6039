import { expect, test } from "vitest";
import type { SessionUid, Variable, Variables } from "../src/protocol";
import { learn, NO_VARIABLES, shownVariables } from "../src/variables";
import { bytes } from "../src/views/words";

const S = "s" as SessionUid;

function variable(name: string, fields: Partial<Variable> = {}): Variable {
  return { name, type: "int", module: "builtins", shape: null, size_bytes: 28, preview: "1", id: 1, ...fields };
}

function told(...variables: Variable[]): Variables {
  return { known: true, variables, total: variables.length, next: null };
}

test("what is new or changed since the last telling is marked, until something else changes", () => {
  const first = learn(NO_VARIABLES, S, "", told(variable("a"), variable("b")));
  expect([...first.changed]).toEqual([]);
  const second = learn(first, S, "", told(variable("a", { preview: "2" }), variable("b"), variable("c")));
  expect([...second.changed]).toEqual(["a", "c"]);
  expect([...learn(second, S, "", told(...(second.told?.variables ?? []))).changed]).toEqual(["a", "c"]);
  const rebound = learn(second, S, "", told(variable("a", { preview: "2" }), variable("b", { id: 2 }), variable("c")));
  expect([...rebound.changed]).toEqual(["b"]);
});

test("another session, or another search, begins anew", () => {
  const first = learn(NO_VARIABLES, S, "", told(variable("a")));
  expect([...learn(first, "t" as SessionUid, "", told(variable("b"))).changed]).toEqual([]);
  expect([...learn(first, S, "b", told(variable("b"))).changed]).toEqual([]);
});

test("they are filtered by name and type, and sorted by each column both ways", () => {
  const xs = variable("xs", { type: "list", shape: [3], size_bytes: 80 });
  const frame = variable("frame", { type: "DataFrame", shape: [10, 2], size_bytes: 292 });
  const n = variable("n");
  const view = learn(NO_VARIABLES, S, "", told(xs, frame, n));
  const names = (change: object) => shownVariables({ ...view, ...change }).map(({ name }) => name);
  expect(names({})).toEqual(["frame", "n", "xs"]);
  expect(names({ falling: true })).toEqual(["xs", "n", "frame"]);
  expect(names({ sort: "size", falling: true })).toEqual(["frame", "xs", "n"]);
  expect(names({ sort: "shape" })).toEqual(["n", "xs", "frame"]);
  expect(names({ sort: "type" })).toEqual(["frame", "n", "xs"]);
  expect(names({ query: "fram" })).toEqual(["frame"]);
  expect(names({ query: "LIST" })).toEqual(["xs"]);
});

test.each([[0, "0 B"], [1023, "1023 B"], [1024, "1 KB"], [1500, "1.5 KB"], [300 * 1024, "300 KB"], [5 * 2 ** 30, "5 GB"]])("%i bytes are %s", (count, text) => {
  expect(bytes(count)).toBe(text);
});
