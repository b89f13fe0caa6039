import { expect, test } from "vitest";
import type { Cell, CellId, CellType } from "../src/protocol";
import { codeHidden, ends, moved, shownCells, slideAt, type SlidePlace, slidesOf } from "../src/slides";

let made = 0;
function cell(source: string, slide_type: string | null = null, type: CellType = /^#/.test(source) ? "markdown" : "code"): Cell {
  return { id: `c${++made}` as CellId, type, source, version: 0, metadata: slide_type === null ? {} : { slideshow: { slide_type } } };
}

function sources(cells: readonly Cell[]): string[][] {
  return slidesOf(cells).map(({ cells }) => cells.map(({ cell }) => cell.source));
}

test("headings of level 1 and 2 begin slides where the file says nothing", () => {
  expect(sources([cell("import x"), cell("# One"), cell("1"), cell("### Deeper"), cell("## Two"), cell("2")])).toEqual([["import x"], ["# One", "1", "### Deeper"], ["## Two", "2"]]);
});

test("what a notebook file says of slides holds, and headings begin none then", () => {
  const cells = [cell("# A", "slide"), cell("secret", "skip"), cell("said", "notes"), cell("# not a slide"), cell("b", "subslide"), cell("c", "-")];
  expect(sources(cells)).toEqual([["# A", "# not a slide"], ["b", "c"]]);
});

test("fragments come one after another, and what follows one comes with it", () => {
  const [slide] = slidesOf([cell("# A", "slide"), cell("b", "fragment"), cell("c", "-"), cell("d", "fragment")]);
  expect(slide!.cells.map(({ step }) => step)).toEqual([0, 1, 1, 2]);
  expect(slide!.steps).toBe(2);
});

test("one goes through steps and slides, and back to whole ones", () => {
  const cells = [cell("# A", "slide"), cell("b", "fragment"), cell("c", "slide")];
  const slides = slidesOf(cells);
  const [a, c] = [cells[0]!.id, cells[2]!.id];
  let place: SlidePlace = ends(slides, "first");
  const way = [place, ...[1, 1, 1, -1, -1, -1].map((by) => (place = moved(slides, place, by as 1 | -1)))];
  expect(way).toEqual([[a, 0], [a, 1], [c, 0], [c, 0], [a, 1], [a, 0], [a, 0]].map(([cell, step]) => ({ cell, step })));
  expect(ends(slides, "last")).toEqual({ cell: c, step: 0 });
});

test("a place is known by its cell, wherever that stands now; where it is gone one begins anew", () => {
  const cells = [cell("# A"), cell("# B")];
  const place = { cell: cells[1]!.id, step: 0 };
  expect(slideAt(slidesOf([cell("# Before"), ...cells]), place)).toBe(2);
  expect(slideAt(slidesOf([cells[0]!]), place)).toBe(0);
  expect(slidesOf([])).toEqual([{ cells: [], steps: 0 }]);
});

test("empty text is nothing to show, and code may be hidden", () => {
  expect(shownCells([cell("", null, "markdown"), cell("")]).length).toBe(1);
  expect([{ jupyter: { source_hidden: true } }, { tags: ["x", "remove-input"] }, { tags: "x" }, {}].map((metadata) => codeHidden({ ...cell("1"), metadata }))).toEqual([true, true, false, false]);
});
