/**
 * The fold of a run's publications into what stands under its cell.
 *
 * Pure, and the same for what is live and for what was stored: a reload shows what was seen before.
 * Nothing is shortened here; views fold what is long.
 */

import type { Blob, MessageId, MimeBundle, Publication } from "./protocol";
import { climbs, folded, HEIGHT, shown } from "./terminal";

export interface StreamOutput {
  readonly kind: "stream";
  readonly key: number;
  readonly name: "stdout" | "stderr";
  /** Complete lines, each with its line feed. */
  readonly done: string;
  /** How many lines are in `done`. */
  readonly lines: number;
  /** What is being written, with where the cursor is: `lineNow` says how it looks. */
  readonly line: string;
}

export interface DisplayOutput {
  readonly kind: "display";
  readonly key: number;
  readonly data: MimeBundle;
  /** What the server has in the place of data: `blobs.ts` says where each value is. */
  readonly blobs: Readonly<Record<string, Blob>>;
  readonly metadata: Readonly<Record<string, unknown>>;
  /** By this name later publications may replace it. */
  readonly displayId: string | null;
  /** Set when it is the value of the cell. */
  readonly executionCount: number | null;
}

export interface ErrorOutput {
  readonly kind: "error";
  readonly key: number;
  readonly ename: string;
  readonly evalue: string;
  readonly traceback: readonly string[];
}

export interface PromptOutput {
  readonly kind: "prompt";
  readonly key: number;
  readonly prompt: MessageId;
  readonly text: string;
  readonly password: boolean;
  readonly open: boolean;
  /** Who answered; empty while it is open or when it was given up. */
  readonly answeredBy: string;
}

export type Output = StreamOutput | DisplayOutput | ErrorOutput | PromptOutput;

/** What one request brought about. */
export interface Answer {
  /** The code as the kernel took it up; null before that. */
  readonly code: string | null;
  readonly username: string;
  readonly executionCount: number;
  /** ISO 8601; null before it began. */
  readonly started: string | null;
  readonly ended: string | null;
  /** Null while it runs. */
  readonly outcome: "ok" | "error" | "interrupted" | "cancelled" | "died" | null;
  readonly outputs: readonly Output[];
  /** The next output replaces all that is there: `clear_output(wait=True)`. */
  readonly clearNext: boolean;
}

export const NO_ANSWER: Answer = {
  code: null,
  username: "",
  executionCount: 0,
  started: null,
  ended: null,
  outcome: null,
  outputs: [],
  clearNext: false,
};

/** Names in `execute_reply` that are not the fault of the code. Source: spec, *execute_reply*. */
const OUTCOMES: ReadonlyMap<string, Answer["outcome"]> = new Map([
  ["KeyboardInterrupt", "interrupted"],
  ["RequestCancelled", "cancelled"],
  ["SessionDead", "died"],
]);

/** One publication more. `update_display_data` is not for one run: see `replaceDisplay`. */
export function take(answer: Answer, publication: Publication): Answer {
  const key = publication.number;
  switch (publication.msg_type) {
    case "status":
      if (publication.content.execution_state === "busy" && answer.started === null)
        return { ...answer, started: publication.date, username: answer.username || publication.username };
      if (publication.content.execution_state === "idle" && answer.ended === null)
        return { ...answer, ended: publication.date };
      return answer;
    case "queued":
      return { ...answer, username: answer.username || publication.username };
    case "execute_input":
      return {
        ...answer,
        code: publication.content.code,
        executionCount: publication.content.execution_count,
        username: publication.username,
        started: answer.started ?? publication.date,
      };
    case "stream":
      return add(answer, key, publication.content.name, publication.content.text);
    case "display_data":
    case "execute_result": {
      const { transient } = publication.content;
      const executionCount = publication.msg_type === "execute_result" ? publication.content.execution_count : null;
      const displayId = transient?.display_id ?? null;
      return push(answer, { kind: "display", key, ...shownBy(publication), displayId, executionCount });
    }
    case "error": {
      const { ename, evalue, traceback } = publication.content;
      return push(answer, { kind: "error", key, ename, evalue, traceback });
    }
    case "clear_output":
      return publication.content.wait ? { ...answer, clearNext: true } : { ...answer, outputs: [], clearNext: false };
    case "input_request": {
      const { prompt: text, password } = publication.content;
      const prompt = publication.msg_id;
      return push(answer, { kind: "prompt", key, prompt, text, password, open: true, answeredBy: "" });
    }
    case "input_answered":
      return closePrompts(answer, publication.content.prompt, publication.content.username);
    case "execute_reply": {
      const { status, ename = "", execution_count } = publication.content;
      const outcome = status === "ok" ? "ok" : (OUTCOMES.get(ename) ?? "error");
      const closed = closePrompts(pages(answer, publication), null, "");
      return { ...closed, outcome, ended: publication.date, executionCount: execution_count || closed.executionCount };
    }
    case "update_display_data":
      return answer;
  }
}

