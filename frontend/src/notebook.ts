/**
 * A worksheet as this page knows it: the fold of its log and of its session's feed.
 *
 * Pure. Live or after a reload, what is shown comes from `apply` alone: a snapshot at the two
 * cursors, then everything after them, in order. What was seen already is ignored by its number; a
 * number that is missing sets `gap`, and the follower asks again from the cursor.
 */

import { ChangeSet } from "@codemirror/state";
import { changed, difference, type Draft, intoDraft, isClean, mapped, outOfDraft, receive, send, startDraft, typeInto, unsend } from "./draft";
import { cleared } from "./cleared";
import { type Answer, answerOf, closeAnswer, NO_ANSWER, replaceDisplay, shownBy, take } from "./outputs";
import { Layered } from "./layered";
import { comeBack, moveRanges, takeSaid, type Threads, threadsOf } from "./threads";
import { hearWidgets, NO_WIDGETS, takerOf, type Widgets, widgetsOf } from "./widgets";
import type {
  AccountName,
  Caret,
  Cell,
  CellId,
  Changes,
  CommentId,
  Entry,
  Member,
  MessageId,
  Person,
  Publication,
  Role,
  Run,
  RunOutputs,
  RunState,
  Session,
  SessionUid,
  Snapshot,
  Worksheet,
} from "./protocol";
import { ROLES } from "./protocol";

/** How far one of the two numbered logs has been read. */
export interface Reading {
  readonly cursor: number;
  /** The newest number that was heard of. */
  readonly latest: number;
  /** A number after the cursor did not come: ask again from the cursor. */
  readonly gap: boolean;
}

export interface NotebookSession {
  readonly uid: SessionUid;
  readonly feed: Reading;
  readonly state: Session["state"] | "unknown";
  readonly reason: string;
  /** The requests that wait, the next one first, as the feed tells. */
  readonly queue: readonly MessageId[];
  /** Numbers that nobody holds any more, as sentences for people need them. */
  readonly gone: readonly [number, number] | null;
}

export interface Notebook {
  readonly worksheet: Worksheet;
  readonly me: AccountName;
  readonly cells: readonly Cell[];
  readonly members: readonly Member[];
  readonly people: readonly Person[];
  /** Where people write, this window too. */
  readonly carets: readonly Caret[];
  /** By which this window knows its own caret; null before it has told one. */
  readonly window: number | null;
  /** The newest run of each cell. */
  readonly runs: ReadonlyMap<CellId, Run>;
  /** Cells whose text is not what their newest run ran, as the server says. */
  readonly edited: ReadonlySet<CellId>;
  /** Cells that read what was run or changed since, as the server says. */
  readonly outdated: ReadonlySet<CellId>;
  /** Cells whose newest run has left nothing: its session ended, or was restarted. */
  readonly ended: ReadonlySet<CellId>;
  /** What each request brought about, by its msg_id; those of no cell are "beside the cells". */
  readonly answers: ReadonlyMap<MessageId, Answer>;
  /** Answers whose beginning was not in the snapshot: how many publications, and the first that was there. */
  readonly omitted: ReadonlyMap<MessageId, { readonly count: number; readonly first: number }>;
  /** Requests by which people try something, and whose they are. */
  readonly scratches: ReadonlyMap<MessageId, AccountName>;
  /** Requests of cells that were run again since; what still comes from them is not shown. */
  readonly superseded: ReadonlySet<MessageId>;
  /** Grows when something began, ended or asks; not by what is printed. */
  readonly stirred: number;
  readonly drafts: ReadonlyMap<CellId, Draft>;
  /** Comments, those of deleted cells too. */
  readonly threads: Threads;
  /** Up to which number of the log this person has read a thread. */
  readonly read: ReadonlyMap<CommentId, number>;
  readonly log: Reading;
  readonly session: NotebookSession | null;
  /** Of each session that has left something under a cell. */
  readonly widgets: ReadonlyMap<SessionUid, Widgets>;
}

