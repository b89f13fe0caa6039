/**
 * Moving cells by hand: what is selected goes with the pointer, a line says where to, Esc gives it up.
 *
 * The gesture is of this window and ends with it, so nothing of it is in the state; what comes of it is one deed.
 */

import type { Actions } from "../actions";
import { spokenTo } from "../selection";
import type { CellId } from "../protocol";
import type { State } from "../state";

/** CSS pixels: less is a click with an unsteady hand. */
const SLACK = 5;

/** CSS pixels from the edge of the screen in which the page scrolls, and at most so many in a frame. */
const EDGE = 72;
const FASTEST = 22;

/** CSS pixels: the line at the top of the page. */
const HEAD = 52;

export class Dragging {
  #from: { readonly x: number; readonly y: number; readonly cell: CellId; readonly pointer: number } | null = null;
  #moved: readonly CellId[] = [];
  #y = 0;
  #x = 0;
  /** Behind this cell; undefined while it is nowhere. */
  #after: CellId | null | undefined;
  #line: HTMLElement | null = null;
  #ghost: HTMLElement | null = null;
  #frame = 0;

  constructor(
    private readonly state: () => State,
    private readonly actions: Actions,
  ) {}

  /** On the handle of a cell. */
  readonly begin = (event: PointerEvent): void => {
    const cell = (event.currentTarget as HTMLElement).closest<HTMLElement>("[data-cell-id]")?.dataset["cellId"] as CellId | undefined;
    if (cell === undefined || event.button !== 0 || event.shiftKey || event.ctrlKey || event.metaKey || this.#from !== null) return;
    this.#from = { x: event.clientX, y: event.clientY, cell, pointer: event.pointerId };
    addEventListener("pointermove", this.#move);
    addEventListener("pointerup", this.#up);
    addEventListener("pointercancel", this.#cancel);
    addEventListener("keydown", this.#key, { capture: true });
  };

  readonly #move = (event: PointerEvent): void => {
    const from = this.#from;
    if (from === null || event.pointerId !== from.pointer) return;
    [this.#x, this.#y] = [event.clientX, event.clientY];
    if (this.#line === null) {
      if (Math.hypot(event.clientX - from.x, event.clientY - from.y) < SLACK) return;
      this.#start(from.cell);
    }
    event.preventDefault();
    this.#aim();
  };

  #start(cell: CellId): void {
    const state = this.state();
    // The one that is held is drawn, however far the page scrolls: it is the current one.
    if (!state.selected.has(cell)) this.actions.choose(cell);
    this.#moved = spokenTo(this.state()).map(({ id }) => id);
    this.#line = Object.assign(document.createElement("div"), { className: "drop-line" });
    const words = this.#moved.length === 1 ? "Move the cell" : `Move ${this.#moved.length} cells`;
    this.#ghost = Object.assign(document.createElement("div"), { className: "drag-words", textContent: words });
    document.body.append(this.#line, this.#ghost);
    document.documentElement.toggleAttribute("data-dragging", true);
    for (const id of this.#moved) elementOf(id)?.toggleAttribute("data-dragged", true);
    this.#frame = requestAnimationFrame(this.#scroll);
  }

  /** Between which cells the pointer is, and the line there. */
  #aim(): void {
    const line = this.#line;
    if (line === null) return;
    const drawn = [...document.querySelectorAll<HTMLElement>("[data-cells] > .cell")];
    let before: HTMLElement | null = null;
    let behind: HTMLElement | null = null;
    for (const element of drawn) {
      const { top, bottom } = element.getBoundingClientRect();
      if (this.#y >= (top + bottom) / 2) before = element;
      else {
        behind = element;
        break;
      }
    }
    if (before === null && behind === null) return;
    // A gap stands for cells that are not drawn: what is dropped there belongs to the drawn one beside it.
    this.#after = before === null ? beforeFirst(behind!) : (before.dataset["cellId"] as CellId);
    const box = (before ?? behind!).getBoundingClientRect();
    const y = before !== null && behind !== null && adjacent(before, behind) ? (box.bottom + behind.getBoundingClientRect().top) / 2 : before !== null ? box.bottom : box.top;
    Object.assign(line.style, { left: `${box.left}px`, width: `${box.width}px`, top: `${Math.min(Math.max(y, HEAD), innerHeight - 3)}px` });
    Object.assign(this.#ghost!.style, { left: `${this.#x + 14}px`, top: `${this.#y + 10}px` });
  }

  readonly #scroll = (): void => {
    if (this.#line === null) return;
    const [up, down] = [HEAD + EDGE - this.#y, this.#y - (innerHeight - EDGE)];
    const by = up > 0 ? -up : down > 0 ? down : 0;
    if (by !== 0) {
      scrollBy({ top: Math.max(-FASTEST, Math.min(FASTEST, (by / EDGE) * FASTEST)), behavior: "instant" });
      this.#aim();
    }
    this.#frame = requestAnimationFrame(this.#scroll);
  };

  readonly #up = (event: PointerEvent): void => {
    if (this.#from?.pointer !== event.pointerId) return;
    const [dragged, after, moved] = [this.#line !== null, this.#after, this.#moved];
    this.#end();
    if (!dragged) return;
    // What the handle does when it is clicked it does not do now.
    addEventListener("click", swallow, { capture: true, once: true });
    setTimeout(() => removeEventListener("click", swallow, { capture: true }));
    if (after !== undefined) void this.actions.shaping.moveTo(moved, after);
  };

  readonly #cancel = (event: PointerEvent): void => {
    if (this.#from?.pointer === event.pointerId) this.#end();
  };

  readonly #key = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || this.#line === null) return;
    event.preventDefault();
    event.stopPropagation();
    this.#end();
  };

  #end(): void {
    removeEventListener("pointermove", this.#move);
    removeEventListener("pointerup", this.#up);
    removeEventListener("pointercancel", this.#cancel);
    removeEventListener("keydown", this.#key, { capture: true });
    cancelAnimationFrame(this.#frame);
    this.#line?.remove();
    this.#ghost?.remove();
    document.documentElement.toggleAttribute("data-dragging", false);
    for (const element of document.querySelectorAll("[data-dragged]")) element.removeAttribute("data-dragged");
    this.#from = this.#line = this.#ghost = null;
    this.#after = undefined;
  }
}

function elementOf(cell: CellId): HTMLElement | null {
  return document.querySelector(`[data-cell-id="${CSS.escape(cell)}"]`);
}

function adjacent(before: HTMLElement, behind: HTMLElement): boolean {
  return before.nextElementSibling === behind;
}

/** Above the first that is drawn: the top, unless a gap stands there, and then nowhere. */
function beforeFirst(element: HTMLElement): null | undefined {
  return element.previousElementSibling === null ? null : undefined;
}

function swallow(event: Event): void {
  event.stopPropagation();
  event.preventDefault();
}
