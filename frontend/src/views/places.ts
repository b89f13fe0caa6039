/**
 * Where a person is in a worksheet: the cell, the selection in it, and what stands at the top of the screen.
 *
 * This tab remembers it, so that a reload, and coming back from elsewhere, shows the same. It is not in the state,
 * because it moves with every pixel; and not on the server, because another window looks at another place.
 */

import type { CellId, WorksheetId } from "../protocol";
import type { State } from "../state";

/** A selection in the text of a cell, in UTF-16 units. */
export interface Selection {
  readonly cell: CellId;
  readonly anchor: number;
  readonly head: number;
}

/** A cell, and how many CSS pixels below the upper edge of the screen it begins. */
export interface Top {
  readonly cell: CellId;
  readonly y: number;
}

export interface Place {
  readonly current: CellId | null;
  readonly editing: boolean;
  readonly selection: Selection | null;
  readonly top: Top | null;
}

const KEY = "antiphon.places";
const KEPT = 50;

let selected: Selection | null = null;

/** The selection moved in the editor of a cell. */
export function selectionMoved(selection: Selection): void {
  selected = selection;
}

/** Where the next editor of a cell shall have its selection: where its text was clicked, or where it was before. */
let wanted: Selection | null = null;

export function setSelection(selection: Selection): void {
  wanted = selection;
}

export function takeSelection(cell: CellId): Selection | null {
  const selection = wanted?.cell === cell ? wanted : null;
  wanted = null;
  return selection;
}

/** Remember the place in the worksheet that is shown. */
export function keepPlace({ notebook, current, editing }: State, top: Top | null): void {
  if (notebook === null) return;
  const place: Place = { current, editing, selection: selected?.cell === current ? selected : null, top };
  const { id } = notebook.worksheet;
  const others = stored().filter(([worksheet]) => worksheet !== id);
  try {
    sessionStorage.setItem(KEY, JSON.stringify([...others, [id, place]].slice(-KEPT)));
  } catch {
    // There is no room, or it may not be used here: the worksheet opens at its beginning.
  }
}

/** The place in a worksheet that this tab has shown before. */
export function placeIn(worksheet: WorksheetId): Place | null {
  return stored().find(([id]) => id === worksheet)?.[1] ?? null;
}

/** Only this module writes it, and a version of it that is older may have: it must have the shape. */
function stored(): readonly (readonly [WorksheetId, Place])[] {
  try {
    const found: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    return Array.isArray(found) ? found.filter((entry) => Array.isArray(entry) && typeof entry[1]?.editing === "boolean") : [];
  } catch {
    return [];
  }
}