export type NotebookEvent =
  | { readonly type: "entries"; readonly entries: readonly Entry[]; readonly latest: number }
  | {
      readonly type: "publications";
      readonly session: SessionUid;
      readonly publications: readonly Publication[];
      readonly latest: number;
      readonly gone: readonly [number, number] | null;
    }
  | {
      readonly type: "whole";
      readonly msgId: MessageId;
      /** Everything that the session published from the beginning of the run up to number `upTo`; of a session that is not this one any more, all. */
      readonly publications: readonly Publication[];
      readonly upTo: number;
    }
  | {
      /** A cell was brought back: its newest run, and what came of it. */
      readonly type: "run_remembered";
      readonly run: Run;
      readonly outputs: RunOutputs;
    }
  | { readonly type: "thread_read"; readonly thread: CommentId; readonly number: number }
  | { readonly type: "carets"; readonly carets: readonly Caret[] }
  | { readonly type: "window_known"; readonly window: number }
  | { readonly type: "presence"; readonly people: readonly Person[] }
  | { readonly type: "session_known"; readonly session: Session }
  | { readonly type: "kernel_gone" }
  | { readonly type: "run_known"; readonly run: Run }
  | { readonly type: "typed"; readonly cell: CellId; readonly change: ChangeSet }
  | { readonly type: "edit_sent"; readonly cell: CellId; readonly edit: string }
  | { readonly type: "edit_failed"; readonly cell: CellId }
  | { readonly type: "edit_known"; readonly cell: CellId; readonly version: number; readonly changes: Changes; readonly edit: string };

/** How many answers of no known run are kept: those beside the cells, and those whose run is not heard of yet. */
const LOOSE_KEPT = 40;

export function openNotebook(me: AccountName, snapshot: Snapshot): Notebook {
  const { worksheet, cells, members, runs, outputs, omitted, cursor, session } = snapshot;
  const empty: Notebook = {
    worksheet,
    me,
    cells: cells.map(({ id, type, source, version, metadata }) => ({ id, type, source, version, metadata })),
    members,
    people: [],
    carets: [],
    window: null,
    runs: new Map(runs.flatMap((run) => (run.cell === null ? [] : [[run.cell, run] as const]))),
    edited: new Set(cells.filter(({ edited }) => edited).map(({ id }) => id)),
    outdated: new Set(cells.filter(({ outdated }) => outdated).map(({ id }) => id)),
    ended: new Set(cells.filter(({ ended }) => ended).map(({ id }) => id)),
    answers: new Map(runs.map((run) => [run.msg_id, { ...NO_ANSWER, username: run.account }])),
    omitted: new Map(
      runs.flatMap((run) => {
        const count = omitted[run.id] ?? 0;
        return count > 0 ? [[run.msg_id, { count, first: outputs[run.id]?.[0]?.number ?? 0 }] as const] : [];
      }),
    ),
    scratches: new Map(),
    superseded: new Set(),
    stirred: 0,
    drafts: new Map(),
    threads: threadsOf(snapshot.threads, cells),
    read: new Map(Object.entries(snapshot.read) as [CommentId, number][]),
    log: { cursor, latest: cursor, gap: false },
    session: session && {
      uid: session.uid,
      feed: { cursor: session.cursor, latest: session.cursor, gap: false },
      state: "unknown",
      reason: "",
      queue: [],
      gone: null,
    },
    widgets: new Map(),
  };
  // An update of a display may stand in another run than the display: fold the feeds, not the runs.
  let notebook = empty;
  for (const uid of new Set(runs.map((run) => run.session))) {
    const ofSession = runs.filter((run) => run.session === uid);
    const feed = ofSession.flatMap((run) => outputs[run.id] ?? []).sort((a, b) => a.number - b.number);
    notebook = feed.reduce((folded, publication) => hear(folded, uid, publication), notebook);
  }
  // Its outputs say what the session did for these runs, not what it is doing now: that is asked.
  const queue = notebook.session?.queue ?? [];
  const widgets = new Map(Object.entries(snapshot.widgets ?? {}).map(([uid, states]) => [uid as SessionUid, widgetsOf(states)]));
  return { ...notebook, widgets, ended: empty.ended, answers: closeFinal(notebook), session: empty.session && { ...empty.session, queue } };
}

