/**
 * A worksheet as slides. Pure.
 *
 * What a notebook file says of a cell holds: `slideshow.slide_type` is "slide", "subslide", "fragment", "skip", "notes"
 * or "-". Where no cell says anything, a text cell that begins with a heading of level 1 or 2 begins a slide.
 * Source: nbformat, *Cell metadata*; RISE and nbconvert read the same.
 */

import type { Cell, CellId } from "./protocol";

/** A cell of a slide; it is there from this step on, 0 is from the beginning. */
export interface SlideCell {
  readonly cell: Cell;
  readonly step: number;
}

export interface Slide {
  readonly cells: readonly SlideCell[];
  /** Steps after the first, one for each fragment. */
  readonly steps: number;
}

/** Where somebody is: at a slide, named by a cell of it, and a step of it. Others may change the worksheet meanwhile. */
export interface SlidePlace {
  readonly cell: CellId | null;
  readonly step: number;
}

type SlideType = "slide" | "subslide" | "fragment" | "skip" | "notes" | "-";

export function slideType({ metadata }: Cell): SlideType | null {
  const slideshow = metadata["slideshow"];
  const type = typeof slideshow === "object" && slideshow !== null ? (slideshow as Record<string, unknown>)["slide_type"] : undefined;
  return ["slide", "subslide", "fragment", "skip", "notes", "-"].includes(type as string) ? (type as SlideType) : null;
}

/** The file says that nobody wants to read the code of the cell: as JupyterLab, or as Jupyter Book, writes it. */
export function codeHidden({ metadata }: Cell): boolean {
  const jupyter = metadata["jupyter"];
  const hidden = typeof jupyter === "object" && jupyter !== null && (jupyter as Record<string, unknown>)["source_hidden"] === true;
  const tags = metadata["tags"];
  return hidden || (Array.isArray(tags) && tags.some((tag) => ["remove-input", "remove_input", "hide-input", "hide_input"].includes(tag as string)));
}

/** @returns at least one, which may be empty */
export function slidesOf(cells: readonly Cell[]): readonly Slide[] {
  const told = cells.some((cell) => slideType(cell) !== null);
  const slides: { cells: SlideCell[]; steps: number }[] = [];
  for (const cell of shownCells(cells)) {
    const type = told ? (slideType(cell) ?? "-") : beginsPart(cell) ? "slide" : "-";
    if (slides.length === 0 || type === "slide" || type === "subslide") slides.push({ cells: [], steps: 0 });
    const slide = slides.at(-1)!;
    if (type === "fragment") slide.steps += 1;
    slide.cells.push({ cell, step: slide.steps });
  }
  return slides.length === 0 ? [{ cells: [], steps: 0 }] : slides;
}

/** Those that are for the audience, and say something. */
export function shownCells(cells: readonly Cell[]): readonly Cell[] {
  return cells.filter((cell) => !["skip", "notes"].includes(slideType(cell) ?? "") && (cell.source.trim() !== "" || cell.type === "code"));
}

function beginsPart({ type, source }: Cell): boolean {
  return type === "markdown" && /^\s{0,3}#{1,2}[ \t]+\S/.test(source.trimStart());
}

/** The number of the slide, from 0, at which somebody is. */
export function slideAt(slides: readonly Slide[], place: SlidePlace): number {
  const at = slides.findIndex(({ cells }) => cells.some(({ cell }) => cell.id === place.cell));
  return Math.max(0, at);
}

function placeAt(slide: Slide, step: number): SlidePlace {
  return { cell: slide.cells[0]?.cell.id ?? null, step };
}

/** One step forward or back: a fragment, or a slide; a slide that one comes back to is whole. */
export function moved(slides: readonly Slide[], place: SlidePlace, by: 1 | -1): SlidePlace {
  const at = slideAt(slides, place);
  const slide = slides[at]!;
  const step = Math.min(place.step, slide.steps) + by;
  if (step >= 0 && step <= slide.steps) return placeAt(slide, step);
  const next = slides[at + by];
  if (next === undefined) return placeAt(slide, by === 1 ? slide.steps : 0);
  return placeAt(next, by === 1 ? 0 : next.steps);
}

export function ends(slides: readonly Slide[], end: "first" | "last"): SlidePlace {
  const slide = end === "first" ? slides[0]! : slides.at(-1)!;
  return placeAt(slide, end === "first" ? 0 : slide.steps);
}
