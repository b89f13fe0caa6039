/**
 * What is done to cells, as values: how it is undone, and what is left of it when others were there in between.
 * Pure. The text of a cell is no step: it has its draft, and is merged.
 */

import { changed, difference } from "./draft";
import type { Cell, CellId, Metadata, Step } from "./protocol";

/** What somebody wrote into a cell by a command: a replacement, what a split left over. */
export interface Rewritten {
  readonly cell: CellId;
  readonly before: string;
  readonly after: string;
}

/** One thing that a person did, whole: to be undone by one key. */
export interface Deed {
  /** As a sentence goes on after "Undone:", such as "delete 3 cells". */
  readonly name: string;
  readonly steps: readonly Step[];
  readonly texts: readonly Rewritten[];
}

/** What undoes the steps, if the cells were these before them. */
export function inverse(cells: readonly Cell[], steps: readonly Step[]): readonly Step[] {
  const known = new Map(cells.map((cell) => [cell.id, cell]));
  let order: readonly CellId[] = cells.map(({ id }) => id);
  const back: Step[] = [];
  for (const step of steps) {
    const { cell: id } = step;
    const cell = known.get(id);
    switch (step.do) {
      case "create":
      case "restore":
        back.push({ do: "delete", cell: id });
        break;
      case "delete":
        back.push({ do: "restore", cell: id });
        break;
      case "move":
        back.push({ do: "move", cell: id, after: order[order.indexOf(id) - 1] ?? null });
        break;
      case "convert":
        if (cell === undefined) break;
        back.push({ do: "convert", cell: id, type: cell.type });
        known.set(id, { ...cell, type: step.type });
        break;
      case "annotate":
        if (cell === undefined) break;
        back.push({ do: "annotate", cell: id, patch: patchBack(cell.metadata, step.patch) });
        known.set(id, { ...cell, metadata: patched(cell.metadata, step.patch) });
    }
    order = ordered(order, step);
  }
  return back.reverse();
}

/** The order of cells after a step; a cell that comes back is put where nobody looks for it, at the end. */
function ordered(order: readonly CellId[], step: Step): readonly CellId[] {
  const others = order.filter((id) => id !== step.cell);
  switch (step.do) {
    case "convert":
    case "annotate":
      return order;
    case "delete":
      return others;
    case "restore":
      return [...others, step.cell];
    default:
      return others.toSpliced(step.after === null ? 0 : others.indexOf(step.after) + 1, 0, step.cell);
  }
}

/**
 * Steps as they can still be done: cells that are gone are left alone, and what would stand behind one of them
 * stands at the end.
 *
 * A step that is refused would take all the others with it.
 */
export function fitting(cells: readonly Cell[], steps: readonly Step[]): readonly Step[] {
  let order: readonly CellId[] = cells.map(({ id }) => id);
  const fit: Step[] = [];
  for (const step of steps) {
    if (step.do !== "create" && step.do !== "restore" && !order.includes(step.cell)) continue;
    const last = order.filter((id) => id !== step.cell).at(-1) ?? null;
    const placed = step.do === "create" || step.do === "move";
    const now: Step = placed && step.after !== null && !order.includes(step.after) ? { ...step, after: last } : step;
    fit.push(now);
    order = ordered(order, now);
  }
  return fit;
}

/** Steps that bring cells, in the order given, behind another one that is none of them, or to the top. None when they stand there. */
export function movesTo(cells: readonly Cell[], moved: readonly CellId[], after: CellId | null): readonly Step[] {
  const steps: Step[] = [];
  let order: readonly CellId[] = cells.map(({ id }) => id);
  let before = after;
  for (const cell of moved) {
    const step: Step = { do: "move", cell, after: before };
    if ((order[order.indexOf(cell) - 1] ?? null) !== before) {
      steps.push(step);
      order = ordered(order, step);
    }
    before = cell;
  }
  return steps;
}

/** Where cells go that move by one place, as a block: behind this one; undefined when there is no further. */
export function besides(cells: readonly Cell[], moved: readonly CellId[], by: 1 | -1): CellId | null | undefined {
  const places = moved.map((id) => cells.findIndex((cell) => cell.id === id)).filter((at) => at !== -1).sort((a, b) => a - b);
  const [first, last] = [places[0] ?? -1, places.at(-1) ?? -1];
  if (first === -1 || places.length === 0) return undefined;
  if (by === 1) return cells[last + 1]?.id;
  return first === 0 ? undefined : (cells[first - 2]?.id ?? null);
}

/** What a merge patch (RFC 7396) makes of metadata. */
export function patched(metadata: Metadata, patch: Metadata): Metadata {
  const result: Record<string, unknown> = { ...metadata };
  for (const [name, change] of Object.entries(patch)) {
    if (change === null) delete result[name];
    else result[name] = isObject(change) ? patched(isObject(result[name]) ? result[name] : {}, change) : change;
  }
  return result;
}

function patchBack(metadata: Metadata, patch: Metadata): Metadata {
  return Object.fromEntries(
    Object.entries(patch).map(([name, change]) => {
      const was = metadata[name];
      return [name, isObject(change) && isObject(was) ? patchBack(was, change) : (was ?? null)];
    }),
  );
}

function isObject(value: unknown): value is Metadata {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A text that was `after` and is `now`, with what led from `before` to `after` taken out: what others wrote since stays. */
export function takenBack(now: string, after: string, before: string): string {
  if (now === after) return before;
  const since = difference(after, now);
  return changed(now, difference(after, before).map(since));
}