export function apply(notebook: Notebook, event: NotebookEvent): Notebook {
  switch (event.type) {
    case "entries":
      return applyEntries(notebook, event.entries, event.latest);
    case "publications":
      return applyPublications(notebook, event);
    case "whole":
      return refold(notebook, event);
    case "run_remembered":
      return remember(notebook, event.run, event.outputs);
    case "thread_read":
      return { ...notebook, read: replaced(notebook.read, event.thread, event.number) };
    case "carets":
      return { ...notebook, carets: event.carets };
    case "window_known":
      return event.window === notebook.window ? notebook : { ...notebook, window: event.window };
    case "presence":
      return { ...notebook, people: event.people };
    case "session_known": {
      // Only where the feed has not said anything yet: it is the newer one.
      const { session } = notebook;
      if (session === null || session.uid !== event.session.uid || session.state !== "unknown") return notebook;
      return { ...notebook, session: { ...session, state: event.session.state, reason: event.session.reason } };
    }
    case "kernel_gone": {
      // What was heard last need not hold any more, unless the session was over.
      const { session } = notebook;
      if (session === null || ["closed", "lost"].includes(session.state)) return notebook;
      return { ...notebook, session: { ...session, state: "unknown", reason: "" } };
    }
    case "run_known":
      return beginRun(notebook, event.run);
    case "typed": {
      const cell = notebook.cells.find(({ id }) => id === event.cell);
      if (cell === undefined) return notebook;
      const draft = notebook.drafts.get(event.cell) ?? startDraft(cell.version, cell.source);
      return withDraft(notebook, event.cell, typeInto(draft, event.change));
    }
    case "edit_sent":
      return changeDraft(notebook, event.cell, (draft) => send(draft, event.edit));
    case "edit_failed":
      return changeDraft(notebook, event.cell, unsend);
    case "edit_known":
      return learnEdit(notebook, event);
  }
}

// --- The worksheet's log ----------------------------------------------------------------------

function applyEntries(notebook: Notebook, entries: readonly Entry[], latest: number): Notebook {
  let cursor = notebook.log.cursor;
  let gap = false;
  let next = notebook;
  for (const entry of entries) {
    if (entry.number <= cursor) continue;
    if (entry.number > cursor + 1) {
      gap = true;
      break;
    }
    next = applyEntry(next, entry);
    cursor = entry.number;
  }
  return { ...next, log: { cursor, latest: Math.max(latest, notebook.log.latest, cursor), gap } };
}

function applyEntry(notebook: Notebook, entry: Entry): Notebook {
  const { cells, worksheet } = notebook;
  switch (entry.kind) {
    case "cell_created":
      if (cells.some(({ id }) => id === entry.cell.id)) return notebook;
      return { ...notebook, cells: placed(cells, entry.cell, entry.after), threads: comeBack(notebook.threads, entry.cell) };
    case "cell_edited":
      return { ...learnEdit(notebook, entry), edited: marked(notebook.edited, entry.cell, entry.edited) };
    case "cell_converted":
      return { ...notebook, cells: cells.map((cell) => (cell.id === entry.cell ? { ...cell, type: entry.type } : cell)) };
    case "cell_annotated":
      return { ...notebook, cells: cells.map((cell) => (cell.id === entry.cell ? { ...cell, metadata: entry.metadata } : cell)) };
    case "cell_moved": {
      const cell = cells.find(({ id }) => id === entry.cell);
      if (cell === undefined) return notebook;
      return { ...notebook, cells: placed(cells.filter(({ id }) => id !== entry.cell), cell, entry.after) };
    }
    case "cell_deleted": {
      const run = notebook.runs.get(entry.cell);
      const next = { ...notebook, cells: cells.filter(({ id }) => id !== entry.cell), outdated: marked(notebook.outdated, entry.cell, false), drafts: without(notebook.drafts, entry.cell) };
      return run === undefined ? next : { ...supersede(next, run), runs: without(next.runs, entry.cell) };
    }
    case "comment_created":
    case "comment_edited":
    case "comment_deleted":
    case "comment_restored":
    case "thread_resolved":
      return { ...notebook, threads: takeSaid(notebook.threads, entry) };
    case "cells_marked":
      return { ...notebook, outdated: new Set([...notebook.outdated, ...entry.outdated].filter((id) => !entry.current.includes(id))) };
    case "outputs_cleared":
      return cleared(notebook, entry.cells);
    case "merged":
    case "worksheet_restored":
      return notebook;
    case "worksheet_renamed":
      return { ...notebook, worksheet: { ...worksheet, title: entry.title } };
    case "member_set":
      return withMember(notebook, entry.member);
    case "link_created":
      return notebook;
    case "link_ended":
      return { ...notebook, members: notebook.members.filter(({ link }) => link !== entry.link) };
    case "owner_changed": {
      const next = withMember(notebook, entry.owner);
      return { ...next, worksheet: { ...next.worksheet, owner: entry.owner.account } };
    }
    case "member_removed":
      return { ...notebook, members: notebook.members.filter(({ account }) => account !== entry.account) };
    case "session_opened":
      if (notebook.session?.uid === entry.session) return notebook;
      return {
        ...notebook,
        worksheet: { ...worksheet, session: entry.session },
        outdated: new Set(),
        ended: new Set(notebook.runs.keys()),
        session: {
          uid: entry.session,
          feed: { cursor: 0, latest: 0, gap: false },
          state: "starting",
          reason: "",
          queue: [],
          gone: null,
        },
      };
    case "run_created":
      return beginRun(notebook, entry.run);
    case "run_ended": {
      const run = [...notebook.runs.values()].find(({ id }) => id === entry.run);
      if (run === undefined || run.cell === null) return notebook;
      const { state, reason, ended, execution_count } = entry;
      const answer = notebook.answers.get(run.msg_id);
      return {
        ...notebook,
        runs: replaced(notebook.runs, run.cell, { ...run, state, reason, ended, execution_count }),
        answers: answer === undefined ? notebook.answers : replaced(notebook.answers, run.msg_id, closeAnswer(answer)),
      };
    }
  }
}

