/** What a person can do with the past: look at earlier states, at the bin and at earlier runs, and go back. */

import type { Client } from "./client";
import type { CellId, Entry, RunId, Span, WorksheetId } from "./protocol";
import type { Dialog, Past, State } from "./state";
import type { Store } from "./store";

export interface PastHost {
  /** Do it; a fault becomes a notice. */
  tell(work: () => Promise<unknown>): Promise<void>;
  notify(text: string): void;
  /** Send what is typed; returns when the server has it. */
  flush(): Promise<unknown>;
  /** Make a cell the current one, once it is there. */
  choose(cell: CellId): Promise<void>;
}

type Of<Kind extends Dialog["kind"]> = Extract<Dialog, { kind: Kind }>;

/** The others change no cell. */
const CHANGES: readonly Entry["kind"][] = ["cell_created", "cell_edited", "cell_converted", "cell_annotated", "cell_moved", "cell_deleted"];

/** How many pages of the log are asked for at once, while they have no span to show. */
const PAGES = 20;

export class PastActions {
  constructor(
    private readonly store: Store<State>,
    private readonly client: Client,
    private readonly host: PastHost,
  ) {}

  get #worksheet(): WorksheetId | null {
    return this.store.state.notebook?.worksheet.id ?? null;
  }

  // --- The bin --------------------------------------------------------------------------------

  openBin(): void {
    this.store.set({ dialog: { kind: "bin", deleted: null, more: false }, fault: null });
    void this.moreBin();
  }

  /** The next page, or the first. */
  async moreBin(): Promise<void> {
    const worksheet = this.#worksheet;
    if (worksheet === null) return;
    await this.host.tell(async () => {
      const before = this.#dialog("bin")?.deleted?.at(-1)?.number ?? null;
      const page = await this.client.bin(worksheet, before);
      this.#change("bin", (dialog) => ({ ...dialog, deleted: [...(dialog.deleted ?? []), ...page.deleted], more: page.more }));
    });
  }

  /** A deleted cell comes back to where it stood. */
  async bringBack(cell: CellId): Promise<void> {
    const worksheet = this.#worksheet;
    if (worksheet === null) return;
    await this.host.tell(async () => {
      await this.client.restoreCell(worksheet, cell, null);
      this.#change("bin", (dialog) => ({ ...dialog, deleted: dialog.deleted?.filter((item) => item.cell.id !== cell) ?? null }));
      await this.host.choose(cell);
    });
  }

  // --- Earlier runs of a cell -----------------------------------------------------------------

  openRuns(cell: CellId): void {
    this.store.set({ dialog: { kind: "runs", cell, runs: null, more: false, chosen: [], outputs: new Map() }, fault: null });
    void this.moreRuns();
  }

  async moreRuns(): Promise<void> {
    const [worksheet, dialog] = [this.#worksheet, this.#dialog("runs")];
    if (worksheet === null || dialog === null) return;
    await this.host.tell(async () => {
      const page = await this.client.runs(worksheet, dialog.cell, dialog.runs?.at(-1)?.id ?? null);
      this.#change("runs", (now) => (now.cell === dialog.cell ? { ...now, runs: [...(now.runs ?? []), ...page.runs], more: page.more } : now));
      // The newest beside the one before it: what changed since is the usual question.
      if (dialog.runs === null) for (const run of page.runs.slice(0, 2).reverse()) await this.chooseRun(run.id, true);
    });
  }

  /** Look at a run, beside the one that was chosen before it; or no longer. */
  async chooseRun(run: RunId, chosen: boolean): Promise<void> {
    const worksheet = this.#worksheet;
    this.#change("runs", (dialog) => {
      const others = dialog.chosen.filter((other) => other !== run);
      return { ...dialog, chosen: chosen ? [...others, run].slice(-2) : others };
    });
    if (!chosen || worksheet === null || this.#dialog("runs")?.outputs.has(run)) return;
    await this.host.tell(async () => {
      const outputs = await this.client.runOutputs(worksheet, run);
      this.#change("runs", (dialog) => ({ ...dialog, outputs: new Map([...dialog.outputs, [run, outputs]]) }));
    });
  }

  /** Another part of what a run published, before what is shown of it. */
  async showBefore(run: RunId): Promise<void> {
    const worksheet = this.#worksheet;
    const shown = this.#dialog("runs")?.outputs.get(run);
    if (worksheet === null || shown === undefined || shown.omitted === 0) return;
    await this.host.tell(async () => {
      const { publications, first, omitted } = await this.client.runOutputs(worksheet, run, shown.first);
      this.#change("runs", (dialog) => {
        if (dialog.outputs.get(run) !== shown) return dialog;
        const longer = { publications: [...publications, ...shown.publications], first, omitted };
        return { ...dialog, outputs: new Map([...dialog.outputs, [run, longer]]) };
      });
    });
  }

  // --- Earlier states -------------------------------------------------------------------------

  async openHistory(): Promise<void> {
    await this.host.tell(async () => {
      await this.host.flush();
      const { spans, more } = await this.#earlier(null);
      if (spans.length === 0) return this.host.notify("Nothing has happened here yet.");
      this.store.set({ past: { spans, more, at: spans.length - 1, before: null, after: null }, editing: false });
      await this.#look();
    });
  }

  closeHistory(): void {
    this.store.set({ past: null });
  }

  /** Go to a span; before the first one, more of them are asked for. */
  async goTo(at: number): Promise<void> {
    const { past } = this.store.state;
    if (past === null) return;
    await this.host.tell(async () => {
      let target = at;
      if (at < 0) {
        if (!past.more) return;
        const { spans, more } = await this.#earlier(past.spans[0]?.first ?? null);
        if (this.store.state.past?.spans !== past.spans) return;
        this.store.set({ past: { ...past, spans: [...spans, ...past.spans], more } });
        target = spans.length - 1;
      }
      const now = this.store.state.past;
      const span = now?.spans[target];
      if (now === null || span === undefined) return;
      this.store.set({ past: { ...now, at: target } });
      await this.#look();
    });
  }

  /** Make the cells what they were at the end of the span that is looked at. */
  async restore(): Promise<void> {
    const [worksheet, span] = [this.#worksheet, spanOf(this.store.state.past)];
    if (worksheet === null || span === null) return;
    await this.host.tell(async () => {
      await this.client.restore(worksheet, span.last);
      this.closeHistory();
      this.host.notify("The worksheet is restored. What was before is in its history.");
    });
  }

  /** Make one cell what it was after an entry, or bring it back so. */
  async restoreCell(cell: CellId, number: number): Promise<void> {
    const worksheet = this.#worksheet;
    if (worksheet === null) return;
    await this.host.tell(async () => {
      await this.client.restoreCell(worksheet, cell, number);
      this.closeHistory();
      await this.host.choose(cell);
    });
  }

  async #earlier(before: number | null): Promise<{ spans: readonly Span[]; more: boolean }> {
    const worksheet = this.#worksheet;
    if (worksheet === null) return { spans: [], more: false };
    let from = before;
    for (let page = 1; ; page++) {
      const { spans, more } = await this.client.history(worksheet, from);
      const shown = spans.filter(({ kinds }) => CHANGES.some((kind) => kinds[kind] !== undefined)).reverse();
      from = spans.at(-1)?.first ?? null;
      if (shown.length > 0 || !more || page === PAGES) return { spans: shown, more };
    }
  }

  /** Ask for the two moments of the span; the answer counts if it is still the one looked at. */
  async #look(): Promise<void> {
    const [worksheet, span] = [this.#worksheet, spanOf(this.store.state.past)];
    if (worksheet === null || span === null) return;
    const [before, after] = await Promise.all([
      span.first > 1 ? this.client.at(worksheet, span.first - 1) : null,
      this.client.at(worksheet, span.last),
    ]);
    const { past } = this.store.state;
    if (past !== null && spanOf(past) === span) this.store.set({ past: { ...past, before, after } });
  }

  #dialog<Kind extends Dialog["kind"]>(kind: Kind): Of<Kind> | null {
    const { dialog } = this.store.state;
    return dialog?.kind === kind ? (dialog as Of<Kind>) : null;
  }

  /** Closed meanwhile, it stays closed. */
  #change<Kind extends Dialog["kind"]>(kind: Kind, change: (dialog: Of<Kind>) => Dialog): void {
    const dialog = this.#dialog(kind);
    if (dialog !== null) this.store.set({ dialog: change(dialog) });
  }
}

function spanOf(past: Past | null): Span | null {
  return past?.spans[past.at] ?? null;
}
