/**
 * Marks what is found in the cells that are drawn, and brings the hit before the eyes.
 *
 * No element is changed for it: a highlight is a set of ranges, painted by the browser, so a thousand hits cost no
 * drawing. Where a browser knows no highlights (Firefox before 140) the cell of the hit is framed instead.
 */

import { EditorView } from "@codemirror/view";
import { type Finding, findingOf } from "../finder";
import { type Hit, type Range as Span, rangesIn } from "../finding";
import type { CellId } from "../protocol";
import type { State } from "../state";
import { showFound } from "./found";
import type { Top } from "./places";

const [ALL, HERE] = ["found", "found-here"];

/** CSS pixels that stay free above and below a hit: the top line and the bar, and some air. */
const ABOVE = 140;
const BELOW = 80;

export class Marking {
  #finding: Finding | null = null;
  #list: Element | null = null;
  #jump = 0;
  #due = false;
  #state: State | null = null;
  readonly #changes = new MutationObserver(() => this.#soon());

  /** @param hold a cell at its place of the screen, until somebody moves by hand */
  constructor(private readonly hold: (top: Top) => void) {}

  /** Call it after each drawing. */
  drew(state: State, list: Element | null): void {
    const finding = state.past === null ? findingOf(state) : null;
    const jump = state.find?.jump ?? 0;
    const same = finding === null ? this.#finding === null : this.#finding?.hits === finding.hits && this.#finding.at === finding.at && this.#state?.find?.shown === state.find?.shown;
    this.#state = state;
    if (same && jump === this.#jump && list === this.#list) return;
    this.#finding = finding;
    this.#watch(finding === null ? null : list);
    this.#paint();
    if (finding !== null && jump !== this.#jump && jump > 0) this.#bring();
    this.#jump = jump;
  }

  /** Cells come and go, and are coloured, between two drawings. */
  #watch(list: Element | null): void {
    if (list === this.#list) return;
    this.#changes.disconnect();
    this.#list = list;
    if (list !== null) this.#changes.observe(list, { childList: true, subtree: true, characterData: true });
  }

  #soon(): void {
    if (this.#due) return;
    this.#due = true;
    requestAnimationFrame(() => {
      this.#due = false;
      this.#paint();
    });
  }

  #paint(): void {
    const known = typeof Highlight !== "undefined" && CSS.highlights !== undefined;
    for (const element of document.querySelectorAll("[data-found-here]")) element.removeAttribute("data-found-here");
    const finding = this.#finding;
    if (finding === null || finding.expression === null || this.#list === null) {
      if (known) [ALL, HERE].forEach((name) => CSS.highlights.delete(name!));
      for (const dom of document.querySelectorAll<HTMLElement>(".cm-editor")) markEditor(dom, [], -1);
      return;
    }
    const all: Range[] = [];
    const here: Range[] = [];
    const hit = this.#state?.find?.shown ? finding.hits[finding.at] : undefined;
    const ofCell = byCell(finding.hits);
    for (const cell of this.#list.querySelectorAll<HTMLElement>(":scope > .cell")) {
      const id = cell.dataset["cellId"] as CellId;
      const isHere = hit?.cell === id;
      const shown = this.#look(cell, finding.expression, ofCell.get(id) ?? [], isHere ? hit : undefined, all, here);
      if (isHere && (!shown || !known)) cell.toggleAttribute("data-found-here", true);
    }
    if (!known) return;
    CSS.highlights.set(ALL!, new Highlight(...all));
    const marked = new Highlight(...here);
    marked.priority = 1;
    CSS.highlights.set(HERE!, marked);
  }

  /** @returns whether the hit could be marked itself */
  #look(cell: HTMLElement, expression: RegExp, hits: readonly Hit[], hit: Hit | undefined, all: Range[], here: Range[]): boolean {
    let shown = false;
    for (const [where, selector] of [["source", ":scope > .asked .source"], ["outputs", "[data-outputs]"]] as const) {
      const mine = hits.filter((one) => one.where === where);
      if (mine.length === 0) continue;
      const place = hit?.where === where ? mine.indexOf(hit) : -1;
      const element = cell.querySelector<HTMLElement>(selector);
      const editor = where === "source" ? element?.querySelector<HTMLElement>(".cm-editor") : null;
      if (editor) {
        markEditor(editor, mine.map(({ from, to }): Span => [from, to]), place);
        shown ||= place !== -1;
        continue;
      }
      const text = element?.querySelector<HTMLElement>(":scope > code-text") ?? element;
      if (!text) continue;
      const spans = rangesIn(textIn(text), expression);
      const ranges = rangesOf(text, spans);
      // What is shown need not be what was written: of Markdown the signs are missing, of an output what is folded.
      const same = ranges.length === mine.length;
      ranges.forEach((range, n) => {
        if (n === place && same) here.push(range);
        else all.push(range);
      });
      shown ||= place !== -1 && same;
    }
    return shown;
  }