function beginRun(notebook: Notebook, run: Run): Notebook {
  if (run.cell === null) return run.scratch ? { ...notebook, scratches: new Map([...notebook.scratches, [run.msg_id, run.account] as const].slice(-LOOSE_KEPT)) } : notebook;
  const older = notebook.runs.get(run.cell);
  if (older !== undefined && (older.id === run.id || older.created > run.created)) return notebook;
  const next = older === undefined ? notebook : supersede(notebook, older);
  // The feed may have been quicker than the log: then the answer is there already.
  const answer = next.answers.get(run.msg_id) ?? { ...NO_ANSWER, username: run.account };
  return {
    ...next,
    runs: replaced(next.runs, run.cell, run),
    edited: marked(next.edited, run.cell, false),
    ended: marked(next.ended, run.cell, false),
    answers: replaced(next.answers, run.msg_id, answer),
  };
}

function remember(notebook: Notebook, run: Run, { publications, omitted }: RunOutputs): Notebook {
  if (run.cell === null || notebook.runs.has(run.cell) || !notebook.cells.some(({ id }) => id === run.cell)) return notebook;
  // What comes after the cursor comes by the feed.
  const cursor = notebook.session?.uid === run.session ? notebook.session.feed.cursor : Infinity;
  const heard = publications.filter(({ number }) => number <= cursor);
  const answer = answerOf(run.msg_id, run.account, heard);
  const over = run.state !== "queued" && run.state !== "running";
  const first = heard[0]?.number ?? 0;
  return {
    ...notebook,
    runs: replaced(notebook.runs, run.cell, run),
    // The entry that brought the cell back is older than what is known now of its text.
    edited: marked(notebook.edited, run.cell, notebook.cells.some((cell) => cell.id === run.cell && cell.source !== run.code)),
    answers: replaced(notebook.answers, run.msg_id, over ? closeAnswer(answer) : answer),
    omitted: omitted > 0 ? replaced(notebook.omitted, run.msg_id, { count: omitted, first }) : notebook.omitted,
    stirred: notebook.stirred + 1,
    superseded: new Set([...notebook.superseded].filter((other) => other !== run.msg_id)),
  };
}

function supersede(notebook: Notebook, run: Run): Notebook {
  return {
    ...notebook,
    answers: without(notebook.answers, run.msg_id),
    omitted: without(notebook.omitted, run.msg_id),
    superseded: new Set([...notebook.superseded, run.msg_id]),
  };
}

/** `after` is null at the top; a cell that is gone counts as the end. */
function placed(cells: readonly Cell[], cell: Cell, after: CellId | null): readonly Cell[] {
  const before = after === null ? -1 : cells.findIndex(({ id }) => id === after);
  const at = after !== null && before === -1 ? cells.length : before + 1;
  return [...cells.slice(0, at), cell, ...cells.slice(at)];
}

