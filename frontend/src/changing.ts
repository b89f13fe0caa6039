/**
 * Changes the worksheet's cells, and undoes it: what a person does by one command is one deed, one request, and
 * one step back.
 */

import type { ChangeSet } from "@codemirror/state";
import type { Client } from "./client";
import { difference } from "./draft";
import { type Notebook, textOf } from "./notebook";
import type { CellId, Step } from "./protocol";
import type { State } from "./state";
import { type Deed, fitting, inverse, type Rewritten, takenBack } from "./steps";
import type { Store } from "./store";

/** Deeds that can be undone, the newest. The history has them all. */
const KEPT = 100;

export interface ChangingHost {
  typed(cell: CellId, change: ChangeSet): void;
  /** Returns when the server has the text of the cell. */
  flush(cell: CellId): Promise<void>;
  /** Returns when the state is as asked, or is late. */
  until(reached: (state: State) => boolean): Promise<void>;
  /** Do it; a refusal becomes a notice. */
  tell(work: () => Promise<unknown>): Promise<void>;
  choose(cell: CellId | null): void;
}

export class Changing {
  constructor(
    private readonly store: Store<State>,
    private readonly client: Client,
    private readonly host: ChangingHost,
  ) {}

  /**
   * Do something whole. The answer tells how to undo it, and comes when the cells show it; null when it was refused.
   *
   * @param name as a sentence goes on after "Undone:"
   */
  async do(name: string, steps: readonly Step[], texts: readonly Rewritten[] = []): Promise<Deed | null> {
    const back = await this.#perform({ name, steps, texts });
    if (back !== null) this.store.update((state) => ({ ...state, done: [...state.done, back].slice(-KEPT), undone: [] }));
    return back;
  }

  async undo(): Promise<void> {
    const deed = this.store.state.done.at(-1);
    if (deed !== undefined) await this.undoThis(deed);
  }

  /** Undo one of the last deeds, whatever was done since. */
  async undoThis(deed: Deed): Promise<void> {
    if (!this.store.state.done.includes(deed)) return;
    this.store.update((state) => ({ ...state, done: state.done.filter((other) => other !== deed) }));
    const forth = await this.#perform(deed, true);
    if (forth === null) return this.store.update((state) => ({ ...state, done: [...state.done, deed] }));
    this.store.update((state) => ({ ...state, undone: [...state.undone, forth].slice(-KEPT), said: `Undone: ${deed.name}` }));
  }

  async redo(): Promise<void> {
    const deed = this.store.state.undone.at(-1);
    if (deed === undefined) return;
    this.store.update((state) => ({ ...state, undone: state.undone.slice(0, -1) }));
    const back = await this.#perform(deed, true);
    if (back === null) return this.store.update((state) => ({ ...state, undone: [...state.undone, deed] }));
    this.store.update((state) => ({ ...state, done: [...state.done, back].slice(-KEPT), said: `Done again: ${deed.name}` }));
  }

  /** @param goes to the cells that it is about @returns what undoes it */
  async #perform(deed: Deed, goes = false): Promise<Deed | null> {
    const before = this.store.state.notebook;
    if (before === null) return null;
    const steps = fitting(before.cells, deed.steps);
    const texts = deed.texts.filter(({ cell }) => before.cells.some(({ id }) => id === cell));
    const back: Deed = { name: deed.name, steps: inverse(before.cells, steps), texts: texts.map(({ cell, before, after }) => ({ cell, before: after, after: before })) };
    const gone = steps.flatMap((step) => (step.do === "delete" ? [step.cell] : []));
    let done = false;
    await this.host.tell(async () => {
      // What is taken away stands in another place first: should it fail, nothing is lost.
      if (gone.length > 0) this.#write(texts);
      await Promise.all([...gone, ...(gone.length > 0 ? texts.map(({ cell }) => cell) : [])].map((cell) => this.host.flush(cell)));
      if (steps.length > 0) await this.client.change(before.worksheet.id, steps);
      await this.host.until((state) => shows(state.notebook, steps));
      if (gone.length === 0) this.#write(texts);
      done = true;
    });
    if (!done) return null;
    if (goes) this.host.choose(whereTo(before, this.store.state.notebook, steps, texts));
    return back;
  }

  /** What others wrote into it in between stays. */
  #write(texts: readonly Rewritten[]): void {
    for (const { cell: id, before, after } of texts) {
      const { notebook } = this.store.state;
      const cell = notebook?.cells.find((other) => other.id === id);
      if (!notebook || cell === undefined) continue;
      const now = textOf(notebook, cell);
      const change = difference(now, takenBack(now, before, after));
      if (!change.empty) this.host.typed(id, change);
    }
  }
}

/** The log has told of what was made and taken away. */
function shows(notebook: Notebook | null, steps: readonly Step[]): boolean {
  if (notebook === null) return true;
  const last = new Map(steps.map((step) => [step.cell, step.do]));
  const there = new Set(notebook.cells.map(({ id }) => id));
  return [...last].every(([cell, did]) => there.has(cell) !== (did === "delete"));
}

/** The first cell that a deed is about, or the one that follows those that it took away. */
function whereTo(before: Notebook, now: Notebook | null, steps: readonly Step[], texts: readonly Rewritten[]): CellId | null {
  const about = new Set<CellId>([...steps.map(({ cell }) => cell), ...texts.map(({ cell }) => cell)]);
  const found = now?.cells.find(({ id }) => about.has(id))?.id;
  return found ?? besideGone(before, about);
}

/** The cell behind those that go, or else the one before them. */
export function besideGone({ cells }: Notebook, gone: ReadonlySet<CellId>): CellId | null {
  const last = cells.findLastIndex(({ id }) => gone.has(id));
  const behind = cells.slice(last + 1).find(({ id }) => !gone.has(id));
  return (behind ?? cells.slice(0, Math.max(0, last)).findLast(({ id }) => !gone.has(id)))?.id ?? null;
}
