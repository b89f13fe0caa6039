import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Answer, lineNow, NO_ANSWER, take } from "../src/outputs";
import { shown } from "../src/terminal";
import { stream } from "./feed";

const CASES: readonly { parts: readonly string[]; shown: string }[] = JSON.parse(
  readFileSync(join(import.meta.dirname, "../../tests/terminal.json"), "utf8"),
);

function written(answer: Answer): string {
  const [output] = answer.outputs;
  return output?.kind === "stream" ? output.done + lineNow(output) : "";
}

test.each(CASES)("shows what the server shows: %#", ({ parts, shown: expected }) => {
  expect(shown(parts.join(""))).toBe(expected);
});

test.each(CASES)("a stream in pieces comes to the same: %#", ({ parts, shown: expected }) => {
  const answer = parts.reduce((before, text, at) => take(before, stream(at + 1, text)), NO_ANSWER);
  // A text that moves nothing keeps its colours as they were written.
  expect(shown(`${written(answer)}\r`)).toBe(shown(`${expected}\r`));
});

test("a bar of a hundred thousand updates stays one line", () => {
  let answer = NO_ANSWER;
  for (let at = 0; at < 1000; at++) {
    const text = Array.from({ length: 100 }, (_, part) => `\r${at}.${part} ${"#".repeat(40)}`).join("");
    answer = take(answer, stream(at + 1, text));
  }
  const [output] = answer.outputs;
  expect(output).toMatchObject({ kind: "stream", done: "", lines: 0 });
  expect(output?.kind === "stream" && output.line.length).toBeLessThan(100);
});