/** An edit, from the log or, sooner, as an answer to ours: whichever comes second is known already. */
function learnEdit(notebook: Notebook, edit: { cell: CellId; version: number; changes: Changes; edit: string; source?: string | null }): Notebook {
  const { cell: id, version } = edit;
  const before = notebook.cells.find((cell) => cell.id === id);
  if (before === undefined) return notebook;
  if (version <= before.version) {
    // A range that came by the log after an edit of ours was answered stands in the text before that.
    const threads = moveRanges(notebook.threads, id, version, () => ChangeSet.fromJSON(edit.changes));
    return threads === notebook.threads ? notebook : { ...notebook, threads };
  }
  // What stands for several edits, of which some were read, comes with the whole text.
  const change = edit.source == null ? ChangeSet.fromJSON(edit.changes) : difference(before.source, edit.source);
  const source = changed(before.source, change);
  const cells = notebook.cells.map((cell) => (cell === before ? { ...cell, version, source } : cell));
  const carets = notebook.carets.some((caret) => caret.cell === id)
    ? notebook.carets.map((caret) => (caret.cell === id ? moved(caret, version, change) : caret))
    : notebook.carets;
  const threads = moveRanges(notebook.threads, id, version, () => change);
  return changeDraft({ ...notebook, cells, carets, threads }, id, (draft) => receive(draft, version, change, edit.edit));
}

// --- Carets -----------------------------------------------------------------------------------

/** A caret that was told for a newer text waits for it. */
function moved(caret: Caret, version: number, change: ChangeSet): Caret {
  if (caret.version >= version) return caret;
  return { ...caret, version, anchor: mapped(change, caret.anchor), head: mapped(change, caret.head) };
}

/** Somebody else's caret, in the text as this person sees it. */
export interface ShownCaret {
  readonly window: number;
  readonly account: AccountName;
  readonly name: string;
  readonly anchor: number;
  readonly head: number;
}

const NO_CARETS: readonly ShownCaret[] = [];

export function caretsAt(notebook: Notebook, cell: Cell): readonly ShownCaret[] {
  if (notebook.carets.length === 0) return NO_CARETS;
  const theirs = notebook.carets.filter((caret) => caret.cell === cell.id && isTheirs(notebook, caret));
  if (theirs.length === 0) return NO_CARETS;
  const draft = notebook.drafts.get(cell.id) ?? startDraft(cell.version, cell.source);
  const into = (position: number) => intoDraft(draft, Math.min(position, cell.source.length));
  return theirs.map(({ window, account, anchor, head }) => ({
    window,
    account,
    name: displayName(notebook, account),
    anchor: into(anchor),
    head: into(head),
  }));
}

function isTheirs({ window, me }: Notebook, caret: Caret): boolean {
  return window === null ? caret.account !== me : caret.window !== window;
}

/** Where somebody else writes now: the caret that moved last. */
export function caretOf(notebook: Notebook, account: AccountName): Caret | null {
  return notebook.carets.find((caret) => caret.account === account && isTheirs(notebook, caret)) ?? null;
}

/** A place in the text that this person sees, as the others know that text; null when the cell is gone. */
export function toldPlace(notebook: Notebook, id: CellId, anchor: number, head: number): Pick<Caret, "cell" | "version" | "anchor" | "head"> | null {
  const cell = notebook.cells.find((other) => other.id === id);
  if (cell === undefined) return null;
  const draft = notebook.drafts.get(id) ?? startDraft(cell.version, cell.source);
  return { cell: id, version: draft.version, anchor: outOfDraft(draft, anchor), head: outOfDraft(draft, head) };
}

// --- Drafts -----------------------------------------------------------------------------------

function changeDraft(notebook: Notebook, cell: CellId, change: (draft: Draft) => Draft): Notebook {
  const draft = notebook.drafts.get(cell);
  return draft === undefined ? notebook : withDraft(notebook, cell, change(draft));
}

/** A draft that holds nothing of its own is dropped: the cell's source says it all. */
function withDraft(notebook: Notebook, cell: CellId, draft: Draft): Notebook {
  const drafts = isClean(draft) ? without(notebook.drafts, cell) : replaced(notebook.drafts, cell, draft);
  return { ...notebook, drafts };
}

/** The text of a cell as this person sees it. */
export function textOf(notebook: Notebook, cell: Cell): string {
  return notebook.drafts.get(cell.id)?.text ?? cell.source;
}

// --- The session's feed -----------------------------------------------------------------------

