/**
 * Which cells are drawn: those on the screen and around it. The others are gaps as tall as they are, or seem to be.
 *
 * What is remembered here is of this window and no part of the state: how tall cells were when they were seen last,
 * which of them hold something that would be lost with their elements, and what must stay where it is on the screen
 * when something above it changes its height. Browsers anchor too, but not all of them, and not in a page that is
 * drawn like this one; so they are told not to.
 */

import { Heights } from "../heights";
import type { Cell, CellId } from "../protocol";
import type { Top } from "./places";

/** So many cells are drawn whole: a page of that length is quick as it is, and the browser's own search finds all of it. */
const WHOLE = 60;

/** Screens that are drawn above and below the one that is seen: as far as a hand scrolls in one frame. */
const AROUND = 1;

/** Cells out of sight that stay because they hold a frame, a player or a field: an output in use has its own state. */
const KEPT = 60;

/** What would be lost with a cell's elements. */
const HOLDS = "iframe, video, audio, canvas, form, details.json[open]";

/** CSS pixels: the line at the top of the page, which lies over the cells. */
const HEAD = 52;

/** CSS pixels: a cell without its text, a line of code, a line of prose. For cells that were not seen yet. */
const FRAME_HEIGHT = 62;
const LINE_HEIGHT = 22;
const TALLEST_ESTIMATE = 1_200;

export type Item =
  | { readonly kind: "cell"; readonly key: string; readonly cell: Cell }
  | { readonly kind: "gap"; readonly key: string; readonly height: number; readonly cells: number };

export class CellWindow {
  #cells: readonly Cell[] = [];
  #places: ReadonlyMap<CellId, number> = new Map();
  #heights = new Heights([]);
  readonly #seen = new Map<CellId, number>();
  readonly #kept = new Set<CellId>();
  /** The range that is drawn, and the cells that were in it. */
  #from = 0;
  #to = 0;
  #drawn: ReadonlySet<CellId> = new Set();
  /** On paper everything is seen. */
  #whole = false;
  #list: HTMLElement | null = null;
  /** A cell on the screen, and its distance from the top of the document when it was looked at last. */
  #anchor: { readonly element: HTMLElement; readonly y: number } | null = null;
  /** Where a person was before: to be reached as soon as the page is tall enough. */
  #wanted: Top | null = null;

