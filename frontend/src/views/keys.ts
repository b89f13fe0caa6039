/** The keys of command mode: one table, for what they do and for the sheet that lists them. Jupyter's habits. */

import type { Actions } from "../actions";
import { may } from "../notebook";
import type { CellId, Role } from "../protocol";
import type { State } from "../state";

interface Command {
  readonly keys: readonly string[];
  readonly does: string;
  readonly needs: Role;
  /** It means the whole worksheet, so it needs no cell. */
  readonly whole?: true;
  run(actions: Actions, cell: CellId, state: State): void;
}

const COMMANDS: readonly Command[] = [
  { keys: ["Shift+Enter"], does: "run, and go to the next cell", needs: "run", run: (a, cell) => a.run(cell, "next") },
  { keys: ["Ctrl+Enter"], does: "run, and stay", needs: "run", run: (a, cell) => a.run(cell, "stay") },
  { keys: ["Alt+Enter"], does: "run, and insert a cell below", needs: "run", run: (a, cell) => a.run(cell, "insert") },
  { keys: ["R"], does: "run all cells", needs: "run", whole: true, run: (a) => a.runCells("all") },
  { keys: ["A"], does: "run the cells above", needs: "run", run: (a) => a.runCells("above") },
  { keys: ["B"], does: "run the cell and those below", needs: "run", run: (a) => a.runCells("below") },
  { keys: ["E"], does: "run the edited cells", needs: "run", whole: true, run: (a) => a.runCells("edited") },
  { keys: ["Enter"], does: "edit the cell", needs: "edit", run: (a, cell) => a.choose(cell, true) },
  { keys: ["j", "ArrowDown"], does: "next cell", needs: "observe", run: (a) => a.step(1) },
  { keys: ["k", "ArrowUp"], does: "previous cell", needs: "observe", run: (a) => a.step(-1) },
  { keys: ["a"], does: "insert a cell above", needs: "edit", run: (a, cell) => void a.addBefore(cell) },
  { keys: ["b"], does: "insert a cell below", needs: "edit", run: (a, cell) => void a.addCell(cell, "code", false) },
  { keys: ["d d", "x"], does: "delete the cell", needs: "edit", run: (a, cell) => void a.deleteCell(cell) },
  { keys: ["z"], does: "put the deleted cell back", needs: "edit", whole: true, run: (a) => void a.undelete() },
  { keys: ["m"], does: "make it Markdown", needs: "edit", run: (a, cell) => void a.convertCell(cell, "markdown") },
  { keys: ["y"], does: "make it code", needs: "edit", run: (a, cell) => void a.convertCell(cell, "code") },
  { keys: ["Alt+ArrowUp"], does: "move the cell up", needs: "edit", run: (a, cell) => void a.moveCell(cell, -1) },
  { keys: ["Alt+ArrowDown"], does: "move the cell down", needs: "edit", run: (a, cell) => void a.moveCell(cell, 1) },
  { keys: ["i i"], does: "interrupt what is running, or cancel the cell that waits", needs: "run", whole: true, run: (a) => void a.stop() },
  { keys: ["0 0"], does: "restart the session", needs: "run", whole: true, run: (a) => a.restart() },
  { keys: ["?", "h"], does: "show these keys", needs: "observe", whole: true, run: (a) => a.openDialog({ kind: "keys" }) },
];

/** The keys that are CodeMirror's, for the sheet. */
const WHILE_EDITING: readonly (readonly [string, string])[] = [
  ["Esc", "stop editing; then Tab moves on through the page"],
  ["Tab", "complete the word, or indent"],
  ["Shift+Tab", "tell about what is at the cursor, or outdent"],
  ["Ctrl+Z, Ctrl+Y", "undo, redo"],
  ["Ctrl+S", "send now what was typed; it is sent by itself anyway"],
];

export const KEY_SHEET: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
  ["At a cell", COMMANDS.map(({ keys, does }) => [keys.join("  or  ").replace(/ArrowUp/g, "↑").replace(/ArrowDown/g, "↓"), does] as const)],
  ["While editing", WHILE_EDITING],
];

/** Milliseconds between the two strokes of `d d`. */
const PAIR = 800;

let first: { readonly key: string; readonly at: number } | null = null;

/** Handle a key that was pressed at a cell, outside of any field. */
export function commandKey(event: KeyboardEvent, state: State, actions: Actions): void {
  if (event.metaKey || event.isComposing) return;
  const modifiers = `${event.ctrlKey ? "Ctrl+" : ""}${event.altKey ? "Alt+" : ""}${event.shiftKey && event.key.length > 1 ? "Shift+" : ""}`;
  const key = modifiers + event.key;
  const pair = first !== null && first.key === key && event.timeStamp - first.at < PAIR ? `${key} ${key}` : null;
  first = { key, at: event.timeStamp };
  const command = COMMANDS.find(({ keys }) => keys.includes(key) || (pair !== null && keys.includes(pair)));
  const { notebook, current } = state;
  if (command === undefined || notebook === null) return;
  first = null;
  event.preventDefault();
  if (!may(notebook.worksheet.role, command.needs)) return;
  const cell = current ?? notebook.cells[0]?.id;
  if (cell !== undefined) command.run(actions, cell, state);
  else if (key === "a" || key === "b") void actions.addCell(null, "code", false);
  else if (command.whole) command.run(actions, "" as CellId, state);
}
