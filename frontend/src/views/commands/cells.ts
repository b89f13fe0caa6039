/** Commands of cells: run, write, order, shape, and go from one to another. Jupyter's keys. */

import { hasOutputs } from "../../cleared";
import type { CellId } from "../../protocol";
import { overviewOf } from "../../overview";
import type { Command, Context } from "./command";

/** The current cell; a command that is `ofCell` has one. */
const of = ({ cell }: Context): CellId => (cell as NonNullable<Context["cell"]>).id;

/** All that a command speaks to. */
const all = ({ cells }: Context): readonly CellId[] => cells.map(({ id }) => id);
const many = ({ cells }: Context) => cells.length > 1;
const last = ({ notebook }: Context) => notebook?.cells.at(-1)?.id ?? null;

function run(context: Context, then: "stay" | "next" | "insert"): void {
  if (many(context)) context.actions.runSelected(context.cells, then);
  else context.actions.run(of(context), then);
}

function heading(level: number): Command {
  return {
    id: `heading-${level}`,
    group: "Cells",
    name: `Make the cell a heading of level ${level}`,
    words: "markdown title",
    keys: [String(level)],
    needs: "edit",
    ofCell: true,
    run: (context) => void context.actions.shaping.heading(all(context), level),
  };
}

export const CELL_COMMANDS: readonly Command[] = [
  { id: "run-next", group: "Run", name: "Run the cell, and go to the next", words: "execute evaluate", keys: ["Shift+Enter"], whileEditing: true, needs: "run", ofCell: true, run: (context) => run(context, "next") },
  { id: "run-stay", group: "Run", name: "Run the cell, and stay", words: "execute evaluate", keys: ["Ctrl+Enter"], whileEditing: true, needs: "run", ofCell: true, run: (context) => run(context, "stay") },
  { id: "run-insert", group: "Run", name: "Run the cell, and insert one below", words: "execute", keys: ["Alt+Enter"], whileEditing: true, needs: "run", ofCell: true, run: (context) => run(context, "insert") },
  { id: "run-selected", group: "Run", name: "Run the selected cells", short: "Selected cells", words: "execute", needs: "run", ofCell: true, possible: many, run: ({ actions, cells }) => actions.runSelected(cells, "stay") },
  { id: "run-all", group: "Run", name: "Run all cells", short: "All cells", words: "execute everything", keys: ["Shift+R"], needs: "run", run: ({ actions }) => actions.runCells("all") },
  { id: "run-above", group: "Run", name: "Run the cells above this one", short: "Cells above this one", words: "execute before", keys: ["Shift+A"], needs: "run", ofCell: true, run: ({ actions }) => actions.runCells("above") },
  { id: "run-below", group: "Run", name: "Run this cell and those below", short: "This cell and those below", words: "execute after rest", keys: ["Shift+B"], needs: "run", ofCell: true, run: ({ actions }) => actions.runCells("below") },
  { id: "run-stale", group: "Run", name: "Run the stale cells: edited, not run here, or reading what has changed", short: "Stale cells", words: "execute changed edited outdated", keys: ["Shift+E"], needs: "run", run: ({ actions }) => actions.runCells("stale") },
  { id: "stop", group: "Run", name: "Interrupt what is running, or cancel the cell that waits", words: "stop kill break", keys: ["i i"], needs: "run", possible: ({ notebook }) => notebook?.session !== null, run: ({ actions }) => void actions.stop() },

  { id: "edit", group: "Cells", name: "Edit the cell", words: "write", keys: ["Enter"], needs: "edit", ofCell: true, run: (context) => context.actions.choose(of(context), true) },
  { id: "insert-above", group: "Cells", name: "Insert a cell above", words: "add new", keys: ["a"], needs: "edit", run: ({ actions, cell }) => void (cell === null ? actions.shaping.add(null, "code", false) : actions.shaping.addBefore(cell.id)) },
  { id: "insert-below", group: "Cells", name: "Insert a cell below", words: "add new", keys: ["b"], needs: "edit", run: (context) => void context.actions.shaping.add(context.cell?.id ?? last(context), "code", false) },
  { id: "insert-text", group: "Cells", name: "Insert a text cell below", words: "add new markdown", needs: "edit", run: (context) => void context.actions.shaping.add(context.cell?.id ?? last(context), "markdown") },
  { id: "clear", group: "Cells", name: "Delete the outputs of the cell", words: "clear remove room", needs: "edit", ofCell: true, possible: ({ notebook, cell }) => notebook !== null && cell !== null && hasOutputs(notebook, cell.id), run: ({ actions, cell }) => cell && actions.clearing.cell(cell) },
  { id: "cut", group: "Cells", name: "Cut the cell", words: "clipboard delete selected", keys: ["x"], needs: "edit", ofCell: true, run: (context) => void context.actions.shaping.cut(all(context)) },
  { id: "copy", group: "Cells", name: "Copy the cell", words: "clipboard", keys: ["c"], needs: "observe", ofCell: true, run: (context) => void context.actions.shaping.copy(all(context)) },
  { id: "paste-below", group: "Cells", name: "Paste what was copied, below", words: "clipboard insert", keys: ["v"], needs: "edit", possible: ({ state }) => state.clipboard !== null, run: (context) => void context.actions.shaping.paste(context.cells.at(-1)?.id ?? last(context)) },
  { id: "paste-above", group: "Cells", name: "Paste what was copied, above", words: "clipboard insert", keys: ["Shift+V"], needs: "edit", ofCell: true, possible: ({ state }) => state.clipboard !== null, run: (context) => void context.actions.shaping.paste(all(context)[0] ?? null, true) },
  { id: "delete", group: "Cells", name: "Delete the cell", words: "remove", keys: ["d d"], needs: "edit", ofCell: true, run: (context) => void context.actions.shaping.remove(all(context)) },
  { id: "move-up", group: "Cells", name: "Move the cell up", keys: ["Alt+ArrowUp"], needs: "edit", ofCell: true, run: (context) => void context.actions.shaping.move(all(context), -1) },
  { id: "move-down", group: "Cells", name: "Move the cell down", keys: ["Alt+ArrowDown"], needs: "edit", ofCell: true, run: (context) => void context.actions.shaping.move(all(context), 1) },
  { id: "split", group: "Cells", name: "Split the cell at the cursor", words: "divide", keys: ["Ctrl+Shift+-"], whileEditing: true, needs: "edit", ofCell: true, run: (context) => void context.actions.shaping.split(of(context)) },
  { id: "merge", group: "Cells", name: "Merge the selected cells, or the cell with the one below", words: "join", keys: ["Shift+M"], needs: "edit", ofCell: true, possible: (context) => many(context) || last(context) !== of(context), run: (context) => void (many(context) ? context.actions.shaping.merge(all(context)) : context.actions.shaping.mergeWith(of(context), 1)) },
  { id: "merge-above", group: "Cells", name: "Merge the cell with the one above", words: "join", keys: ["Ctrl+Backspace"], needs: "edit", ofCell: true, possible: ({ notebook, cell }) => notebook?.cells[0]?.id !== cell?.id, run: (context) => void context.actions.shaping.mergeWith(of(context), -1) },
  { id: "to-code", group: "Cells", name: "Make the cell code", words: "convert type", keys: ["y"], needs: "edit", ofCell: true, run: (context) => void context.actions.shaping.convert(all(context), "code") },
  { id: "to-markdown", group: "Cells", name: "Make the cell Markdown", words: "convert type text", keys: ["m"], needs: "edit", ofCell: true, run: (context) => void context.actions.shaping.convert(all(context), "markdown") },
  ...[1, 2, 3, 4, 5, 6].map(heading),
  { id: "earlier-runs", group: "Cells", name: "Look at earlier runs of the cell", words: "history compare", needs: "observe", ofCell: true, possible: ({ notebook, cell }) => cell !== null && notebook?.runs.has(cell.id) === true, run: (context) => context.actions.past.openRuns(of(context)) },

  { id: "next", group: "Go", name: "Go to the next cell", words: "down", keys: ["j", "ArrowDown"], needs: "observe", run: ({ actions }) => actions.step(1) },
  { id: "previous", group: "Go", name: "Go to the previous cell", words: "up", keys: ["k", "ArrowUp"], needs: "observe", run: ({ actions }) => actions.step(-1) },
  { id: "first", group: "Go", name: "Go to the first cell", words: "top beginning", keys: ["Ctrl+Home"], needs: "observe", ofCell: true, run: ({ actions, notebook }) => show(actions, notebook?.cells[0]?.id) },
  { id: "last", group: "Go", name: "Go to the last cell", words: "bottom end", keys: ["Ctrl+End"], needs: "observe", ofCell: true, run: ({ actions, notebook }) => show(actions, notebook?.cells.at(-1)?.id) },
  { id: "go-running", group: "Go", name: "Go to the cell that runs", words: "jump executing", needs: "observe", possible: (context) => running(context) !== undefined, run: (context) => show(context.actions, running(context)) },
  { id: "go-failed", group: "Go", name: "Go to the first cell that failed", words: "jump error exception", needs: "observe", possible: (context) => failed(context) !== undefined, run: (context) => show(context.actions, failed(context)) },
];

function show(actions: Context["actions"], cell: CellId | undefined): void {
  if (cell !== undefined) actions.show(cell);
}

export function running({ notebook }: Context): CellId | undefined {
  if (notebook === null) return undefined;
  const { open, kinds } = overviewOf(notebook);
  return open.find((cell) => kinds.get(cell) === "running");
}

export function failed({ notebook }: Context): CellId | undefined {
  if (notebook === null) return undefined;
  const failed = overviewOf(notebook).failed;
  return failed.size === 0 ? undefined : notebook.cells.find(({ id }) => failed.has(id))?.id;
}