  /** Scroll only as far as is needed, and let the hit stand away from the edges. */
  #bring(): void {
    const hit = this.#finding?.hits[this.#finding.at];
    const cell = hit === undefined ? null : (this.#list?.querySelector<HTMLElement>(`[data-cell-id="${CSS.escape(hit.cell)}"]`) ?? null);
    if (!hit || !cell) return;
    const box = this.#boxOf(hit, cell) ?? cell.getBoundingClientRect();
    if (box.top >= ABOVE && box.bottom <= innerHeight - BELOW) return;
    const by = box.top - innerHeight / 3;
    // Cells between here and there have never been measured: it stays at its place while they are.
    this.hold({ cell: hit.cell, y: cell.getBoundingClientRect().top - by });
    scrollBy({ top: by, behavior: "instant" });
  }

  #boxOf(hit: Hit, cell: HTMLElement): { readonly top: number; readonly bottom: number } | null {
    const editor = hit.where === "source" ? cell.querySelector<HTMLElement>(".cm-editor") : null;
    const view = editor === null ? null : EditorView.findFromDOM(editor);
    if (view && hit.from <= view.state.doc.length) return view.coordsAtPos(hit.from);
    const painted = typeof Highlight === "undefined" ? undefined : [...(CSS.highlights.get(HERE!) ?? [])][0];
    return painted instanceof Range && cell.contains(painted.startContainer) ? painted.getBoundingClientRect() : null;
  }
}

function markEditor(dom: HTMLElement, ranges: readonly Span[], at: number): void {
  const view = EditorView.findFromDOM(dom);
  if (view !== null) showFound(view, ranges, at);
}

function byCell(hits: readonly Hit[]): ReadonlyMap<CellId, readonly Hit[]> {
  const found = new Map<CellId, Hit[]>();
  for (const hit of hits) {
    const list = found.get(hit.cell);
    if (list === undefined) found.set(hit.cell, [hit]);
    else list.push(hit);
  }
  return found;
}

function textIn(element: HTMLElement): string {
  return element.textContent ?? "";
}

/** Ranges of the document for ranges of an element's text. */
function rangesOf(element: HTMLElement, spans: readonly Span[]): readonly Range[] {
  const ranges: Range[] = [];
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  let node = walker.nextNode() as Text | null;
  let before = 0;
  for (const [from, to] of spans) {
    while (node !== null && before + node.length <= from) {
      before += node.length;
      node = walker.nextNode() as Text | null;
    }
    if (node === null) break;
    const range = document.createRange();
    range.setStart(node, from - before);
    let [end, behind] = [node as Text, before];
    const ahead = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    ahead.currentNode = node;
    while (behind + end.length < to) {
      behind += end.length;
      const next = ahead.nextNode() as Text | null;
      if (next === null) break;
      end = next;
    }
    range.setEnd(end, Math.min(end.length, to - behind));
    ranges.push(range);
  }
  return ranges;
}
