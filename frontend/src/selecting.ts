/** Selects cells, and folds them away. */

import type { Changing } from "./changing";
import { foldKey, foldPatch, isFolded, type Part, sectionLevel, sectionsOf, unfolded } from "./folding";
import { may } from "./notebook";
import type { Cell, CellId, Step } from "./protocol";
import { extended, neighbour, type Selecting as Selected, selectedCells, toggled } from "./selection";
import type { State } from "./state";
import type { Store } from "./store";

const WORDS: Readonly<Record<Part, string>> = { code: "the code", outputs: "the outputs", section: "the section" };

export class Selecting {
  constructor(
    private readonly store: Store<State>,
    private readonly changing: Changing,
  ) {
    // Who stands on a cell that somebody folds away stands on its heading then; who writes in it goes on.
    store.watch((state) => {
      const { notebook, current, folds, editing } = state;
      if (notebook === null || current === null) return;
      const { under } = sectionsOf(notebook.cells, folds);
      const heading = under.get(current);
      if (heading === undefined) return;
      if (editing) this.unfold(current, "section");
      else store.set({ current: heading, selected: new Set(), anchor: null });
    });
  }

  // --- Selection ------------------------------------------------------------------------------

  extendTo(cell: CellId): void {
    this.#select(extended(this.store.state, cell));
  }

  extend(by: 1 | -1): void {
    const next = neighbour(this.store.state, by);
    if (next !== null) this.extendTo(next);
  }

  /** To the first cell, or to the last. */
  extendToEnd(by: 1 | -1): void {
    const { notebook, folds } = this.store.state;
    const cell = notebook === null ? undefined : sectionsOf(notebook.cells, folds).seen.at(by === 1 ? -1 : 0);
    if (cell !== undefined) this.extendTo(cell.id);
  }

  toggle(cell: CellId): void {
    this.#select(toggled(this.store.state, cell));
  }

  all(): void {
    const { notebook, current, folds } = this.store.state;
    if (notebook === null) return;
    const ids = sectionsOf(notebook.cells, folds).seen.map(({ id }) => id);
    this.#select({ current: current ?? ids[0] ?? null, selected: new Set(ids.length > 1 ? ids : []), anchor: ids[0] ?? null });
  }

  none(): void {
    this.#select({ current: this.store.state.current, selected: new Set(), anchor: null });
  }

  #select(selection: Selected): void {
    this.store.update((state) => {
      const next = { ...state, ...selection, editing: false };
      const count = selectedCells(next).length;
      return { ...next, said: count === 1 ? "One cell selected" : `${count} cells selected` };
    });
  }

  // --- Folding --------------------------------------------------------------------------------

  /** Fold a part of cells away, unless all of them have it folded: then unfold it. */
  async toggleFold(cells: readonly Cell[], part: Part): Promise<void> {
    const able = cells.filter((cell) => hasPart(cell, part));
    await this.fold(able, part, !able.every((cell) => isFolded(cell, part, this.store.state.folds)));
  }

  async foldAll(part: Part, folded: boolean): Promise<void> {
    await this.fold(this.store.state.notebook?.cells ?? [], part, folded);
  }

  /** For everyone, by the metadata of the cells; who may not change that changes it here alone. */
  async fold(cells: readonly Cell[], part: Part, folded: boolean): Promise<void> {
    const { notebook, folds } = this.store.state;
    const wrong = cells.filter((cell) => hasPart(cell, part) && isFolded(cell, part, folds) !== folded);
    if (notebook === null || wrong.length === 0) return;
    const verb = folded ? "hide" : "show";
    if (may(notebook.worksheet.role, "edit")) {
      const steps = wrong.map(({ id }): Step => ({ do: "annotate", cell: id, patch: foldPatch(part, folded) }));
      if ((await this.changing.do(`${verb} ${WORDS[part]}`, steps)) === null) return;
      this.#look(wrong, part, null);
    } else this.#look(wrong, part, folded);
    this.store.set({ said: `${WORDS[part].replace(/^./, (letter) => letter.toUpperCase())} of ${wrong.length === 1 ? "a cell" : `${wrong.length} cells`} ${folded ? "hidden" : "shown"}` });
  }

  /** For this window: what is in a cell shall be seen, and the cell. */
  unfold(id: CellId, ...parts: readonly Part[]): void {
    const { notebook, folds } = this.store.state;
    if (notebook === null) return;
    const next = unfolded(notebook.cells, folds, id, parts);
    if (next !== folds) this.store.set({ folds: next });
  }

  #look(cells: readonly Cell[], part: Part, folded: boolean | null): void {
    const folds = new Map(this.store.state.folds);
    for (const { id } of cells) {
      if (folded === null) folds.delete(foldKey(id, part));
      else folds.set(foldKey(id, part), folded);
    }
    this.store.set({ folds });
  }
}

function hasPart(cell: Cell, part: Part): boolean {
  return part === "section" ? sectionLevel(cell) !== null : cell.type === "code";
}
