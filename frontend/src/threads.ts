/**
 * The comments of a worksheet: the fold of their entries, and where their ranges stand in texts that go on. Pure.
 *
 * An edit of one's own is known by its answer sooner than by the log, so a range says to which version of its cell's
 * text it belongs, and moves once with each later one, by whichever way that comes first.
 */

import type { ChangeDesc } from "@codemirror/state";
import { type Draft, intoDraft } from "./draft";
import type { AccountName, Cell, CellId, Comment, CommentId, Entry, Thread } from "./protocol";

export interface KnownThread extends Thread {
  /** The version of the cell's text in which the range stands. */
  readonly version: number;
}

export type Threads = readonly KnownThread[];

export type SaidEntry = Extract<Entry, { kind: "comment_created" | "comment_edited" | "comment_deleted" | "comment_restored" | "thread_resolved" }>;

/** Those of a snapshot: their ranges stand in the texts that it has. */
export function threadsOf(threads: readonly Thread[], cells: readonly Cell[]): Threads {
  const versions = new Map(cells.map(({ id, version }) => [id, version]));
  return threads.map((thread) => ({ ...thread, version: versions.get(thread.cell) ?? 0 }));
}

export function takeSaid(threads: Threads, entry: SaidEntry): Threads {
  switch (entry.kind) {
    case "comment_created": {
      const { comment: id, number, author, date: created, text } = entry;
      const said: Comment = { id, number, author, created, text, edited: null, deleted: false };
      if (entry.thread !== id) return ofThread(threads, entry.thread, (thread) => ({ ...thread, comments: [...thread.comments, said] }));
      const { cell, range, version, quote } = entry;
      return [...threads, { id, cell, range, version, quote, resolved: false, comments: [said] }];
    }
    case "comment_edited":
      return ofComment(threads, entry, (comment) => ({ ...comment, text: entry.text, edited: entry.date }));
    case "comment_deleted":
      return ofComment(threads, entry, (comment) => ({ ...comment, text: "", deleted: true }));
    case "comment_restored":
      return ofComment(threads, entry, (comment) => ({ ...comment, text: entry.text, deleted: false }));
    case "thread_resolved":
      return ofThread(threads, entry.thread, (thread) => ({ ...thread, resolved: entry.resolved }));
  }
}

function ofThread(threads: Threads, id: CommentId, change: (thread: KnownThread) => KnownThread): Threads {
  return threads.map((thread) => (thread.id === id ? change(thread) : thread));
}

function ofComment(threads: Threads, { thread, comment }: { thread: CommentId; comment: CommentId }, change: (comment: Comment) => Comment): Threads {
  return ofThread(threads, thread, (found) => ({ ...found, comments: found.comments.map((each) => (each.id === comment ? change(each) : each)) }));
}

/** An edit made `version` of a cell's text: the ranges of the version before move. What is inserted at their edges is outside of them. */
export function moveRanges(threads: Threads, cell: CellId, version: number, change: () => ChangeDesc): Threads {
  const moves = (thread: KnownThread) => thread.cell === cell && thread.range !== null && thread.version === version - 1;
  if (!threads.some(moves)) return threads;
  const made = change();
  return threads.map((thread) => (moves(thread) ? { ...thread, version, range: movedRange(thread.range!, made) } : thread));
}

function movedRange([from, to]: readonly [number, number], change: ChangeDesc): readonly [number, number] | null {
  const [start, end] = [change.mapPos(from, 1), change.mapPos(to, -1)];
  return start < end ? [start, end] : null;
}

/** A deleted cell is there again, perhaps with another text: a range stands if the text there is what it was about. */
export function comeBack(threads: Threads, { id, source, version }: Cell): Threads {
  if (!threads.some(({ cell }) => cell === id)) return threads;
  return threads.map((thread) => {
    if (thread.cell !== id) return thread;
    const { range, quote } = thread;
    return { ...thread, version, range: range !== null && source.slice(...range) === quote ? range : null };
  });
}

// --- What a view asks -------------------------------------------------------------------------

/** Something of it is left. */
export function isThere({ comments }: Thread): boolean {
  return comments.some(({ deleted }) => !deleted);
}

/** Those of a cell that are there and not settled. */
export function openThreads(threads: Threads, cell: CellId): Threads {
  return threads.filter((thread) => thread.cell === cell && !thread.resolved && isThere(thread));
}

/** The comments by others that this person has not seen. */
export function unreadIn(thread: Thread, me: AccountName, read: ReadonlyMap<CommentId, number>): number {
  const seen = read.get(thread.id) ?? 0;
  return thread.comments.filter(({ author, number, deleted }) => author !== me && !deleted && number > seen).length;
}

/** Number of the newest entry of a thread that somebody may have read. */
export function newestOf({ comments }: Thread): number {
  return comments.at(-1)?.number ?? 0;
}

/** A range of a comment in the text as this person sees it. */
export interface ShownRange {
  readonly thread: CommentId;
  readonly from: number;
  readonly to: number;
}

const NO_RANGES: readonly ShownRange[] = [];

/** Where the open threads of a cell stand in its text; those for a text that has not come yet wait. */
export function rangesAt(threads: Threads, cell: Cell, draft: Draft | undefined): readonly ShownRange[] {
  if (threads.length === 0) return NO_RANGES;
  const shown = openThreads(threads, cell.id).flatMap(({ id, range, version }) => {
    if (range === null || version !== cell.version) return [];
    const into = (place: number) => (draft === undefined ? place : intoDraft(draft, place));
    const [from, to] = [into(range[0]), into(range[1])];
    return from < to ? [{ thread: id, from, to }] : [];
  });
  return shown.length === 0 ? NO_RANGES : shown;
}

// --- How a person looks at them -----------------------------------------------------------------

/** What is being written: the beginning of a thread, an answer, or another text of a comment. */
export type Saying =
  | {
      readonly kind: "begin";
      readonly cell: CellId;
      readonly place: { readonly range: readonly [number, number]; readonly version: number } | null;
      readonly quote: string;
    }
  | { readonly kind: "reply"; readonly thread: CommentId }
  | { readonly kind: "edit"; readonly thread: CommentId; readonly comment: CommentId };

export interface CommentsView {
  /** The thread that is looked at, and so is read. */
  readonly at: CommentId | null;
  readonly saying: Saying | null;
  /** What has been written of it. */
  readonly text: string;
  /** Settled threads are shown too. */
  readonly settled: boolean;
}

export const NO_COMMENTS: CommentsView = { at: null, saying: null, text: "", settled: false };
