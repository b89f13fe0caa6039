/**
 * What all cells are doing, at a glance.
 *
 * Everything that needs to look at every cell asks here: it is looked at anew only when a run began, ended or asks
 * something, not when a run prints a line or somebody types. Pure, but for remembering the last two glances.
 */

import { type CellState, cellKind, type Notebook } from "./notebook";
import type { CellId, MessageId } from "./protocol";

export interface Overview {
  /** Of the cells that were ever run, those that stand in the worksheet or did. */
  readonly kinds: ReadonlyMap<CellId, CellState["kind"]>;
  /** Those that run or wait. */
  readonly open: readonly CellId[];
  readonly failed: ReadonlySet<CellId>;
  /** Requests that ran in the session, but of no cell. Oldest first. */
  readonly beside: readonly MessageId[];
}

interface Glance {
  readonly runs: Notebook["runs"];
  readonly stirred: number;
  readonly overview: Overview;
}

let last: readonly Glance[] = [];

export function overviewOf(notebook: Notebook): Overview {
  const { runs, stirred } = notebook;
  const known = last.find((glance) => glance.runs === runs && glance.stirred === stirred);
  if (known !== undefined) return known.overview;
  const overview = look(notebook);
  last = [{ runs, stirred, overview }, ...last.slice(0, 1)];
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
  for (const [msgId, { code }] of notebook.answers) if (code !== null && !ofCells.has(msgId)) beside.push(msgId);
  return { kinds, open, failed, beside };
}

/** What the whole worksheet is doing, for the tab's title and icon. */
export function workState(notebook: Notebook): "running" | "failed" | "idle" {
  const { open, failed } = overviewOf(notebook);
  return open.length > 0 ? "running" : failed.size > 0 ? "failed" : "idle";
}

/** Something is running or waiting to. */
export function sessionHolds(notebook: Notebook): boolean {
  const state = notebook.session?.state;
  return state === "busy" || state === "interrupted" || overviewOf(notebook).open.length > 0;
}
