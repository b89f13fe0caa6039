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

/** The smallest single replacement that turns `before` into `after`. */
export function difference(before: string, after: string): ChangeSet {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before.charCodeAt(start) === after.charCodeAt(start)) start++;
  let end = 0;
  while (end < shorter - start && before.charCodeAt(before.length - 1 - end) === after.charCodeAt(after.length - 1 - end))
    end++;
  if (start + end === before.length && before.length === after.length) return ChangeSet.empty(before.length);
  // Never between the two halves of a surrogate pair: a merge would pair them with strangers.
  if (start > 0 && isHighSurrogate(before.charCodeAt(start - 1))) start--;
  if (end > 0 && isLowSurrogate(before.charCodeAt(before.length - end))) end--;
  return ChangeSet.of(
    { from: start, to: before.length - end, insert: after.slice(start, after.length - end) },
    before.length,
    LINE_BREAK,
  );
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