/** What a pager would show, such as the help that `len?` asks for, stands below the other outputs. */
function pages(answer: Answer, { number, content }: Extract<Publication, { msg_type: "execute_reply" }>): Answer {
  return (content.payload ?? []).reduce<Answer>((before, { source, data }, index) => {
    if (source !== "page" || typeof data !== "object" || data === null) return before;
    // Several pages come in one publication: each key is a number of its own, below that of the next.
    const key = number + index / 1000;
    return push(before, { kind: "display", key, data: data as MimeBundle, blobs: {}, metadata: {}, displayId: null, executionCount: null });
  }, answer);
}

/** What one request brought about, out of what its session published. */
export function answerOf(msgId: MessageId, username: string, publications: readonly Publication[]): Answer {
  let answer: Answer = { ...NO_ANSWER, username };
  for (const publication of publications) {
    if (publication.msg_type === "update_display_data") {
      const { transient } = publication.content;
      if (transient?.display_id !== undefined) answer = replaceDisplay(answer, transient.display_id, shownBy(publication));
    } else if (publication.parent === msgId) answer = take(answer, publication);
  }
  return answer;
}

/** The run is over, whatever its last publication was: nothing of it is waiting any more. */
export function closeAnswer(answer: Answer): Answer {
  return closePrompts(answer, null, "");
}

/** What a display shows. */
export type Shown = Pick<DisplayOutput, "data" | "blobs" | "metadata">;

export function shownBy({ content, blobs }: Extract<Publication, { content: { data: MimeBundle } }>): Shown {
  return { data: content.data, blobs: blobs ?? {}, metadata: content.metadata ?? {} };
}

/** Put new data where the display of that name stands; the same answer if it stands nowhere. */
export function replaceDisplay(answer: Answer, displayId: string, shown: Shown): Answer {
  if (!answer.outputs.some((output) => output.kind === "display" && output.displayId === displayId)) return answer;
  const outputs = answer.outputs.map((output) =>
    output.kind === "display" && output.displayId === displayId ? { ...output, ...shown } : output,
  );
  return { ...answer, outputs };
}

function push(answer: Answer, output: Output): Answer {
  const outputs = answer.clearNext ? [output] : [...answer.outputs, output];
  return { ...answer, outputs, clearNext: false };
}

/** A stream goes on in the last output if that is the same stream, as it would in a terminal. */
function add(answer: Answer, key: number, name: StreamOutput["name"], text: string): Answer {
  const last = answer.clearNext ? undefined : answer.outputs.at(-1);
  if (last?.kind === "stream" && last.name === name) {
    return { ...answer, outputs: [...answer.outputs.slice(0, -1), write(last, text)] };
  }
  return push(answer, write({ kind: "stream", key, name, done: "", lines: 0, line: "" }, text));
}

/** Write as a terminal does. */
function write(stream: StreamOutput, text: string): StreamOutput {
  const at = climbs(text) ? screenTop(stream) : stream.done.length;
  const back = stream.done.slice(at);
  const { settled, live } = folded(back + stream.line + text);
  return {
    ...stream,
    done: stream.done.slice(0, at) + settled,
    lines: stream.lines - count(back) + count(settled),
    line: live,
  };
}

/** Where, in the lines that are done, those begin to which a cursor can go back. */
function screenTop({ done, line }: StreamOutput): number {
  let at = done.length;
  for (let left = HEIGHT - 1 - count(line); left > 0 && at > 0; left--) at = at < 2 ? 0 : done.lastIndexOf("\n", at - 2) + 1;
  return at;
}

function count(text: string): number {
  let lines = 0;
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) lines++;
  return lines;
}

/** What is being written, as it looks now: a line, and those below it when the cursor has gone back. */
export function lineNow(stream: StreamOutput): string {
  return shown(stream.line);
}

function closePrompts(answer: Answer, prompt: MessageId | null, answeredBy: string): Answer {
  const concerns = (output: Output): output is PromptOutput =>
    output.kind === "prompt" && output.open && (prompt === null || output.prompt === prompt);
  if (!answer.outputs.some(concerns)) return answer;
  const outputs = answer.outputs.map((output) => (concerns(output) ? { ...output, open: false, answeredBy } : output));
  return { ...answer, outputs };
}
