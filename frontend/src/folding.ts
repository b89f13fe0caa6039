/**
 * What is folded away: the code of a cell, its outputs, or all that stands under a heading. Pure.
 *
 * It stands in the metadata of the cell, in Jupyter's words, so it is the same for all who look, and in the file.
 * A person who may not change that, or is led to what is hidden, unfolds for this window alone: `folds`.
 */

import { headingsOf } from "./outline";
import type { Cell, CellId, Metadata } from "./protocol";

export type Part = "code" | "outputs" | "section";

/** By `foldKey`; what is not there is as the metadata says. */
export type Folds = ReadonlyMap<string, boolean>;

export function foldKey(cell: CellId, part: Part): string {
  return `${part} ${cell}`;
}

export function isFolded(cell: Cell, part: Part, folds: Folds): boolean {
  return folds.get(foldKey(cell.id, part)) ?? saysFolded(cell, part);
}

/** Source: nbformat 4.5, *Cell metadata*; `heading_collapsed` is JupyterLab's. */
function saysFolded({ metadata }: Cell, part: Part): boolean {
  const jupyter = (metadata["jupyter"] ?? {}) as Metadata;
  if (part === "code") return jupyter["source_hidden"] === true;
  if (part === "section") return metadata["heading_collapsed"] === true;
  return jupyter["outputs_hidden"] === true || metadata["collapsed"] === true;
}

/** The merge patch that folds or unfolds. */
export function foldPatch(part: Part, folded: boolean): Metadata {
  const flag = folded ? true : null;
  if (part === "section") return { heading_collapsed: flag };
  if (part === "code") return { jupyter: { source_hidden: flag } };
  return { collapsed: flag, jupyter: { outputs_hidden: flag } };
}

/** The level of the heading that a cell begins a section with; null when it begins none. */
export function sectionLevel(cell: Cell): number | null {
  return cell.type === "markdown" ? (headingsOf(cell)[0]?.[0] ?? null) : null;
}

/** Up to which place, exclusive, the section goes that begins at one. */
export function sectionEnd(cells: readonly Cell[], at: number): number {
  const level = sectionLevel(cells[at]!);
  if (level === null) return at + 1;
  for (let next = at + 1; next < cells.length; next++) {
    const other = sectionLevel(cells[next]!);
    if (other !== null && other <= level) return next;
  }
  return cells.length;
}

export interface Sections {
  /** The cells that are not under a folded heading. */
  readonly seen: readonly Cell[];
  /** For each cell that is, the heading that hides it. */
  readonly under: ReadonlyMap<CellId, CellId>;
  /** How many each heading hides. */
  readonly counts: ReadonlyMap<CellId, number>;
}

let last: { readonly cells: readonly Cell[]; readonly folds: Folds; readonly sections: Sections } | null = null;

export function sectionsOf(cells: readonly Cell[], folds: Folds): Sections {
  if (last?.cells !== cells || last.folds !== folds) last = { cells, folds, sections: look(cells, folds) };
  return last.sections;
}

function look(cells: readonly Cell[], folds: Folds): Sections {
  const seen: Cell[] = [];
  const under = new Map<CellId, CellId>();
  const counts = new Map<CellId, number>();
  for (let at = 0; at < cells.length; at++) {
    const cell = cells[at]!;
    seen.push(cell);
    if (!isFolded(cell, "section", folds)) continue;
    const end = sectionEnd(cells, at);
    if (end === at + 1) continue;
    for (const hidden of cells.slice(at + 1, end)) under.set(hidden.id, cell.id);
    counts.set(cell.id, end - at - 1);
    at = end - 1;
  }
  return counts.size === 0 ? { seen: cells, under, counts } : { seen, under, counts };
}

/** Folds with which a cell is seen, and these parts of it: the same ones when they are so already. */
export function unfolded(cells: readonly Cell[], folds: Folds, id: CellId, parts: readonly Part[]): Folds {
  let next = folds;
  const open = (cell: CellId, part: Part) => (next = new Map([...next, [foldKey(cell, part), false]]));
  // Below one heading there may be another.
  for (;;) {
    const heading = sectionsOf(cells, next).under.get(id);
    if (heading === undefined) break;
    open(heading, "section");
  }
  const cell = cells.find((other) => other.id === id);
  for (const part of parts) if (cell !== undefined && part !== "section" && isFolded(cell, part, next)) open(id, part);
  return next;
}

/** Where each cell stands among all, counted from 0. */
const places = new WeakMap<readonly Cell[], ReadonlyMap<CellId, number>>();

export function placesOf(cells: readonly Cell[]): ReadonlyMap<CellId, number> {
  let found = places.get(cells);
  if (found === undefined) places.set(cells, (found = new Map(cells.map(({ id }, at) => [id, at]))));
  return found;
}
