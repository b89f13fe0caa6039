/**
 * The fold of a run's publications into what stands under its cell.
 *
 * Pure, and the same for what is live and for what was stored: a reload shows what was seen before.
 * A run may write for hours. Of what is longer than `room` its two ends stay, as in a snapshot of the
 * server, and how much is between; the server has the whole.
 */

import type { Blob, MessageId, MimeBundle, Publication } from "./protocol";
import { type Capturing, captureAfter, takerOf } from "./widgets";
import { climbs, folded, HEIGHT, shown } from "./terminal";

export interface StreamOutput {
  readonly kind: "stream";
  readonly key: number;
  readonly name: "stdout" | "stderr";
  /** The beginning, and what is left out between it and `done`; null while nothing is. */
  readonly cut: Cut | null;
  /** Complete lines, each with its line feed. */
  readonly done: string;
  /** How many lines are in `done`. */
  readonly lines: number;
  /** What is being written, with where the cursor is: `lineNow` says how it looks. */
  readonly line: string;
}

export interface Cut {
  readonly head: string;
  /** What is left out, in UTF-16 units and in lines. */
  readonly units: number;
  readonly lines: number;
}

/** In the place of outputs that are left out, because there were too many. */
export interface GapOutput {
  readonly kind: "gap";
  readonly key: number;
  readonly count: number;
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

export type Output = StreamOutput | DisplayOutput | ErrorOutput | PromptOutput | GapOutput;

/** UTF-16 units of a stream that are kept of what comes live, and when somebody asked for the whole. */
export const ROOM = 256 * 1024;
export const WHOLE_ROOM = 32 * 1024 * 1024;

/** What stays of a longer one: the beginning says what it is, the end how it went. Source: spec, *worksheet.open*. */
export const HEAD = 16 * 1024;
export const TAIL = 48 * 1024;

/** Outputs of one run that are kept, and how many of them from the beginning. */
export const MOST_OUTPUTS = 1_000;
const FIRST_OUTPUTS = 200;

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
  /** UTF-16 units that each of its streams may have. */
  readonly room: number;
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
  room: ROOM,
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
    case "comm_open":
    case "comm_msg":
    case "comm_close":
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

/** What one request brought about, out of what its session published; whole. */
export function answerOf(msgId: MessageId, username: string, publications: readonly Publication[]): Answer {
  let answer: Answer = { ...NO_ANSWER, username, room: WHOLE_ROOM };
  let capturing: Capturing = new Map();
  for (const publication of publications) {
    capturing = captureAfter(capturing, publication);
    if (takerOf(capturing, publication) !== null) continue;
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

export function shownBy({ content, blobs }: Extract<Publication, { content: { data: MimeBundle; metadata: unknown } }>): Shown {
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
  const outputs = answer.clearNext ? [output] : sparse([...answer.outputs, output], answer.room);
  return { ...answer, outputs, clearNext: false };
}

/** Of too many outputs the first and the last stay. */
function sparse(outputs: readonly Output[], room: number): readonly Output[] {
  if (room === WHOLE_ROOM || outputs.length <= MOST_OUTPUTS) return outputs;
  const gap = outputs[FIRST_OUTPUTS]!;
  const count = gap.kind === "gap" ? gap.count + 1 : 2;
  return [...outputs.slice(0, FIRST_OUTPUTS), { kind: "gap", key: gap.key, count }, ...outputs.slice(FIRST_OUTPUTS + 2)];
}

/** A stream goes on in the last output if that is the same stream, as it would in a terminal. */
function add(answer: Answer, key: number, name: StreamOutput["name"], text: string): Answer {
  const last = answer.clearNext ? undefined : answer.outputs.at(-1);
  if (last?.kind === "stream" && last.name === name) {
    return { ...answer, outputs: [...answer.outputs.slice(0, -1), write(last, text, answer.room)] };
  }
  return push(answer, write({ kind: "stream", key, name, cut: null, done: "", lines: 0, line: "" }, text, answer.room));
}

/** Write as a terminal does. */
function write(stream: StreamOutput, text: string, room: number): StreamOutput {
  const at = climbs(text) ? screenTop(stream) : stream.done.length;
  const back = stream.done.slice(at);
  const { settled, live } = folded(back + stream.line + text);
  const written = {
    ...stream,
    done: stream.done.slice(0, at) + settled,
    lines: stream.lines - count(back) + count(settled),
    line: live,
  };
  return written.done.length + live.length > room ? shortened(written) : written;
}

/** Leave out what is between the beginning and the end. */
function shortened(stream: StreamOutput): StreamOutput {
  // A line as long as that is not written over any more: it counts as done as far as it goes.
  const far = Math.max(0, stream.line.length - TAIL);
  const done = stream.done + stream.line.slice(0, far);
  const begin = stream.cut === null ? lineEnd(done, HEAD) : 0;
  const end = Math.max(begin, lineEnd(done, done.length - Math.max(0, TAIL - (stream.line.length - far))));
  const gone = done.slice(begin, end);
  const [head, before] = stream.cut === null ? [copied(done.slice(0, begin)), NOTHING] : [stream.cut.head, stream.cut];
  return {
    ...stream,
    cut: { head, units: before.units + gone.length, lines: before.lines + count(gone) },
    done: copied(done.slice(end)),
    lines: stream.lines - count(gone) - (stream.cut === null ? count(head) : 0),
    line: copied(stream.line.slice(far)),
  };
}

const NOTHING = { units: 0, lines: 0 };

/** After the next line feed, or there where the line is too long for that; not within a character. */
function lineEnd(text: string, at: number): number {
  if (at <= 0 || at >= text.length) return Math.max(0, Math.min(at, text.length));
  const feed = text.indexOf("\n", at - 1);
  if (feed !== -1 && feed - at < HEAD / 4) return feed + 1;
  return /[\udc00-\udfff]/.test(text[at]!) ? at + 1 : at;
}

/** A part of a text would keep the whole of it in memory. */
function copied(text: string): string {
  return text.length === 0 ? "" : JSON.parse(JSON.stringify(text)) as string;
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
