import { ChangeSet } from "@codemirror/state";
import { expect, test } from "vitest";
import { apply, type Notebook, openNotebook } from "../src/notebook";
import type { AccountName, Cell, CellId, Changes, CommentId, Entry, Snapshot } from "../src/protocol";
import { comeBack, isThere, moveRanges, newestOf, openThreads, rangesAt, takeSaid, type Threads, unreadIn } from "../src/threads";
import { startDraft, typeInto } from "../src/draft";
import { newlySaid, shownThreads } from "../src/comments";

const ANA = "ana" as AccountName;
const BEN = "ben" as AccountName;
const [A, B] = ["cell-a", "cell-b"] as CellId[] as [CellId, CellId];
const T = "thread" as CommentId;
const DATE = "2026-11-21T09:30:00.000000+00:00";

function cellOf(id: CellId, source: string, version = 0): Cell {
  return { id, type: "code", source, version, metadata: {} };
}

function said(number: number, more: Partial<Extract<Entry, { kind: "comment_created" }>> = {}): Extract<Entry, { kind: "comment_created" }> {
  return { kind: "comment_created", number, author: BEN, date: DATE, comment: T, thread: T, cell: A, range: [6, 11], version: 0, quote: "b = 2", text: "Why?", ...more };
}

function begun(): Threads {
  return takeSaid([], said(2));
}

function rangeAfter(changes: Changes): readonly [number, number] | null | undefined {
  return moveRanges(begun(), A, 1, () => ChangeSet.fromJSON(changes))[0]?.range;
}

test("a thread is begun, answered, changed, deleted, restored and settled", () => {
  let threads = takeSaid(begun(), said(3, { author: ANA, comment: "r" as CommentId, range: null, quote: "", text: "So." }));
  expect(threads.map(({ comments }) => comments.map(({ author, text }) => [author, text]))).toEqual([[[BEN, "Why?"], [ANA, "So."]]]);
  threads = takeSaid(threads, { kind: "comment_edited", number: 4, author: BEN, date: DATE, comment: T, thread: T, text: "Why 2?" });
  expect(threads[0]?.comments[0]).toMatchObject({ text: "Why 2?", edited: DATE, number: 2 });
  threads = takeSaid(threads, { kind: "comment_deleted", number: 5, author: BEN, date: DATE, comment: T, thread: T });
  expect(threads[0]?.comments[0]).toMatchObject({ text: "", deleted: true });
  expect(isThere(threads[0]!)).toBe(true);
  threads = takeSaid(threads, { kind: "comment_restored", number: 6, author: BEN, date: DATE, comment: T, thread: T, text: "Why 2?" });
  expect(threads[0]?.comments[0]).toMatchObject({ text: "Why 2?", deleted: false });
  threads = takeSaid(threads, { kind: "thread_resolved", number: 7, author: BEN, date: DATE, thread: T, resolved: true });
  expect(openThreads(threads, A)).toEqual([]);
});

// The same table as in tests/webserver/test_changes.py, four units further on.
test.each([
  [[12], [6, 11]],
  [[6, [0, "xy"], 6], [8, 13]],
  [[8, [0, "xy"], 4], [6, 13]],
  [[11, [0, "xy"], 1], [6, 11]],
  [[[8], 4], [0, 3]],
  [[6, [5, "x"], 1], [6, 7]],
  [[5, [7]], null],
] as [Changes, [number, number] | null][])("a range moves with %j", (changes, range) => {
  expect(rangeAfter(changes)).toEqual(range);
});

test("a range moves once with each version, and waits for those that are not its own", () => {
  const change = () => ChangeSet.fromJSON([[0, "x"], 12]);
  const moved = moveRanges(begun(), A, 1, change);
  expect(moved[0]).toMatchObject({ range: [7, 12], version: 1 });
  expect(moveRanges(moved, A, 1, change)).toBe(moved);
  expect(moveRanges(moved, B, 2, change)).toBe(moved);
  expect(moveRanges(moved, A, 3, change)).toBe(moved);
});