  readonly #sizes = new ResizeObserver((entries) => {
    for (const { target, borderBoxSize } of entries) {
      const element = target as HTMLElement;
      if (element.isConnected) this.#measured(element.dataset["cellId"] as CellId, borderBoxSize[0]?.blockSize ?? 0);
      else this.#sizes.unobserve(element);
    }
    this.#hold();
    this.follow();
  });

  /** @param changed other cells than before must be drawn */
  constructor(private readonly changed: () => void) {
    addEventListener("scroll", () => (this.#drop(), this.follow()), { passive: true });
    addEventListener("resize", () => this.follow());
    // Who moves by hand wants to be there.
    for (const kind of ["wheel", "touchmove", "keydown", "pointerdown"]) addEventListener(kind, () => (this.#wanted = null), { capture: true, passive: true });
  }

  /** The first cell of which something is on the screen. */
  get top(): Top | null {
    const first = this.#firstSeen((element) => element.getBoundingClientRect().bottom > HEAD);
    return first === null ? null : { cell: first.dataset["cellId"] as CellId, y: first.getBoundingClientRect().top };
  }

  /** Bring a cell to its place of the screen, with the next drawing. */
  returnTo(top: Top | null): void {
    this.#wanted = top;
  }

  /** Outputs that load above come between, and below there may not be enough yet: so more than once. */
  #return(): void {
    if (this.#wanted === null) return;
    const element = this.#list?.querySelector(`[data-cell-id="${CSS.escape(this.#wanted.cell)}"]`);
    if (element == null) return;
    const by = element.getBoundingClientRect().top - this.#wanted.y;
    if (Math.abs(by) >= 0.5) scrollBy({ top: by, behavior: "instant" });
  }

  /** The element that holds the cells, and those drawn in it: call it after each drawing. */
  drew(list: HTMLElement | null): void {
    const first = list !== this.#list;
    this.#list = list;
    if (list === null) {
      this.#from = this.#to = 0;
      this.#anchor = null;
      return;
    }
    this.#hold();
    if (first) this.follow();
  }

  /** What was on the screen is at the same place of it again, unless that is the beginning of the document. */
  #hold(): void {
    const anchor = this.#anchor;
    if (anchor?.element.isConnected && scrollY > 0) {
      const by = anchor.element.getBoundingClientRect().top + scrollY - anchor.y;
      if (Math.abs(by) >= 0.5) scrollBy({ top: by, behavior: "instant" });
    }
    this.#return();
    this.#drop();
  }

  /** Choose what will stay: the current cell if its head is on the screen, otherwise the first whose head is. */
  #drop(): void {
    const seen = (element: HTMLElement) => {
      const { top } = element.getBoundingClientRect();
      return top >= HEAD && top < innerHeight;
    };
    const current = this.#list?.querySelector<HTMLElement>(".cell.current") ?? null;
    const element = current !== null && seen(current) ? current : this.#firstSeen(seen);
    this.#anchor = element === null ? null : { element, y: element.getBoundingClientRect().top + scrollY };
  }

  #firstSeen(seen: (element: HTMLElement) => boolean): HTMLElement | null {
    for (const element of this.#list?.querySelectorAll<HTMLElement>(":scope > .cell") ?? []) if (seen(element)) return element;
    return null;
  }

  readonly observe = (element: Element | undefined): void => {
    if (element !== undefined) this.#sizes.observe(element);
  };

  /** Draw everything, or again what is seen alone. */
  set whole(whole: boolean) {
    this.#whole = whole;
  }

  /** Where a cell stands, counted from 0; -1 when it is gone. */
  placeOf(cell: CellId): number {
    return this.#places.get(cell) ?? -1;
  }

  /**
   * What to draw, in order.
   *
   * @param always cells that must be there, wherever they are
   * @param lines how many lines of output a cell has that was not seen yet
   */
  items(cells: readonly Cell[], always: readonly (CellId | null)[], lines: (cell: Cell) => number): readonly Item[] {
    this.#know(cells, lines);
    if (this.#whole || cells.length <= WHOLE) return cells.map(item);
    const extra = [...always, this.#wanted?.cell ?? null, ...this.#kept].flatMap((id) => (id === null ? [] : [this.placeOf(id)]));
    const places = new Set(extra.filter((place) => place >= 0 && (place < this.#from || place >= this.#to)));
    for (let place = this.#from; place < Math.min(this.#to, cells.length); place++) places.add(place);
    const items: Item[] = [];
    let next = 0;
    for (const place of [...places].sort((a, b) => a - b)) {
      this.#gap(items, next, place);
      items.push(item(cells[place]!));
      next = place + 1;
    }
    this.#gap(items, next, cells.length);
    return items;
  }

  /** A gap is named by the cell before it, so that no element is ever moved: a frame that is moved loads anew. */
  #gap(items: Item[], from: number, to: number): void {
    if (from >= to) return;
    const height = this.#heights.before(to) - this.#heights.before(from);
    items.push({ kind: "gap", key: `gap ${this.#cells[from - 1]?.id ?? ""}`, height, cells: to - from });
  }

  #know(cells: readonly Cell[], lines: (cell: Cell) => number): void {
    const before = this.#cells;
    if (cells === before) return;
    this.#cells = cells;
    // An edit replaces the list too, and leaves every cell where it was.
    if (cells.length === before.length && cells.every(({ id }, place) => id === before[place]!.id)) return;
    this.#places = new Map(cells.map(({ id }, place) => [id, place]));
    this.#heights = new Heights(cells.map((cell) => this.#seen.get(cell.id) ?? estimate(cell, lines(cell))));
    this.#aim();
  }

  #measured(cell: CellId, height: number): void {
    this.#seen.set(cell, height);
    const place = this.#places.get(cell);
    if (place !== undefined) this.#heights.set(place, height);
  }

  /** Look where the screen is now; `changed` when it sees, or will soon see, what is not drawn. */
  follow(): void {
    if (this.#whole || this.#cells.length <= WHOLE) return;
    const [top, height] = this.#screen();
    const first = this.#heights.at(top - (height * AROUND) / 2);
    const last = this.#heights.at(top + height + (height * AROUND) / 2);
    if (first >= this.#from && last < this.#to) return;
    if (this.#aim()) this.changed();
  }

  /** @returns whether it is another range than before */
  #aim(): boolean {
    const [top, height] = this.#screen();
    const from = this.#heights.at(top - height * AROUND);
    const to = Math.min(this.#cells.length, this.#heights.at(top + height * (1 + AROUND)) + 1);
    const same = from === this.#from && to === this.#to;
    this.#from = from;
    this.#to = to;
    const drawn = new Set(this.#cells.slice(from, to).map(({ id }) => id));
    for (const id of this.#drawn) if (!drawn.has(id)) this.#leave(id);
    for (const id of drawn) this.#kept.delete(id);
    this.#drawn = drawn;
    return !same;
  }

  /** Distance of the screen's upper edge from the first cell's, and its height. */
  #screen(): readonly [number, number] {
    const top = this.#list === null ? 0 : -this.#list.getBoundingClientRect().top;
    return [top, innerHeight];
  }

  /** A cell goes out of sight: it stays if something of it would be lost, as long as there are not too many. */
  #leave(id: CellId): void {
    const element = this.#list?.querySelector(`[data-cell-id="${CSS.escape(id)}"]`);
    if (!element?.querySelector(HOLDS)) return;
    this.#kept.add(id);
    for (const oldest of [...this.#kept].slice(0, -KEPT)) this.#kept.delete(oldest);
  }
}

function item(cell: Cell): Item {
  return { kind: "cell", key: cell.id, cell };
}

/** @param lines of output */
function estimate(cell: Cell, lines: number): number {
  let rows = lines + 1;
  for (let at = cell.source.indexOf("\n"); at !== -1; at = cell.source.indexOf("\n", at + 1)) rows++;
  return Math.min(TALLEST_ESTIMATE, FRAME_HEIGHT + rows * LINE_HEIGHT);
}
