/** What a command is. Each thing that a person can do is one; keys, menus, palette and the sheet of keys are made of them. */

import type { Actions } from "../../actions";
import { may, type Notebook } from "../../notebook";
import type { Cell, Role } from "../../protocol";
import { spokenTo } from "../../selection";
import type { State } from "../../state";

/** Of a command that concerns the worksheet that is shown; `cell` is the one that the keys speak to. */
export interface Context {
  readonly state: State;
  readonly actions: Actions;
  readonly notebook: Notebook | null;
  readonly cell: Cell | null;
  /** That one, those selected with it, and what folded headings among them hide; in their order. */
  readonly cells: readonly Cell[];
}

export const GROUPS = ["Run", "Cells", "Select", "Find", "Go", "Session", "Worksheet", "View", "Page"] as const;

export interface Command {
  /** Stable: menus name commands by it. */
  readonly id: string;
  readonly group: (typeof GROUPS)[number];
  /** A phrase that begins with a verb. */
  readonly name: string;
  /** How a menu says it, where its head says a part already. */
  readonly short?: string;
  /** Other words by which somebody may look for it. */
  readonly words?: string;
  /** At a cell that is not edited: one stroke, or two with a space between. Upper case and signs as they are typed. */
  readonly keys?: readonly string[];
  /** While a cell is edited, too. Only strokes with Ctrl, Alt or Shift. */
  readonly whileEditing?: boolean;
  /** The least role in the worksheet; without it no worksheet need be open. */
  readonly needs?: Role;
  /** It speaks of a cell. */
  readonly ofCell?: true;
  /** Of what is there or not: whether it is. */
  on?(context: Context): boolean;
  /** False when it makes no sense now. */
  possible?(context: Context): boolean;
  run(context: Context): void;
}

/** A command of a worksheet's cell, for whoever may do that. */
export type OfCell = Omit<Command, "run" | "needs"> & { readonly needs: Role };

export function contextOf(state: State, actions: Actions): Context {
  const notebook = state.route.page === "worksheet" && state.closed === null ? state.notebook : null;
  const cell = notebook?.cells.find(({ id }) => id === state.current) ?? null;
  return { state, actions, notebook, cell, cells: cell === null ? [] : spokenTo(state) };
}

export function isPossible(command: Command, context: Context): boolean {
  const { notebook, cell, state } = context;
  if (state.account === null) return false;
  if (command.needs !== undefined && (notebook === null || state.past !== null || !may(notebook.worksheet.role, command.needs))) return false;
  if (command.ofCell && cell === null) return false;
  return command.possible?.(context) ?? true;
}