test("a cell that comes back has its ranges where the text is the quote", () => {
  const source = "a = 1\nb = 2\n";
  expect(comeBack(begun(), cellOf(A, source, 4))[0]).toMatchObject({ range: [6, 11], version: 4 });
  expect(comeBack(begun(), cellOf(A, `#${source}`, 4))[0]).toMatchObject({ range: null, quote: "b = 2" });
});

test("what is unread are the others' comments after the last that was seen", () => {
  const [thread] = takeSaid(begun(), said(3, { author: ANA, comment: "r" as CommentId }));
  expect(newestOf(thread!)).toBe(3);
  expect([new Map(), new Map([[T, 1]]), new Map([[T, 2]])].map((read) => unreadIn(thread!, ANA, read))).toEqual([1, 1, 0]);
  expect(unreadIn(thread!, BEN, new Map([[T, 2]]))).toBe(1);
});

test("a range is shown in the text as it is typed, and waits for a text that has not come", () => {
  const cell = cellOf(A, "a = 1\nb = 2\n");
  const draft = typeInto(startDraft(0, cell.source), ChangeSet.of({ from: 0, insert: "# x\n" }, cell.source.length));
  expect(rangesAt(begun(), cell, undefined)).toEqual([{ thread: T, from: 6, to: 11 }]);
  expect(rangesAt(begun(), cell, draft)).toEqual([{ thread: T, from: 10, to: 15 }]);
  expect(rangesAt(takeSaid([], said(2, { version: 1 })), cell, undefined)).toEqual([]);
});

function opened(): Notebook {
  const cells = [A, B].map((id) => ({ ...cellOf(id, "a = 1\nb = 2\n"), edited: false, outdated: false, ended: false }));
  const worksheet = { id: "w", title: "T", owner: ANA, role: "own", created: DATE, changed: DATE, session: null };
  const members = [{ account: ANA, display_name: "Ana", role: "own", link: null }, { account: BEN, display_name: "Ben", role: "answer", link: null }];
  const snapshot = { worksheet, cells, members, runs: [], outputs: {}, omitted: {}, cursor: 1, session: null, threads: [], read: {} };
  return openNotebook(ANA, snapshot as unknown as Snapshot);
}

function heard(notebook: Notebook, ...entries: Entry[]): Notebook {
  return apply(notebook, { type: "entries", entries, latest: entries.at(-1)!.number });
}

test("a comment that comes after the answer to an edit of ours, and before it in the log, stands where it belongs", () => {
  const edit = { cell: A, version: 1, changes: [[0, "xy"], 12] as Changes, edit: "mine" };
  const logged: Entry = { kind: "cell_edited", number: 3, author: ANA, date: DATE, edited: false, ...edit };
  const answered = apply(opened(), { type: "edit_known", ...edit });
  const late = heard(heard(answered, said(2)), logged);
  const inOrder = heard(heard(opened(), said(2)), logged);
  expect(late.threads).toEqual(inOrder.threads);
  expect(late.threads[0]?.range).toEqual([8, 13]);
});

test("threads are told in the order of their cells, and not those of deleted ones", () => {
  const two = heard(opened(), said(2, { cell: B }), said(3, { comment: "u" as CommentId, thread: "u" as CommentId }));
  expect(shownThreads(two, false).map(({ id }) => id)).toEqual(["u", T]);
  const gone = heard(two, { kind: "cell_deleted", number: 4, author: ANA, date: DATE, cell: A });
  expect(shownThreads(gone, false).map(({ id }) => id)).toEqual([T]);
});

test("what others say is told, and what one says oneself is not", () => {
  const before = opened();
  const after = heard(before, said(2, { cell: B }));
  expect(newlySaid(before, after)).toBe("Ben commented on cell 2");
  expect(newlySaid(after, heard(after, said(3, { cell: B, comment: "r" as CommentId })))).toBe("Ben answered in a comment on cell 2");
  expect(newlySaid(before, heard(before, said(2, { author: ANA })))).toBe("");
});
