/** Which cells a command speaks to: the current one, or those selected with it. Pure. */

import { sectionsOf } from "./folding";
import type { Cell, CellId } from "./protocol";
import type { State } from "./state";

type Chosen = Pick<State, "notebook" | "current" | "selected" | "anchor" | "folds">;

/** The selected cells in their order; the current one alone when no others are. */
export function selectedCells({ notebook, current, selected }: Chosen): readonly Cell[] {
  if (notebook === null) return [];
  return notebook.cells.filter(({ id }) => id === current || selected.has(id));
}

/** Those, and what a folded heading among them hides: it goes where its heading goes. */
export function spokenTo(state: Chosen): readonly Cell[] {
  const cells = selectedCells(state);
  if (state.notebook === null || cells.length === 0) return cells;
  const { under, counts } = sectionsOf(state.notebook.cells, state.folds);
  if (counts.size === 0) return cells;
  const chosen = new Set(cells.map(({ id }) => id));
  return state.notebook.cells.filter(({ id }) => chosen.has(id) || chosen.has(under.get(id) as CellId));
}

export type Selecting = Pick<State, "current" | "selected" | "anchor">;

/** All that is seen between where the selection began and a cell; that cell is the current one now. */
export function extended(state: Chosen, to: CellId): Selecting {
  const cells = state.notebook === null ? [] : sectionsOf(state.notebook.cells, state.folds).seen;
  const place = (id: CellId | null) => cells.findIndex((cell) => cell.id === id);
  const anchor = place(state.anchor) === -1 ? state.current : state.anchor;
  const [from, end] = [place(anchor), place(to)].sort((a, b) => a - b) as [number, number];
  if (from === -1) return { current: to, selected: new Set(), anchor: null };
  const range = cells.slice(from, end + 1).map(({ id }) => id);
  return { current: to, selected: range.length > 1 ? new Set(range) : new Set(), anchor };
}

/** One cell more or less; the last one stays. */
export function toggled(state: Chosen, cell: CellId): Selecting {
  const chosen = new Set(selectedCells(state).map(({ id }) => id));
  if (!chosen.has(cell)) return { current: cell, selected: new Set([...chosen, cell]), anchor: cell };
  if (chosen.size === 1) return { current: cell, selected: new Set(), anchor: null };
  chosen.delete(cell);
  const current = state.current === cell ? [...chosen].at(-1)! : state.current;
  return { current, selected: chosen.size > 1 ? chosen : new Set(), anchor: current };
}

/** The cell that is seen before or behind the current one; of a hidden one, its heading's. */
export function neighbour(state: Chosen, by: 1 | -1): CellId | null {
  if (state.notebook === null) return null;
  const { seen, under } = sectionsOf(state.notebook.cells, state.folds);
  const from = state.current === null ? null : (under.get(state.current) ?? state.current);
  const at = seen.findIndex(({ id }) => id === from);
  return seen[Math.min(seen.length - 1, Math.max(0, at + by))]?.id ?? null;
}
