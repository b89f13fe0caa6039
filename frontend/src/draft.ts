/**
 * What one person has typed into a cell and the server does not have yet.
 *
 * The server keeps the order of edits: an edit names the version it changes, and a stale one is
 * refused. So there is one operational transform, here: what was typed is mapped over what came from
 * elsewhere. An edit carries an id, by which its author knows it in the log. Pure; no clock, no
 * network, no DOM.
 */

import { type ChangeDesc, ChangeSet } from "@codemirror/state";

/** A carriage return is an ordinary character of a source: lengths must not depend on line ends. */
const LINE_BREAK = "\n";

/** An edit on its way: its id, and what it changes. */
export interface Sent {
  readonly edit: string;
  readonly change: ChangeSet;
}

export interface Draft {
  /** The version and the text that the server is known to have. */
  readonly version: number;
  readonly agreed: string;
  /** Changes `agreed`, on its way to the server; null when nothing is. */
  readonly sent: Sent | null;
  /** Changes `agreed`, or what `sent` makes of it. */
  readonly pending: ChangeSet;
  /** What the person sees: all of it applied. Kept, because it is read at every rendering. */
  readonly text: string;
}

export function startDraft(version: number, agreed: string): Draft {
  return { version, agreed, sent: null, pending: ChangeSet.empty(agreed.length), text: agreed };
}

/** Nothing unsent and nothing on its way. */
export function isClean(draft: Draft): boolean {
  return draft.sent === null && draft.pending.empty;
}

/** Apply a change that was typed. */
export function typeInto(draft: Draft, change: ChangeSet): Draft {
  return { ...draft, pending: draft.pending.compose(change), text: changed(draft.text, change) };
}

/** Everything typed so far goes out under this id. Send `draft.sent` against `draft.version` next. */
export function send(draft: Draft, edit: string): Draft {
  if (draft.sent !== null) throw new Error("an edit is on its way already");
  return { ...draft, sent: { edit, change: draft.pending }, pending: ChangeSet.empty(draft.text.length) };
}

/** The edit could not be delivered: it is unsent again. */
export function unsend(draft: Draft): Draft {
  return { ...draft, sent: null, pending: unsent(draft) };
}

function unsent(draft: Draft): ChangeSet {
  return draft.sent === null ? draft.pending : draft.sent.change.compose(draft.pending);
}

/**
 * The edit that made `version`: our own come back, or somebody else's. One that is known is ignored.
 *
 * Somebody else's first means that ours, on its way against the version before, will be refused: it is
 * unsent again, and stands after theirs.
 */
export function receive(draft: Draft, version: number, change: ChangeSet, edit: string): Draft {
  if (version <= draft.version) return draft;
  const agreed = changed(draft.agreed, change);
  if (draft.sent !== null && draft.sent.edit === edit) return { ...draft, version, agreed, sent: null };
  const pending = unsent(draft).map(change);
  return { version, agreed, sent: null, pending, text: changed(agreed, pending) };
}

/** Where a position of `agreed` is in the text that the person sees. */
export function intoDraft(draft: Draft, position: number): number {
  const sent = draft.sent === null ? position : mapped(draft.sent.change, position);
  return mapped(draft.pending, sent);
}

/** Where a position of the text that the person sees was in `agreed`; what is unsent has no place there but its edge. */
export function outOfDraft(draft: Draft, position: number): number {
  const sent = mapped(draft.pending.invertedDesc, position);
  return draft.sent === null ? sent : mapped(draft.sent.change.invertedDesc, sent);
}

/** A caret stays behind what is inserted at its place. One that is beyond the text, for a text not heard of yet, is at its end. */
export function mapped(change: ChangeDesc, position: number): number {
  return change.mapPos(Math.min(position, change.length), 1);
}

/**
 * What turns `before` into `after`: one replacement for each run of changed lines, each trimmed to the
 * characters that differ. Changes in two places must stay two, or a merge would move what stands between.
 */
export function difference(before: string, after: string): ChangeSet {
  const changes: { from: number; to: number; insert: string }[] = [];
  for (const { from, to, insert } of changedLines(before, after)) {
    const old = before.slice(from, to);
    const [start, end] = common(old, insert);
    if (start < old.length || start < insert.length)
      changes.push({ from: from + start, to: to - end, insert: insert.slice(start, insert.length - end) });
  }
  return ChangeSet.of(changes, before.length, LINE_BREAK);
}

