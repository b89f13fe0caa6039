/** Tells the others where this person writes: the newest place, a few times a second. Nothing depends on it. */

import type { Client } from "./client";
import { type Notebook, type NotebookEvent, toldPlace } from "./notebook";
import type { CellId } from "./protocol";
import { RpcError } from "./rpc";
import type { Clock } from "./transport";

/** Milliseconds between two tellings: below what the server takes, and what an eye calls at once. */
const PAUSE = 150;

export interface CaretsHost {
  notebook(): Notebook | null;
  apply(event: NotebookEvent): void;
}

interface Place {
  readonly cell: CellId;
  readonly anchor: number;
  readonly head: number;
}

export class Carets {
  #place: Place | null = null;
  #told = "";
  #cancel: (() => void) | null = null;
  #telling = false;

  constructor(
    private readonly client: Client,
    private readonly clock: Clock,
    private readonly host: CaretsHost,
  ) {}

  /** The selection of the editor is there; positions are those of the text as it is seen. */
  moved(cell: CellId, anchor: number, head: number): void {
    this.#place = { cell, anchor, head };
    this.#soon();
  }

  /** A text changed. What was told for the one before may reach the others after the change: tell it for this one. */
  edited(): void {
    if (this.#place !== null) this.#soon();
  }

  /** Nothing is edited any more. */
  left(): void {
    if (this.#place === null) return;
    this.#place = null;
    this.#soon();
  }

  /** A new connection is a new window, of which nobody knows anything. */
  connected(): void {
    this.#told = "";
    if (this.#place !== null) this.#soon();
  }

  #soon(): void {
    if (this.#cancel === null && !this.#telling)
      this.#cancel = this.clock.later(PAUSE, () => {
        this.#cancel = null;
        void this.#tell();
      });
  }

  async #tell(): Promise<void> {
    const notebook = this.host.notebook();
    if (notebook === null) return;
    const place = this.#place;
    const told = place === null ? null : toldPlace(notebook, place.cell, place.anchor, place.head);
    const text = JSON.stringify(told);
    if (text === this.#told) return;
    this.#telling = true;
    try {
      const { window } = await this.client.tellCaret(notebook.worksheet.id, told);
      this.#told = text;
      this.host.apply({ type: "window_known", window });
    } catch (error) {
      // The next move tells again; after a lost connection `connected` does.
      if (!(error instanceof RpcError)) throw error;
    } finally {
      this.#telling = false;
    }
    if (this.#place !== place) this.#soon();
  }
}
