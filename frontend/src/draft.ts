/**
 * What one person has typed into a cell and the server does not have yet.
 *
 * The server keeps the order of edits: an edit names the version it changes, and a stale one is
 * refused. So there is one operational transform, here: the remote change is mapped over the local
 * one, and the local one over the remote. Pure; no clock, no network, no DOM.
 */

import { ChangeSet } from "@codemirror/state";

/** A carriage return is an ordinary character of a source: lengths must not depend on line ends. */
const LINE_BREAK = "\n";

export interface Draft {
  /** The version and the text that the server is known to have. */
  readonly version: number;
  readonly agreed: string;
  /** Changes `agreed`, on its way to the server; null when nothing is. */
  readonly sent: ChangeSet | null;
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

/** Everything typed so far goes out. Send `draft.text` against `draft.version` next. */
export function send(draft: Draft): Draft {
  if (draft.sent !== null) throw new Error("an edit is on its way already");
  return { ...draft, sent: draft.pending, pending: ChangeSet.empty(draft.text.length) };
}

/** The edit could not be delivered: it is unsent again. */
export function unsend(draft: Draft): Draft {
  if (draft.sent === null) return draft;
  return { ...draft, sent: null, pending: draft.sent.compose(draft.pending) };
}

/** The text that is on its way, or null. */
export function sentText(draft: Draft): string | null {
  return draft.sent === null ? null : changed(draft.agreed, draft.sent);
}

/**
 * The server has `source` at `version`: our own edit come back, or somebody else's.
 *
 * An older or equal version is known already. If the next version is what we sent, it is ours, or
 * someone sent the same: either way nothing of ours is lost by taking it as agreed.
 */
export function receive(draft: Draft, version: number, source: string): Draft {
  if (version <= draft.version) return draft;
  if (version === draft.version + 1 && draft.sent !== null && sentText(draft) === source) {
    return { ...draft, version, agreed: source, sent: null };
  }
  const remote = difference(draft.agreed, source);
  const local = draft.sent === null ? draft.pending : draft.sent.compose(draft.pending);
  // Both orders give the same text: remote before local on one side, local over remote on the other.
  const pending = local.map(remote);
  return { version, agreed: source, sent: null, pending, text: changed(source, pending) };
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