function applyPublications(notebook: Notebook, event: Extract<NotebookEvent, { type: "publications" }>): Notebook {
  const { session } = notebook;
  if (session === null || session.uid !== event.session) return notebook;
  let cursor = session.feed.cursor;
  let gone = session.gone;
  if (event.gone !== null && event.gone[1] > cursor) {
    gone = [Math.min(gone?.[0] ?? Infinity, Math.max(event.gone[0], cursor + 1)), event.gone[1]];
    cursor = event.gone[1];
  }
  let gap = false;
  let next = notebook;
  for (const publication of event.publications) {
    if (publication.number <= cursor) continue;
    if (publication.number > cursor + 1) {
      gap = true;
      break;
    }
    next = hear(next, session.uid, publication);
    cursor = publication.number;
  }
  const latest = Math.max(event.latest, session.feed.latest, cursor);
  return { ...next, session: { ...(next.session ?? session), gone, feed: { cursor, latest, gap } } };
}

/** One publication of a session's feed, its place in the feed already checked. */
function hear(notebook: Notebook, uid: SessionUid, publication: Publication): Notebook {
  let next = notebook;
  if (publication.msg_type === "status" && next.session?.uid === uid) {
    const { execution_state: state, reason = "" } = publication.content;
    next = { ...next, session: { ...next.session, state, reason } };
    if (ENDS.has(state)) next = { ...next, ended: new Set(next.runs.keys()) };
  }
  if (next.session?.uid === uid) {
    const queue = queueAfter(next.session.queue, publication);
    if (queue !== next.session.queue) next = { ...next, session: { ...next.session, queue } };
  }
  const widgets = next.widgets.get(uid) ?? NO_WIDGETS;
  const heard = hearWidgets(widgets, publication);
  if (heard !== widgets) next = { ...next, widgets: replaced(next.widgets, uid, heard) };
  if (takerOf(heard.capturing, publication) !== null) return next;
  if (publication.msg_type === "update_display_data") return updateDisplays(next, uid, publication);
  const { parent } = publication;
  if (!parent || publication.msg_type.startsWith("comm_") || next.superseded.has(parent)) return next;
  const before = next.answers.get(parent);
  const answer = take(before ?? NO_ANSWER, publication);
  const answers = replaced(next.answers, parent, answer);
  if (before === undefined) return prune({ ...next, answers, stirred: next.stirred + 1 });
  return { ...next, answers, stirred: next.stirred + (stirs(before, answer, publication) ? 1 : 0) };
}

/** The cell's state is another now, or what is known beside the cells. */
function stirs(before: Answer, answer: Answer, { msg_type }: Publication): boolean {
  if (msg_type === "input_request" || msg_type === "input_answered") return true;
  return before.started !== answer.started || before.ended !== answer.ended || before.outcome !== answer.outcome || before.code !== answer.code;
}

/** A run comes in, or to another place, by `queued`, and leaves by `status` *busy* or `execute_reply`. */
function queueAfter(queue: readonly MessageId[], publication: Publication): readonly MessageId[] {
  const { parent, msg_type } = publication;
  const leaves = msg_type === "execute_reply" || (msg_type === "status" && publication.content.execution_state === "busy");
  if (msg_type !== "queued" && !(leaves && queue.includes(parent))) return queue;
  const others = queue.filter((msgId) => msgId !== parent);
  return msg_type === "queued" ? others.toSpliced(publication.content.place, 0, parent) : others;
}

function updateDisplays(
  notebook: Notebook,
  uid: SessionUid,
  publication: Extract<Publication, { msg_type: "update_display_data" }>,
): Notebook {
  const displayId = publication.content.transient?.display_id;
  if (displayId === undefined) return notebook;
  const elsewhere = new Set([...notebook.runs.values()].filter((run) => run.session !== uid).map((run) => run.msg_id));
  const answers = new Map(notebook.answers);
  for (const [msgId, answer] of answers)
    if (!elsewhere.has(msgId)) answers.set(msgId, replaceDisplay(answer, displayId, shownBy(publication)));
  return { ...notebook, answers };
}