/** A line of two texts that are compared: in both, only in the first, or only in the second. */
export interface ComparedLine {
  readonly kind: "same" | "gone" | "new";
  readonly text: string;
}

export function comparedLines(before: string, after: string): readonly ComparedLine[] {
  const rows: ComparedLine[] = [];
  const add = (kind: ComparedLine["kind"], text: string) => {
    if (text !== "") for (const line of text.slice(0, -1).split("\n")) rows.push({ kind, text: line });
  };
  // Whether the last line has its line feed is nothing to see.
  const [old, now] = [before, after].map((text) => (text === "" ? "" : `${text.replace(/\n$/, "")}\n`)) as [string, string];
  let at = 0;
  for (const { from, to, insert } of changedLines(old, now)) {
    add("same", old.slice(at, from));
    add("gone", old.slice(from, to));
    add("new", insert);
    at = to;
  }
  add("same", old.slice(at));
  return rows;
}

/** Above this many pairs of lines the whole stretch counts as one change: the table would be too large. */
const PAIRS = 250_000;

function changedLines(before: string, after: string): { from: number; to: number; insert: string }[] {
  const [a, b] = [linesOf(before), linesOf(after)];
  let top = 0;
  while (top < a.length && top < b.length && a[top] === b[top]) top++;
  let bottom = 0;
  while (bottom < a.length - top && bottom < b.length - top && a.at(-1 - bottom) === b.at(-1 - bottom)) bottom++;
  const [old, now] = [a.slice(top, a.length - bottom), b.slice(top, b.length - bottom)];
  const kept = old.length * now.length > PAIRS ? [] : longestCommon(old, now);
  const hunks: { from: number; to: number; insert: string }[] = [];
  let at = a.slice(0, top).join("").length;
  let [i, j] = [0, 0];
  for (const [keptOld, keptNow] of [...kept, [old.length, now.length] as const]) {
    const gone = old.slice(i, keptOld).join("").length;
    const insert = now.slice(j, keptNow).join("");
    if (gone > 0 || insert !== "") hunks.push({ from: at, to: at + gone, insert });
    at += gone + (old[keptOld]?.length ?? 0);
    [i, j] = [keptOld + 1, keptNow + 1];
  }
  return hunks;
}

/** Each with its line feed. */
function linesOf(text: string): string[] {
  return text.split(/(?<=\n)/);
}

/** The places, in both, of a longest common subsequence. */
function longestCommon(a: readonly string[], b: readonly string[]): (readonly [number, number])[] {
  const width = b.length + 1;
  const length = new Uint16Array((a.length + 1) * width);
  const at = (i: number, j: number) => length[i * width + j] ?? 0;
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      length[i * width + j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  const pairs: (readonly [number, number])[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) pairs.push([i++, j++]);
    else if (at(i + 1, j) >= at(i, j + 1)) i++;
    else j++;
  }
  return pairs;
}

/** How many characters two texts have in common at the start and, of what is left, at the end. */
function common(before: string, after: string): readonly [number, number] {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before.charCodeAt(start) === after.charCodeAt(start)) start++;
  // Never between the two halves of a surrogate pair: a merge would pair them with strangers.
  if (start > 0 && isHighSurrogate(before.charCodeAt(start - 1))) start--;
  let end = 0;
  while (end < shorter - start && before.charCodeAt(before.length - 1 - end) === after.charCodeAt(after.length - 1 - end))
    end++;
  if (end > 0 && isLowSurrogate(before.charCodeAt(before.length - end))) end--;
  return [start, end];
}

/** `text` with `change` applied. */
export function changed(text: string, change: ChangeSet): string {
  if (change.empty) return text;
  const parts: string[] = [];
  let at = 0;
  change.iterChanges((from, to, _fromB, _toB, inserted) => {
    parts.push(text.slice(at, from), inserted.toString());
    at = to;
  });
  parts.push(text.slice(at));
  return parts.join("");
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit <= 0xdfff;
}
