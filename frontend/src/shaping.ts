/** What a person can do to cells, one or many: add, delete, move, convert, split, merge, cut, copy, paste. */

import type { Changing } from "./changing";
import { besideGone } from "./changing";
import { type Clip, clipOf, clipsOfText, mergedMetadata } from "./clips";
import { sectionsOf } from "./folding";
import { type Notebook, textOf } from "./notebook";
import type { Cell, CellId, CellType, Step } from "./protocol";
import type { State } from "./state";
import { besides, type Deed, movesTo, type Rewritten } from "./steps";
import type { Store } from "./store";

export interface ShapingHost {
  readonly changing: Changing;
  choose(cell: CellId | null, editing?: boolean): void;
  notify(text: string, wrong?: boolean, action?: { label: string; then: () => void } | null): void;
  newId(): CellId;
}

export class Shaping {
  /** What is or was selected last in an editor, in UTF-16 units. */
  #caret: { readonly cell: CellId; readonly anchor: number; readonly head: number } | null = null;

  constructor(
    private readonly store: Store<State>,
    private readonly host: ShapingHost,
  ) {}

  moved(cell: CellId, anchor: number, head: number): void {
    this.#caret = { cell, anchor, head };
  }

  // --- Make, take away ------------------------------------------------------------------------

  /** Add a cell after another one, or at the top, and choose it. What is typed on the way is for the new one. */
  async add(after: CellId | null, type: CellType = "code", edit = true, source = ""): Promise<void> {
    const cell = this.host.newId();
    const behind = this.#behind(after);
    const step: Step = { do: "create", cell, after: behind, type, source, metadata: {} };
    if (edit && behind !== null) this.store.set({ arriving: { cell, after: behind, text: "" } });
    const made = await this.host.changing.do("insert a cell", [step]);
    if (made !== null) return this.host.choose(cell, edit);
    const { arriving } = this.store.state;
    if (arriving?.cell !== cell) return;
    this.store.set({ arriving: null });
    const again = { label: "Try again", then: () => void this.add(after, type, true, source + arriving.text) };
    if (arriving.text !== "") this.host.notify("The new cell could not be made; what you typed for it is kept.", true, again);
  }

  /** Typed for the cell that is on its way. */
  typedAhead(text: string): void {
    this.store.update((state) => (state.arriving === null ? state : { ...state, arriving: { ...state.arriving, text } }));
  }

  /** The editor of the cell that was on its way has what was typed for it. */
  arrived(): void {
    this.store.set({ arriving: null });
  }

  async addBefore(cell: CellId): Promise<void> {
    const { cells } = this.#notebook ?? { cells: [] };
    const at = cells.findIndex(({ id }) => id === cell);
    await this.add(cells[at - 1]?.id ?? null, "code", false);
  }