/** Fold an answer again, from its beginning. Nothing happens if the feed has gone on: then ask for the rest. */
function refold(notebook: Notebook, { msgId, publications, upTo }: Extract<NotebookEvent, { type: "whole" }>): Notebook {
  const old = notebook.answers.get(msgId);
  const run = [...notebook.runs.values()].find(({ msg_id }) => msg_id === msgId);
  const goesOn = run?.session === notebook.session?.uid && notebook.session?.feed.cursor !== upTo;
  if (old === undefined || run === undefined || goesOn) return notebook;
  const answer = answerOf(msgId, old.username, publications);
  return { ...notebook, answers: replaced(notebook.answers, msgId, answer), omitted: without(notebook.omitted, msgId), stirred: notebook.stirred + 1 };
}

function prune(notebook: Notebook): Notebook {
  const ofCells = new Set([...notebook.runs.values()].map((run) => run.msg_id));
  const loose = [...notebook.answers.keys()].filter((msgId) => !ofCells.has(msgId));
  if (loose.length <= LOOSE_KEPT) return notebook;
  const answers = new Map(notebook.answers);
  for (const msgId of loose.slice(0, loose.length - LOOSE_KEPT)) answers.delete(msgId);
  return { ...notebook, answers };
}

function closeFinal(notebook: Notebook): ReadonlyMap<MessageId, Answer> {
  const answers = new Map(notebook.answers);
  for (const run of notebook.runs.values()) {
    const answer = answers.get(run.msg_id);
    if (answer !== undefined && run.state !== "queued" && run.state !== "running") answers.set(run.msg_id, closeAnswer(answer));
  }
  return answers;
}

// --- What a view asks -------------------------------------------------------------------------

/** The state of a cell, with what its caption needs. */
export type CellState =
  | { readonly kind: "never" }
  | { readonly kind: "queued"; readonly by: AccountName; readonly ahead: number }
  | { readonly kind: "running"; readonly by: AccountName; readonly since: string; readonly asks: boolean }
  | { readonly kind: "done" | "failed"; readonly by: AccountName; readonly seconds: number | null; readonly ended: string | null }
  | { readonly kind: "interrupted" | "cancelled" | "died" | "lost"; readonly by: AccountName; readonly reason: string };

const FINAL: Readonly<Record<Exclude<RunState, "queued" | "running">, CellState["kind"]>> = {
  ok: "done",
  error: "failed",
  interrupted: "interrupted",
  cancelled: "cancelled",
  died: "died",
  lost: "lost",
};

/** The log says how a run ended; until it does, the feed is quicker. */
function outcomeOf(notebook: Notebook, run: Run): Exclude<RunState, "queued" | "running"> | null {
  if (run.state !== "queued" && run.state !== "running") return run.state;
  return notebook.answers.get(run.msg_id)?.outcome ?? null;
}

/** The kind of a cell's state, without what its caption needs. */
export function cellKind(notebook: Notebook, run: Run): CellState["kind"] {
  const ended = outcomeOf(notebook, run);
  if (ended !== null) return FINAL[ended];
  return run.state === "running" || notebook.answers.get(run.msg_id)?.started ? "running" : "queued";
}

export function cellState(notebook: Notebook, id: CellId): CellState {
  const run = notebook.runs.get(id);
  if (run === undefined) return { kind: "never" };
  const answer = notebook.answers.get(run.msg_id) ?? NO_ANSWER;
  const by = run.account;
  const started = answer.started ?? run.started;
  const kind = cellKind(notebook, run);
  switch (kind) {
    case "done":
    case "failed": {
      const end = answer.ended ?? run.ended;
      const seconds = started && end ? Math.max(0, (Date.parse(end) - Date.parse(started)) / 1000) : null;
      return { kind, by, seconds, ended: end };
    }
    case "running": {
      const asks = answer.outputs.some((output) => output.kind === "prompt" && output.open);
      return { kind, by, since: started ?? run.created, asks };
    }
    case "queued":
      return { kind, by, ahead: ahead(notebook, run) };
    default:
      return { kind: kind as "interrupted" | "cancelled" | "died" | "lost", by, reason: run.reason };
  }
}

function isOpen(notebook: Notebook, run: Run): boolean {
  return outcomeOf(notebook, run) === null;
}

/** As the feed tells; before it does, as the runs were asked for. */
function ahead(notebook: Notebook, run: Run): number {
  const { session } = notebook;
  const place = session?.queue.indexOf(run.msg_id) ?? -1;
  if (session !== null && place !== -1) return place + (session.state === "busy" || session.state === "interrupted" ? 1 : 0);
  return [...notebook.runs.values()].filter((other) => isOpen(notebook, other) && other.created < run.created).length;
}

