/**
 * Where comments are about a part of a cell's text: marks in the editor, highlights in the still text.
 *
 * The still text is drawn anew when it is coloured; a highlight of the browser's own changes no element of it.
 */

import { StateEffect, StateField } from "@codemirror/state";
import { Decoration, type DecorationSet, EditorView } from "@codemirror/view";
import type { Selected } from "../comments";
import type { CellId } from "../protocol";
import type { ShownRange } from "../threads";

const setRanges = StateEffect.define<readonly ShownRange[]>();

/** Between two drawings they move with the text. */
const field = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(ranges, transaction) {
    let next = ranges.map(transaction.changes);
    for (const effect of transaction.effects) if (effect.is(setRanges)) next = marks(effect.value, transaction.newDoc.length);
    return next;
  },
  provide: (own) => EditorView.decorations.from(own),
});

function marks(ranges: readonly ShownRange[], length: number): DecorationSet {
  return Decoration.set(
    ranges
      .filter(({ from, to }) => from < Math.min(to, length))
      .map(({ thread, from, to }) => Decoration.mark({ class: "commented", attributes: { "data-thread": thread } }).range(from, Math.min(to, length))),
    true,
  );
}

export const commented = field;

/** Draw the ranges in an editor; most of the time there are none. */
export function showRanges(view: EditorView, ranges: readonly ShownRange[]): void {
  if (ranges.length > 0 || view.state.field(field).size > 0) view.dispatch({ effects: setRanges.of(ranges) });
}

/** Older browsers show the comment and its quote, and no highlight. */
const highlight = typeof Highlight === "undefined" ? null : new Highlight();
if (highlight !== null) CSS.highlights.set("commented", highlight);

/** The highlights of one still text. */
export class StillRanges {
  #drawn: Range[] = [];

  /** Draw the ranges in an element whose text is the source; or, with none, take them away. */
  draw(element: HTMLElement, ranges: readonly ShownRange[]): void {
    if (highlight === null) return;
    for (const range of this.#drawn) highlight.delete(range);
    this.#drawn = ranges.flatMap(({ from, to }) => rangeIn(element, from, to) ?? []);
    for (const range of this.#drawn) highlight.add(range);
  }
}

function rangeIn(element: HTMLElement, from: number, to: number): Range | null {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  let at = 0;
  let begun = false;
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const end = at + (node.textContent?.length ?? 0);
    if (!begun && from < end) {
      range.setStart(node, from - at);
      begun = true;
    }
    if (begun && to <= end) {
      range.setEnd(node, to - at);
      return range;
    }
    at = end;
  }
  return null;
}

/** What is selected in the still code of a cell. */
export function selectedIn(cell: CellId): Selected | null {
  const selection = getSelection();
  if (selection === null || selection.isCollapsed) return null;
  const text = document.querySelector(`[data-cell-id="${CSS.escape(cell)}"] code-text`);
  const chosen = selection.getRangeAt(0);
  if (text === null || !text.contains(chosen.startContainer) || !text.contains(chosen.endContainer)) return null;
  const before = document.createRange();
  before.selectNodeContents(text);
  before.setEnd(chosen.startContainer, chosen.startOffset);
  const anchor = before.toString().length;
  return { cell, anchor, head: anchor + chosen.toString().length };
}
