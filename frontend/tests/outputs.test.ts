import { describe, expect, test } from "vitest";
import { type Answer, lineNow, NO_ANSWER, type Output, replaceDisplay, take } from "../src/outputs";
import { display, error, publication, stream } from "./feed";

function fold(...publications: Parameters<typeof take>[1][]): Answer {
  return publications.reduce(take, NO_ANSWER);
}

/** What a terminal would show of the first output. */
function shown(answer: Answer): string {
  const output = answer.outputs[0] as Extract<Output, { kind: "stream" }>;
  return output.done + lineNow(output);
}

describe("a stream", () => {
  test("goes on in the same output, and a new one begins after another kind", () => {
    const answer = fold(stream(1, "a"), stream(2, "b\n"), stream(3, "!", "stderr"), stream(4, "c"));
    expect(answer.outputs).toMatchObject([
      { kind: "stream", key: 1, name: "stdout", done: "ab\n", lines: 1, line: "" },
      { kind: "stream", key: 3, name: "stderr", line: "!" },
      { kind: "stream", key: 4, name: "stdout", line: "c" },
    ]);
  });

  test.each([
    [["10%\r20%\r", "30%\n"], "30%\n"],
    [["abc\rde"], "dec"],
    [["abc\r", "\ndef"], "abc\ndef"],
    [["a\r\nb\r\n"], "a\nb\n"],
    [["ab\bc"], "ac"],
    [["\b\bx"], "x"],
    [["\x1b[31mred\x1b[0m\rx"], "x\x1b[0;31med\x1b[0m"],
    [["one\ntwo", "\rTWO\nthree"], "one\nTWO\nthree"],
  ])("of %j shows %j", (texts, expected) => {
    expect(shown(fold(...texts.map((text, n) => stream(n + 1, text))))).toBe(expected);
  });

  test("is the same however it was cut", () => {
    const text = "one\rONE\r\ntwo\b\b\bsix\n\x1b[1mbold\x1b[0m\rplain\nlast";
    const whole = shown(fold(stream(1, text)));
    for (let cut = 1; cut < text.length; cut++)
      expect(shown(fold(stream(1, text.slice(0, cut)), stream(2, text.slice(cut)))), `cut at ${cut}`).toBe(whole);
  });
});

describe("clear_output", () => {
  test("takes everything away at once", () => {
    expect(fold(stream(1, "a"), publication(2, "clear_output", { wait: false })).outputs).toEqual([]);
  });

  test("waits for the next output if asked to", () => {
    const waiting = fold(stream(1, "a"), publication(2, "clear_output", { wait: true }));
    expect(shown(waiting)).toBe("a");
    expect(take(waiting, stream(3, "b")).outputs).toMatchObject([{ key: 3, line: "b" }]);
  });
});

describe("a display", () => {
  test("is replaced by its name, wherever it stands", () => {
    const answer = fold(display(1, "old", "d1"), stream(2, "text"), display(3, "old", "d1"), display(4, "other", "d2"));
    const { outputs } = replaceDisplay(answer, "d1", { data: { "text/plain": "new" }, blobs: {}, metadata: {} });
    expect(outputs).toMatchObject([
      { data: { "text/plain": "new" } },
      { kind: "stream" },
      { data: { "text/plain": "new" } },
      { data: { "text/plain": "other" } },
    ]);
  });

  test("is the value of the cell when it is a result", () => {
    const result = publication(1, "execute_result", { data: { "text/plain": "2" }, metadata: {}, execution_count: 7 });
    expect(fold(result).outputs).toMatchObject([{ kind: "display", executionCount: 7 }]);
  });
});

describe("a prompt", () => {
  const asked = publication(3, "input_request", { prompt: "Name? ", password: true });

  test("is open until it is answered, by whoever it was", () => {
    expect(fold(asked).outputs).toMatchObject([{ kind: "prompt", prompt: "m3", password: true, open: true }]);
    const answered = fold(asked, publication(4, "input_answered", { prompt: "m3" as never, username: "ana" }));
    expect(answered.outputs).toMatchObject([{ open: false, answeredBy: "ana" }]);
  });

  test("does not outlive its run", () => {
    const reply = publication(4, "execute_reply", { status: "error", execution_count: 1, ename: "KeyboardInterrupt" });
    const answer = fold(asked, reply);
    expect(answer.outcome).toBe("interrupted");
    expect(answer.outputs).toMatchObject([{ open: false, answeredBy: "" }]);
  });
});

describe("the outcome", () => {
  test.each([
    ["ZeroDivisionError", "error"],
    ["KeyboardInterrupt", "interrupted"],
    ["RequestCancelled", "cancelled"],
    ["SessionDead", "died"],
    ["constructor", "error"],
    ["__proto__", "error"],
  ])("of a run that ended with %s is %s", (ename, outcome) => {
    expect(fold(publication(1, "execute_reply", { status: "error", execution_count: 1, ename })).outcome).toBe(outcome);
  });

  test("brings what a pager would show", () => {
    const payload = [{ source: "page", data: { "text/plain": "help" } }, { source: "set_next_input", text: "x" }, { source: "page", data: null }];
    const answer = fold(stream(1, "text"), publication(2, "execute_reply", { status: "ok", execution_count: 1, payload }));
    expect(answer.outputs).toMatchObject([{ kind: "stream" }, { kind: "display", data: { "text/plain": "help" } }]);
  });

  test("keeps the traceback as an output", () => {
    expect(fold(error(1, "ValueError", "no")).outputs).toMatchObject([{ kind: "error", ename: "ValueError" }]);
  });
});
