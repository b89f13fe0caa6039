import { describe, expect, test } from "vitest";
import { type Answer, answerOf, HEAD, lineNow, MOST_OUTPUTS, NO_ANSWER, type Output, replaceDisplay, ROOM, TAIL, take } from "../src/outputs";
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

describe("a run that writes without end", () => {
  type Streamed = Extract<Output, { kind: "stream" }>;
  const size = ({ cut, done, line }: Streamed) => (cut?.head.length ?? 0) + done.length + line.length;

  test("keeps its two ends, and tells how much is between", () => {
    let answer = NO_ANSWER;
    let most = 0;
    const [publications, lines] = [2_000, 1_000];
    for (let n = 0; n < publications; n++) {
      const text = Array.from({ length: lines }, (_, line) => `line ${n * lines + line}\n`).join("");
      answer = take(answer, stream(n + 1, text));
      most = Math.max(most, size(answer.outputs[0] as Streamed));
    }
    const output = answer.outputs[0] as Streamed;
    expect(most).toBeLessThanOrEqual(ROOM + HEAD);
    expect(output.cut!.head).toMatch(/^line 0\nline 1\n/);
    expect(output.done).toMatch(/\nline 1999999\n$/);
    const headLines = output.cut!.head.split("\n").length - 1;
    expect(output.lines).toBe(output.done.split("\n").length - 1);
    expect(headLines + output.cut!.lines + output.lines).toBe(2_000_000);
    expect(output.done.startsWith(`line ${headLines + output.cut!.lines}\n`)).toBe(true);
  });

  test("in one line keeps its two ends too", () => {
    let answer = NO_ANSWER;
    for (let n = 0; n < 600; n++) answer = take(answer, stream(n + 1, `${n % 10}`.repeat(5_000)));
    const output = answer.outputs[0] as Streamed;
    expect(size(output)).toBeLessThanOrEqual(ROOM + HEAD);
    expect(size(output) + output.cut!.units).toBe(3_000_000);
    expect([output.cut!.lines, output.lines]).toEqual([0, 0]);
    expect(shown(answer)).toMatch(/8{5000}9{5000}$/);
    expect(output.cut!.head.slice(0, 3)).toBe("000");
  });

  test("draws a bar over and over in the place of one line", () => {
    let answer = take(NO_ANSWER, stream(1, "x".repeat(90) + "\n".repeat(1)));
    for (let n = 0; n < 20_000; n++) answer = take(answer, stream(n + 2, `\r${n} of 20,000`));
    expect(shown(answer)).toBe(`${"x".repeat(90)}\n19999 of 20,000`);
    expect((answer.outputs[0] as Streamed).cut).toBe(null);
  });

  test("never breaks a character in two", () => {
    const answer = take(NO_ANSWER, stream(1, "a" + "😀".repeat(ROOM)));
    const { cut, done, line } = answer.outputs[0] as Streamed;
    for (const part of [cut!.head, done, line]) expect(part).not.toMatch(/\p{Surrogate}/u);
    expect(line.length + done.length).toBeLessThanOrEqual(TAIL + 1);
  });

  test("keeps the first and the last of too many outputs", () => {
    let answer = NO_ANSWER;
    for (let n = 0; n < 5_000; n++) answer = take(answer, stream(n + 1, `${n}\n`, n % 2 ? "stderr" : "stdout"));
    expect(answer.outputs.length).toBe(MOST_OUTPUTS);
    const gap = answer.outputs.find(({ kind }) => kind === "gap") as Extract<Output, { kind: "gap" }>;
    expect(answer.outputs.length - 1 + gap.count).toBe(5_000);
    expect(new Set(answer.outputs.map(({ key }) => key)).size).toBe(MOST_OUTPUTS);
    expect(answer.outputs.at(-1)).toMatchObject({ kind: "stream", done: "4999\n" });
  });

  test("is whole when all of it was asked for", () => {
    const publications = Array.from({ length: 100 }, (_, n) => stream(n + 1, "0123456789\n".repeat(1_000)));
    const output = answerOf("run-1" as never, "ana", publications).outputs[0] as Streamed;
    expect([output.cut, output.lines, output.done.length]).toEqual([null, 100_000, 1_100_000]);
  });
});
