/** The outline of a worksheet: its headings, and between them its cells of code with their states. Pure. */

import type { CellState, Notebook } from "./notebook";
import { type Overview, overviewOf } from "./overview";
import type { Cell, CellId } from "./protocol";

export interface Line {
  readonly cell: CellId;
  /** Counted from 1. */
  readonly place: number;
  /** 1 to 6 for a heading; for a cell of code one more than the heading above it. */
  readonly level: number;
  readonly text: string;
  /** Null for a heading. */
  readonly kind: CellState["kind"] | null;
}

export interface Outline {
  readonly lines: readonly Line[];
  /** Cells that are left out, because there are so many: they neither run nor failed. */
  readonly omitted: number;
}

/** More lines than this, and only headings and cells that run, wait or failed are told. */
const LONG = 400;

const NOTABLE: ReadonlySet<CellState["kind"]> = new Set(["queued", "running", "failed", "died", "lost"]);

/** A cell is an object that never changes, so its headings are looked for once. */
const known = new WeakMap<Cell, readonly (readonly [number, string])[]>();

/** The headings of a Markdown text, those in fenced code left out. Source: CommonMark 4.2. */
export function headings(text: string): readonly (readonly [number, string])[] {
  let fence = "";
  const found: (readonly [number, string])[] = [];
  for (const line of text.split("\n")) {
    const mark = /^ {0,3}(```+|~~~+)/.exec(line)?.[1];
    if (mark !== undefined && (fence === "" || (mark[0] === fence[0] && mark.length >= fence.length))) fence = fence === "" ? mark : "";
    if (fence !== "" || mark !== undefined) continue;
    const [, signs, words] = /^ {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$/.exec(line) ?? [];
    if (signs !== undefined && words) found.push([signs.length, words.replace(/[*_`]/g, "")]);
  }
  return found;
}

export function headingsOf(cell: Cell): readonly (readonly [number, string])[] {
  let found = known.get(cell);
  if (found === undefined) known.set(cell, (found = headings(cell.source)));
  return found;
}

let last: { readonly cells: Notebook["cells"]; readonly overview: Overview; readonly outline: Outline } | null = null;

export function outlineOf(notebook: Notebook): Outline {
  const { cells } = notebook;
  const overview = overviewOf(notebook);
  if (last?.cells !== cells || last.overview !== overview) last = { cells, overview, outline: look(cells, overview) };
  return last.outline;
}

function look(cells: readonly Cell[], { kinds }: Overview): Outline {
  const lines: Line[] = [];
  let level = 0;
  cells.forEach((cell, index) => {
    const place = index + 1;
    if (cell.type === "markdown") {
      for (const [depth, text] of headingsOf(cell)) lines.push({ cell: cell.id, place, level: (level = depth), text, kind: null });
    } else {
      const text = cell.source.split("\n", 20).find((line) => line.trim() !== "")?.trim().slice(0, 80) ?? "";
      lines.push({ cell: cell.id, place, level: level + 1, text, kind: kinds.get(cell.id) ?? "never" });
    }
  });
  if (lines.length <= LONG) return { lines, omitted: 0 };
  const kept = lines.filter(({ kind }) => kind === null || NOTABLE.has(kind));
  return { lines: kept, omitted: lines.length - kept.length };
}