  async remove(cells: readonly CellId[], word = "deleted"): Promise<void> {
    const notebook = this.#notebook;
    if (notebook === null || cells.length === 0) return;
    const next = besideGone(notebook, new Set(cells));
    const back = await this.host.changing.do(`${word === "cut" ? "cut" : "delete"} ${counted(cells.length)}`, cells.map((cell) => ({ do: "delete", cell })));
    if (back === null) return;
    this.host.choose(next);
    const label = cells.length === 1 ? "Put it back" : "Put them back";
    this.host.notify(cells.length === 1 ? `Cell ${word}.` : `${cells.length} cells ${word}.`, false, { label, then: () => this.#takeBack(back) });
  }

  #takeBack(deed: Deed): void {
    void this.host.changing.undoThis(deed);
  }

  // --- Order, kind ----------------------------------------------------------------------------

  /** Move cells by one place, as a block. */
  async move(cells: readonly CellId[], by: 1 | -1): Promise<void> {
    const notebook = this.#notebook;
    if (notebook === null) return;
    const { seen } = sectionsOf(notebook.cells, this.store.state.folds);
    const after = besides(seen, cells, by);
    if (after !== undefined) await this.moveTo(cells, after);
  }

  /** Move cells behind another one, or to the top. */
  async moveTo(cells: readonly CellId[], after: CellId | null): Promise<void> {
    const notebook = this.#notebook;
    if (notebook === null) return;
    // Behind one of themselves is behind the nearest that stays.
    const moved = new Set(cells);
    const at = notebook.cells.findIndex(({ id }) => id === this.#behind(after));
    if (after !== null && at === -1) return;
    const anchor = notebook.cells.slice(0, at + 1).findLast(({ id }) => !moved.has(id))?.id ?? null;
    const steps = movesTo(notebook.cells, cells, anchor);
    if (steps.length === 0 || !(await this.host.changing.do(`move ${counted(cells.length)}`, steps))) return;
    const place = (this.#notebook?.cells.findIndex(({ id }) => id === cells[0]) ?? -1) + 1;
    this.store.set({ said: cells.length === 1 ? `Moved to place ${place}` : `${cells.length} cells moved to place ${place}` });
  }

  async convert(cells: readonly CellId[], type: CellType): Promise<void> {
    const wrong = this.#cells(cells).filter((cell) => cell.type !== type);
    if (wrong.length === 0) return;
    await this.host.changing.do(`make ${counted(wrong.length)} ${type === "code" ? "code" : "Markdown"}`, wrong.map(({ id }) => ({ do: "convert", cell: id, type })));
  }

  /** @param level from 1 to 6 */
  async heading(cells: readonly CellId[], level: number): Promise<void> {
    const notebook = this.#notebook;
    if (notebook === null) return;
    const found = this.#cells(cells);
    const texts = found.map((cell): Rewritten => {
      const before = textOf(notebook, cell);
      return { cell: cell.id, before, after: `${"#".repeat(level)} ${before.replace(/^\s*#{1,6}\s*|^\s+/, "")}` };
    });
    await this.host.changing.do("make a heading", found.map(({ id }) => ({ do: "convert", cell: id, type: "markdown" })), texts);
  }

  // --- Split, merge ---------------------------------------------------------------------------

  /** What stands behind the cursor becomes a cell of its own, below; what is selected, too. */
  async split(id: CellId): Promise<void> {
    const [cell] = this.#cells([id]);
    const notebook = this.#notebook;
    if (notebook === null || cell === undefined) return;
    const text = textOf(notebook, cell);
    const { anchor, head } = this.#caret?.cell === id ? this.#caret : { anchor: 0, head: 0 };
    const [first, ...others] = parts(text, anchor, head);
    if (first === undefined || others.length === 0) return;
    const steps: Step[] = [];
    for (const source of others) {
      const after = steps.at(-1)?.cell ?? id;
      steps.push({ do: "create", cell: this.host.newId(), after, type: cell.type, source, metadata: cell.metadata });
    }
    if (await this.host.changing.do("split a cell", steps, [{ cell: id, before: text, after: first }])) this.host.choose(steps.at(-1)!.cell, true);
  }

  /** One cell of many, an empty line between them; those that go lie in the bin. */
  async merge(ids: readonly CellId[]): Promise<void> {
    const notebook = this.#notebook;
    const [first, ...others] = this.#cells(ids);
    if (notebook === null || first === undefined || others.length === 0) return;
    const texts = [first, ...others].map((cell) => textOf(notebook, cell));
    const after = texts.filter((part) => part.trim() !== "").join("\n\n");
    const metadata = mergedMetadata([first, ...others].map((cell) => cell.metadata));
    const steps: Step[] = others.map(({ id }) => ({ do: "delete", cell: id }));
    if (JSON.stringify(metadata) !== JSON.stringify(first.metadata)) steps.unshift({ do: "annotate", cell: first.id, patch: metadata });
    const done = await this.host.changing.do(`merge ${counted(others.length + 1)}`, steps, [{ cell: first.id, before: texts[0]!, after }]);
    if (done === null) return;
    this.host.choose(first.id);
    this.store.set({ said: `${others.length + 1} cells merged` });
  }

  async mergeWith(id: CellId, by: 1 | -1): Promise<void> {
    const cells = this.#notebook?.cells ?? [];
    const at = cells.findIndex((cell) => cell.id === id);
    const other = cells[at + by];
    if (other !== undefined) await this.merge(by === 1 ? [id, other.id] : [other.id, id]);
  }

  // --- Clipboard ------------------------------------------------------------------------------

  copy(ids: readonly CellId[]): readonly Clip[] {
    const notebook = this.#notebook;
    const cells = this.#cells(ids);
    if (notebook === null || cells.length === 0) return [];
    const clipboard = cells.map((cell) => clipOf(cell, textOf(notebook, cell)));
    this.store.set({ clipboard, said: `${capital(counted(cells.length))} copied` });
    return clipboard;
  }

  async cut(ids: readonly CellId[]): Promise<void> {
    this.copy(ids);
    await this.remove(ids, "cut");
  }

  /** @param above instead of below */
  async paste(id: CellId | null, above = false): Promise<void> {
    const { clipboard } = this.store.state;
    if (clipboard !== null) await this.insert(clipboard, id, above);
  }

  /** Text that was copied elsewhere. */
  async pasteText(text: string, id: CellId | null): Promise<void> {
    const clips = clipsOfText(text);
    if (clips !== null) await this.insert(clips, id);
  }

  async insert(clips: readonly Clip[], id: CellId | null, above = false): Promise<void> {
    const notebook = this.#notebook;
    if (notebook === null) return;
    const at = notebook.cells.findIndex((cell) => cell.id === id);
    let after = above ? (notebook.cells[at - 1]?.id ?? null) : this.#behind(id);
    const steps = clips.map((clip): Step => {
      const cell = this.host.newId();
      const step: Step = { do: "create", cell, after, ...clip };
      after = cell;
      return step;
    });
    if (!(await this.host.changing.do(`paste ${counted(steps.length)}`, steps))) return;
    this.host.choose(steps[0]!.cell);
    const all = steps.map(({ cell }) => cell);
    this.store.set({ selected: new Set(all.length > 1 ? all : []), anchor: all[0] ?? null, said: `${capital(counted(all.length))} pasted` });
  }

  // --- What the deeds need --------------------------------------------------------------------

  get #notebook(): Notebook | null {
    return this.store.state.notebook;
  }

  /** In the worksheet's order. */
  #cells(ids: readonly CellId[]): readonly Cell[] {
    const wanted = new Set(ids);
    return this.#notebook?.cells.filter(({ id }) => wanted.has(id)) ?? [];
  }

  /** Behind a folded heading is behind what it hides. */
  #behind(id: CellId | null): CellId | null {
    const notebook = this.#notebook;
    if (notebook === null || id === null) return id;
    const { counts } = sectionsOf(notebook.cells, this.store.state.folds);
    const at = notebook.cells.findIndex((cell) => cell.id === id);
    return notebook.cells[at + (counts.get(id) ?? 0)]?.id ?? id;
  }
}

/** A text in two at the cursor, or in up to three around what is selected; line ends at the cuts go. */
export function parts(text: string, anchor: number, head: number): readonly string[] {
  const [from, to] = [Math.min(anchor, head, text.length), Math.min(Math.max(anchor, head), text.length)];
  const pieces = from === to ? [text.slice(0, from), text.slice(from)] : [text.slice(0, from), text.slice(from, to), text.slice(to)].filter((piece) => piece !== "");
  return pieces.map((piece, at) => (at < pieces.length - 1 ? piece.replace(/\n$/, "") : piece)).map((piece, at) => (at > 0 ? piece.replace(/^\n/, "") : piece));
}

function counted(cells: number): string {
  return cells === 1 ? "a cell" : `${cells} cells`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

