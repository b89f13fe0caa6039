/** What stands in the place of what is folded away: how much it is, and how to see it. */

import { html, nothing, type TemplateResult } from "lit-html";
import { isFolded, type Part, sectionLevel, sectionsOf } from "../folding";
import type { Output } from "../outputs";
import type { Cell } from "../protocol";
import { response } from "./marks";
import type { Page } from "./worksheet";

function counted(number: number, one: string, many: string): string {
  return number === 1 ? `One ${one} is hidden: show it` : `${number.toLocaleString()} ${many} are hidden: show them`;
}

function unfold({ actions }: Page, cell: Cell, part: Part, words: string): TemplateResult {
  return html`<button class="fold" data-folded=${part} @click=${() => void actions.selecting.fold([cell], part, false)}>${words}</button>`;
}

export function foldedCode(page: Page, cell: Cell, source: string): TemplateResult {
  return html`<div class="source folded">${unfold(page, cell, "code", counted(source.split("\n").length, "line of code", "lines of code"))}</div>`;
}

export function foldedOutputs(page: Page, cell: Cell, outputs: readonly Output[]): TemplateResult {
  return unfold(page, cell, "outputs", counted(outputs.length, "output", "outputs"));
}

/** Below a heading whose section is folded. */
export function foldedSection(page: Page, cell: Cell): TemplateResult | typeof nothing {
  const count = sectionsOf(page.notebook.cells, page.state.folds).counts.get(cell.id) ?? 0;
  return count === 0 ? nothing : html`<div class="folded-section">${unfold(page, cell, "section", counted(count, "cell", "cells"))}</div>`;
}

/** At a heading: folds its section away, and back. */
export function sectionToggle({ state, actions }: Page, cell: Cell, reach: number): TemplateResult | typeof nothing {
  if (sectionLevel(cell) === null) return nothing;
  const folded = isFolded(cell, "section", state.folds);
  const label = folded ? "Show the section" : "Hide the section";
  return html`<button class="section-toggle" aria-expanded=${!folded} aria-label=${label} title=${label} tabindex=${reach} @click=${() => void actions.selecting.fold([cell], "section", !folded)}>
    <svg viewBox="0 0 10 10" aria-hidden="true"><path d="M2 3.2 5 6.6 8 3.2" /></svg>
  </button>`;
}

/** The sign of the response; it folds the outputs away, and back. */
export function outputToggle({ state, actions }: Page, cell: Cell, index: number, reach: number): TemplateResult {
  const folded = isFolded(cell, "outputs", state.folds);
  const label = `${folded ? "Show" : "Hide"} the outputs of cell ${index + 1}`;
  return html`<button class="mark" aria-expanded=${!folded} aria-label=${label} title=${label} tabindex=${reach} @click=${() => void actions.selecting.fold([cell], "outputs", !folded)}>${response()}</button>`;
}
