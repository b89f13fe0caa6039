/**
 * What all cells are doing, at a glance.
 *
 * Everything that needs to look at every cell asks here: it is looked at anew only when a run began, ended or asks
 * something, not when a run prints a line or somebody types. Pure, but for remembering the last two glances.
 */

import { type CellState, cellKind, type Notebook } from "./notebook";
import type { AccountName, CellId, MessageId, Run, RunId } from "./protocol";

export interface Overview {
  /** Of the cells that were ever run, those that stand in the worksheet or did. */
  readonly kinds: ReadonlyMap<CellId, CellState["kind"]>;
  /** Those that run or wait. */
  readonly open: readonly CellId[];
  readonly failed: ReadonlySet<CellId>;
  /** A run of many ended early: the cell at which it did, and how many behind it did not run. */
  readonly stopped: { readonly cell: CellId; readonly left: number } | null;
  /** Requests that ran in the session, but of no cell, and that nobody only tries. Oldest first. */
  readonly beside: readonly MessageId[];
}

interface Glance {
  readonly scratches: Notebook["scratches"];
  readonly runs: Notebook["runs"];
  readonly stirred: number;
  readonly overview: Overview;
}

let last: readonly Glance[] = [];

export function overviewOf(notebook: Notebook): Overview {
  const { runs, stirred, scratches } = notebook;
  const known = last.find((glance) => glance.runs === runs && glance.stirred === stirred && glance.scratches === scratches);
  if (known !== undefined) return known.overview;
  const overview = look(notebook);
  last = [{ runs, stirred, scratches, overview }, ...last.slice(0, 1)];
  return overview;
}

const FAILED: ReadonlySet<CellState["kind"]> = new Set(["failed", "died", "lost"]);

function look(notebook: Notebook): Overview {
  const kinds = new Map<CellId, CellState["kind"]>();
  const open: CellId[] = [];
  const failed = new Set<CellId>();
  const ofCells = new Set<MessageId>();
  for (const [cell, run] of notebook.runs) {
    const kind = cellKind(notebook, run);
    kinds.set(cell, kind);
    ofCells.add(run.msg_id);
    if (kind === "running" || kind === "queued") open.push(cell);
    if (FAILED.has(kind)) failed.add(cell);
  }
  const beside: MessageId[] = [];
  for (const [msgId, { code }] of notebook.answers) if (code !== null && !ofCells.has(msgId) && !notebook.scratches.has(msgId)) beside.push(msgId);
  return { kinds, open, failed, stopped: stoppedAt(notebook, kinds), beside };
}

/**
 * Where the newest run of many stopped, until the cell there or those behind it were run again.
 *
 * The ids of its runs are that of the whole and a number each. Source: spec, *worksheet.run*.
 */
function stoppedAt({ runs }: Notebook, kinds: Overview["kinds"]): Overview["stopped"] {
  const left = new Map<string, number>();
  for (const [cell, { id }] of runs) if (kinds.get(cell) === "cancelled") left.set(seriesOf(id), (left.get(seriesOf(id)) ?? 0) + 1);
  let stop: { readonly cell: CellId; readonly run: Run } | null = null;
  for (const [cell, run] of runs) {
    const kind = kinds.get(cell);
    if (kind === "done" || kind === "cancelled" || kind === "queued" || kind === "running" || !left.has(seriesOf(run.id))) continue;
    if (stop === null || run.created > stop.run.created) stop = { cell, run };
  }
  return stop === null ? null : { cell: stop.cell, left: left.get(seriesOf(stop.run.id)) ?? 0 };
}

function seriesOf(run: RunId): string {
  return run.slice(0, run.lastIndexOf(".") + 1) || run;
}

/** What the whole worksheet is doing, for the tab's title and icon. */
export function workState(notebook: Notebook): "running" | "failed" | "idle" {
  const { open, failed } = overviewOf(notebook);
  return open.length > 0 ? "running" : failed.size > 0 ? "failed" : "idle";
}

/** Its namespace is gone, and nothing brings it back. */
export function sessionIsOver({ session }: Notebook): boolean {
  return session !== null && ["dead", "closed", "lost"].includes(session.state);
}

/** Something is running or waiting to. */
export function sessionHolds(notebook: Notebook): boolean {
  const state = notebook.session?.state;
  return state === "busy" || state === "interrupted" || overviewOf(notebook).open.length > 0;
}

/** Who tries something now that the session is busy with; null when nobody does. */
export function triedBy({ scratches, answers }: Notebook): AccountName | null {
  for (const [msgId, account] of scratches) {
    const answer = answers.get(msgId);
    if (answer !== undefined && answer.started !== null && answer.ended === null && answer.outcome === null) return account;
  }
  return null;
}
