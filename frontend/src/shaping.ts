/** What a person can do to the shape of cells: split, merge, make a heading, copy and paste. */

import type { ChangeSet } from "@codemirror/state";
import { difference } from "./draft";
import { type Notebook, textOf } from "./notebook";
import type { Cell, CellId, CellType } from "./protocol";
import type { State } from "./state";
import type { Store } from "./store";

export interface ShapingHost {
  typed(cell: CellId, change: ChangeSet): void;
  /** Returns when the cell is there, or cannot be made: then a notice says why. */
  addCell(after: CellId | null, type: CellType, edit: boolean, source: string): Promise<void>;
  deleteCell(cell: CellId): Promise<void>;
  convertCell(cell: CellId, type: CellType): Promise<void>;
  choose(cell: CellId): void;
  notify(text: string, wrong: boolean): void;
}

export class Shaping {
  /** Where the cursor is or was last, in UTF-16 units. */
  #caret: { readonly cell: CellId; readonly head: number } | null = null;

  constructor(
    private readonly store: Store<State>,
    private readonly host: ShapingHost,
  ) {}

  moved(cell: CellId, head: number): void {
    this.#caret = { cell, head };
  }

  #find(id: CellId): readonly [Notebook, Cell, number] | null {
    const { notebook } = this.store.state;
    const at = notebook?.cells.findIndex((cell) => cell.id === id) ?? -1;
    const cell = notebook?.cells[at];
    return notebook === null || cell === undefined ? null : [notebook, cell, at];
  }

  /** What stands behind the cursor becomes a cell of its own, below. */
  async split(id: CellId): Promise<void> {
    const found = this.#find(id);
    if (found === null) return;
    const [notebook, cell] = found;
    const text = textOf(notebook, cell);
    const at = this.#caret?.cell === id ? Math.min(this.#caret.head, text.length) : 0;
    const rest = text.slice(at);
    // The lower cell first: should it fail, nothing was cut.
    const before = new Set(notebook.cells.map(({ id }) => id));
    await this.host.addCell(id, cell.type, true, rest.replace(/^\n/, ""));
    const made = this.store.state.notebook?.cells.some((other) => !before.has(other.id)) ?? false;
    const now = this.#find(id);
    if (!made || now === null) return;
    const whole = textOf(now[0], now[1]);
    if (whole.endsWith(rest)) this.host.typed(id, difference(whole, whole.slice(0, whole.length - rest.length).replace(/\n$/, "")));
    else this.host.notify("Somebody changed the cell while it was split: what stands below stands above, too.", true);
  }

  /** The cell below is appended to this one, an empty line between them, and goes into the bin. */
  async mergeBelow(id: CellId): Promise<void> {
    const found = this.#find(id);
    const below = found?.[0].cells[found[2] + 1];
    if (found === null || below === undefined) return;
    const [notebook, cell] = found;
    const text = textOf(notebook, cell);
    const parts = [text, textOf(notebook, below)].filter((part) => part.trim() !== "");
    this.host.typed(id, difference(text, parts.join("\n\n")));
    await this.host.deleteCell(below.id);
    this.host.choose(id);
  }

  /** @param level from 1 to 6 */
  async heading(id: CellId, level: number): Promise<void> {
    const found = this.#find(id);
    if (found === null) return;
    const text = textOf(found[0], found[1]);
    this.host.typed(id, difference(text, `${"#".repeat(level)} ${text.replace(/^\s*#{1,6}\s*|^\s+/, "")}`));
    await this.host.convertCell(id, "markdown");
  }

  copy(id: CellId): void {
    const found = this.#find(id);
    if (found === null) return;
    const [notebook, cell] = found;
    this.store.set({ clipboard: { type: cell.type, source: textOf(notebook, cell) } });
  }

  async cut(id: CellId): Promise<void> {
    this.copy(id);
    await this.host.deleteCell(id);
  }

  /** @param above instead of below */
  async paste(id: CellId | null, above = false): Promise<void> {
    const { clipboard, notebook } = this.store.state;
    if (clipboard === null || notebook === null) return;
    const at = notebook.cells.findIndex((cell) => cell.id === id);
    const after = above ? (notebook.cells[at - 1]?.id ?? null) : id;
    await this.host.addCell(after, clipboard.type, false, clipboard.source);
  }
}
