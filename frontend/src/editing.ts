/**
 * Sends what was typed: a little after the last key, and before a run.
 *
 * One edit of a cell is on its way at a time. A refusal brings what came since; the notebook merges it,
 * and the result is sent again, so that `flush` ends when the server has what the person sees.
 */

import type { Client } from "./client";
import { isClean } from "./draft";
import type { Notebook, NotebookEvent } from "./notebook";
import type { CellId, Changes, Entry, WorksheetId } from "./protocol";
import { RpcError } from "./rpc";
import type { Clock } from "./transport";

/** Milliseconds from the last key to the sending: shorter than a pause in thought, longer than one in typing. */
const PAUSE = 300;

/** Refusals in a row before giving up: each means that somebody else was quicker. */
const ATTEMPTS = 20;

export interface EditingHost {
  notebook(): Notebook | null;
  apply(event: NotebookEvent): void;
  failed(error: RpcError): void;
  /** An id for an edit, never used before. */
  newEdit(): string;
}

export class Editing {
  readonly #timers = new Map<CellId, () => void>();
  readonly #flushing = new Map<CellId, Promise<void>>();

  constructor(
    private readonly client: Client,
    private readonly clock: Clock,
    private readonly host: EditingHost,
  ) {}

  /** The cell was typed into: send it after a pause. */
  touched(cell: CellId): void {
    this.#timers.get(cell)?.();
    this.#timers.set(
      cell,
      this.clock.later(PAUSE, () => {
        this.#timers.delete(cell);
        this.flush(cell).catch((error: unknown) => {
          if (error instanceof RpcError) this.host.failed(error);
          else throw error;
        });
      }),
    );
  }

  /** Everything that waited for a connection. */
  connected(): void {
    for (const cell of this.host.notebook()?.drafts.keys() ?? []) this.touched(cell);
  }

  /**
   * Returns when the server has the text of the cell.
   *
   * @throws RpcError when it could not be brought there; the draft is kept and unsent
   */
  async flush(cell: CellId): Promise<void> {
    this.#timers.get(cell)?.();
    this.#timers.delete(cell);
    // Two flushes of one cell are one; the second goes on with what was typed in between.
    for (let under = this.#flushing.get(cell); under !== undefined; under = this.#flushing.get(cell)) await under.catch(() => {});
    const work = this.#send(cell).finally(() => this.#flushing.delete(cell));
    this.#flushing.set(cell, work);
    await work;
  }

  async #send(cell: CellId): Promise<void> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const before = this.host.notebook();
      const draft = before?.drafts.get(cell);
      if (before === null || draft === undefined || isClean(draft)) return;
      // What was on its way when the connection was lost goes out again unchanged: if the server took it
      // the first time, the log shows it as ours.
      if (draft.sent === null) this.host.apply({ type: "edit_sent", cell, edit: this.host.newEdit() });
      const sending = this.host.notebook()?.drafts.get(cell);
      if (sending === undefined || sending.sent === null) return;
      const { edit, change } = sending.sent;
      const changes = change.toJSON() as Changes;
      try {
        const { version } = await this.client.editCell(before.worksheet.id, cell, sending.version, changes, edit);
        // It was applied before, and its answer lost: others may have come between.
        if (version > sending.version + 1) await this.#readLog(before.worksheet.id);
        else this.host.apply({ type: "edit_known", cell, version, changes, edit });
      } catch (error) {
        if (!(error instanceof RpcError)) throw error;
        if (error.name === "Disconnected" || error.name === "DeadlinePassed") throw error;
        if (error.name === "Conflict") await this.#learn(before.worksheet.id, error.data["since"] as readonly Entry[] | null | undefined);
        this.host.apply({ type: "edit_failed", cell });
        if (error.name !== "Conflict") throw error;
      }
    }
    throw new RpcError("Conflict", "Others keep changing this cell: your changes are kept here and not sent yet.");
  }

  /** The edits that came since, if the refusal carries them all; else what the log says. */
  async #learn(worksheet: WorksheetId, since: readonly Entry[] | null | undefined): Promise<void> {
    if (!since) return this.#readLog(worksheet);
    for (const entry of since) if (entry.kind === "cell_edited") this.host.apply({ ...entry, type: "edit_known" });
  }

  async #readLog(worksheet: WorksheetId): Promise<void> {
    for (;;) {
      const notebook = this.host.notebook();
      if (notebook === null) return;
      const { entries, latest } = await this.client.entriesSince(worksheet, notebook.log.cursor);
      this.host.apply({ type: "entries", entries, latest });
      const cursor = this.host.notebook()?.log.cursor ?? latest;
      if (cursor >= latest || entries.length === 0) return;
    }
  }
}
