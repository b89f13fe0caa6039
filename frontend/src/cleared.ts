/** Outputs that are stored no more. Pure. */

import type { Answer } from "./outputs";
import type { CellId, MessageId, Run } from "./protocol";

/** What a worksheet knows of them. */
interface Outputs {
  readonly runs: ReadonlyMap<CellId, Run>;
  readonly answers: ReadonlyMap<MessageId, Answer>;
  readonly omitted: ReadonlyMap<MessageId, unknown>;
}

/** Nothing stands under these cells any more; a run that goes on was left alone. */
export function cleared<Known extends Outputs>(notebook: Known, cells: readonly CellId[]): Known {
  const gone = new Map<MessageId, Answer>();
  for (const cell of cells) {
    const run = notebook.runs.get(cell);
    const answer = run && notebook.answers.get(run.msg_id);
    if (run && answer && !["queued", "running"].includes(run.state)) gone.set(run.msg_id, { ...answer, outputs: [] });
  }
  if (gone.size === 0) return notebook;
  return {
    ...notebook,
    answers: new Map([...notebook.answers, ...gone]),
    omitted: new Map([...notebook.omitted].filter(([id]) => !gone.has(id))),
  };
}

/** Whether anything stands under the cell. */
export function hasOutputs(notebook: Outputs, cell: CellId): boolean {
  const run = notebook.runs.get(cell);
  return run !== undefined && (notebook.answers.get(run.msg_id)?.outputs.length ?? 0) > 0;
}
