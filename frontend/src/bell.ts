/** Telling somebody who looks elsewhere that what they wait for has ended. */

import { cellState, type CellState, type Notebook } from "./notebook";
import { overviewOf } from "./overview";
import type { CellId } from "./protocol";
import type { State } from "./state";
import type { Store } from "./store";
import type { Clock } from "./transport";

/** Milliseconds. Who waits for less looks on. */
export const LONG = 10_000;

/** What ended: how, which cell, the only or the first that failed, or how many, and how long it took. */
export interface Rung {
  readonly kind: CellState["kind"];
  readonly place: number;
  readonly count: number;
  readonly seconds: number;
  /** Of the worksheet. */
  readonly title: string;
}

/** What a browser can do about it. */
export interface Desk {
  /** Whether anybody can see the page. */
  visible(): boolean;
  /** Ask whether it may tell; only after a press of a key or a button. */
  ask(): Promise<"granted" | "denied" | "default">;
  /** @param then when somebody comes because of it */
  tell(rung: Rung, then: () => void): void;
}

/** The cells that this person began and that have not ended, and since when: milliseconds since 1970. */
export function waitsFor(notebook: Notebook): { readonly cells: readonly CellId[]; readonly since: number | null } {
  const runs = overviewOf(notebook).open.flatMap((cell) => {
    const run = notebook.runs.get(cell);
    return run === undefined || run.account !== notebook.me ? [] : [{ cell, created: Date.parse(run.created) }];
  });
  return { cells: runs.map(({ cell }) => cell), since: runs.length === 0 ? null : Math.min(...runs.map(({ created }) => created)) };
}

export class Bell {
  /** What is waited for: since when, by our clock, and the cells, the first one first. */
  #waiting: { readonly since: number; readonly worksheet: string; readonly cells: ReadonlySet<CellId> } | null = null;

  constructor(
    private readonly store: Store<State>,
    private readonly clock: Clock,
    private readonly desk: Desk,
    private readonly show: (cell: CellId) => void,
    private readonly notify: (text: string) => void,
  ) {
    store.watch(({ notebook }) => this.#look(notebook));
  }

  /** Somebody wants to be told. */
  async wanted(): Promise<void> {
    const answer = await this.desk.ask();
    this.store.set({ bell: answer === "granted" ? "on" : "off" });
    if (answer !== "granted") this.notify("This browser does not let the page tell you. Its tab shows when a run has ended.");
  }

  unwanted(): void {
    this.store.set({ bell: "off" });
  }

  /** The page is looked at: what the tab told is seen. */
  seen(): void {
    if (this.store.state.unseen !== null) this.store.set({ unseen: null });
  }

  #look(notebook: Notebook | null): void {
    const waiting = this.#waiting;
    if (notebook === null || (waiting !== null && waiting.worksheet !== notebook.worksheet.id)) {
      this.#waiting = null;
      return;
    }
    const { cells } = waitsFor(notebook);
    if (cells.length > 0) {
      if (waiting === null || cells.some((cell) => !waiting.cells.has(cell)))
        this.#waiting = { since: waiting?.since ?? this.clock.now(), worksheet: notebook.worksheet.id, cells: new Set([...(waiting?.cells ?? []), ...cells]) };
    } else if (waiting !== null) {
      this.#waiting = null;
      const long = this.clock.now() - waiting.since;
      if (long >= LONG && !this.desk.visible()) this.#ring(notebook, waiting.cells, long);
    }
  }

  #ring(notebook: Notebook, cells: ReadonlySet<CellId>, long: number): void {
    const ended = [...cells].filter((cell) => notebook.cells.some(({ id }) => id === cell));
    const bad = ended.find((cell) => cellState(notebook, cell).kind !== "done");
    const cell = bad ?? ended.at(-1);
    if (cell === undefined) return;
    this.store.set({ unseen: bad === undefined ? "done" : "failed" });
    if (this.store.state.bell !== "on") return;
    const place = notebook.cells.findIndex(({ id }) => id === cell) + 1;
    const count = bad === undefined ? ended.length : 1;
    this.desk.tell({ kind: cellState(notebook, cell).kind, place, count, seconds: long / 1000, title: notebook.worksheet.title }, () => this.show(cell));
  }
}