/** One run of the queue: the cell that it is of, null if of none, who asked for it and since when it runs or waits. */
export interface InQueue {
  readonly msgId: MessageId;
  readonly running: boolean;
  readonly cell: CellId | null;
  readonly by: AccountName | null;
  readonly since: string | null;
}

/** What runs, and what waits in which order; nothing while nothing waits. */
export function queueOf(notebook: Notebook): readonly InQueue[] {
  const waiting = notebook.session?.queue ?? [];
  if (waiting.length === 0) return [];
  const cells = new Map([...notebook.runs].map(([cell, run]) => [run.msg_id, { cell, run }] as const));
  const one = (msgId: MessageId, running: boolean): InQueue => {
    const known = cells.get(msgId);
    const answer = notebook.answers.get(msgId);
    const by = known?.run.account ?? ((answer?.username || null) as AccountName | null);
    return { msgId, running, cell: known?.cell ?? null, by, since: answer?.started ?? known?.run.created ?? null };
  };
  const runs = [...notebook.answers].filter(([msgId, { started, ended, outcome }]) => {
    const run = cells.get(msgId)?.run;
    return started !== null && ended === null && outcome === null && (run === undefined || isOpen(notebook, run));
  });
  return [...runs.map(([msgId]) => one(msgId, true)), ...waiting.map((msgId) => one(msgId, false))];
}

/** The cell was changed after it was run, as the server says: the same for all who look at it. */
export function editedSinceRun(notebook: Notebook, cell: Cell): boolean {
  return notebook.edited.has(cell.id);
}

/** What the cell reads was run or changed after it was run. */
export function outdatedSinceRun(notebook: Notebook, cell: Cell): boolean {
  return notebook.outdated.has(cell.id);
}

/** The cell was run in a session that has ended, or was restarted since. */
export function endedSinceRun(notebook: Notebook, cell: Cell): boolean {
  return notebook.ended.has(cell.id);
}

/** Nothing but one empty cell that one may write in: who opens it wants to write, not to command. */
export function isBlank(notebook: Notebook): boolean {
  const [first, ...others] = notebook.cells;
  if (first === undefined || others.length > 0 || first.type !== "code") return false;
  return textOf(notebook, first) === "" && cellState(notebook, first.id).kind === "never" && may(notebook.worksheet.role, "edit");
}

export function unsentEdits(notebook: Notebook): boolean {
  return notebook.drafts.size > 0;
}

/** How many entries and publications have been heard of and not read. */
export function behind(notebook: Notebook): number {
  const { log, session } = notebook;
  return log.latest - log.cursor + (session === null ? 0 : session.feed.latest - session.feed.cursor);
}

function withMember(notebook: Notebook, member: Member): Notebook {
  const known = notebook.members.some(({ account }) => account === member.account);
  const members = known
    ? notebook.members.map((other) => (other.account === member.account ? member : other))
    : [...notebook.members, member];
  const role = member.account === notebook.me ? member.role : notebook.worksheet.role;
  return { ...notebook, members, worksheet: { ...notebook.worksheet, role } };
}

export function may(role: Role, needed: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(needed);
}

/** The name to show for an account. */
export function displayName(notebook: Notebook, account: AccountName): string {
  const known = [...notebook.members, ...notebook.people].find((person) => person.account === account);
  return known?.display_name || account;
}

/** States by which a session tells that its variables are gone. */
const ENDS: ReadonlySet<string> = new Set(["restarting", "dead", "closed"]);

function marked(cells: ReadonlySet<CellId>, cell: CellId, mark: boolean): ReadonlySet<CellId> {
  if (cells.has(cell) === mark) return cells;
  const copy = new Set(cells);
  if (mark) copy.add(cell);
  else copy.delete(cell);
  return copy;
}

// --- Replacing one key ------------------------------------------------------------------------

function replaced<Key, Value>(map: ReadonlyMap<Key, Value>, key: Key, value: Value): ReadonlyMap<Key, Value> {
  return Layered.over(map).with(key, value);
}

function without<Key, Value>(map: ReadonlyMap<Key, Value>, key: Key): ReadonlyMap<Key, Value> {
  if (!map.has(key)) return map;
  const copy = new Map(map);
  copy.delete(key);
  return copy;
}
