/** How people ask that outputs be stored no more. */

import type { Client } from "./client";
import type { Notebook } from "./notebook";
import type { Cell, CellId } from "./protocol";

export interface ClearingHost {
  /** Do it; a fault becomes a notice. */
  tell(work: () => Promise<unknown>): Promise<void>;
  notify(text: string): void;
  confirm(what: { title: string; text: string; action: string; then: () => void }): void;
}

export class ClearingActions {
  constructor(
    private readonly notebook: () => Notebook | null,
    private readonly client: Client,
    private readonly host: ClearingHost,
  ) {}

  /** What stands under one cell goes, and what its earlier runs left. */
  cell({ id }: Cell): void {
    this.#ask("Delete the outputs of this cell?", "Those of its earlier runs too.", [id], "all");
  }

  all(): void {
    this.#ask("Delete all outputs of the worksheet?", "What stands under the cells, and what earlier runs left.", null, "all");
  }

  /** What stands under the cells stays. */
  earlier(): void {
    this.#ask("Delete the outputs of earlier runs?", "What stands under the cells stays.", null, "earlier");
  }

  #ask(title: string, text: string, cells: readonly CellId[] | null, which: "all" | "earlier"): void {
    const worksheet = this.notebook()?.worksheet.id;
    if (worksheet === undefined) return;
    this.host.confirm({
      title,
      text: `${text} The runs stay, with their code and how they ended. This cannot be undone.`,
      action: "Delete outputs",
      then: () =>
        void this.host.tell(async () => {
          const { freed } = await this.client.clear(worksheet, cells, which);
          this.host.notify(freed > 0 ? `${freed.toLocaleString()} bytes of output are deleted.` : "There was nothing to delete.");
        }),
    });
  }
}
