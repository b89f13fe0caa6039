/** Commands that select cells, fold them away, find in them, and undo what was done to them. */

import type { Part } from "../../folding";
import { isFolded, sectionLevel } from "../../folding";
import type { Command, Context } from "./command";

const some = (part: Part) => ({ cells }: Context) => cells.some((cell) => (part === "section" ? sectionLevel(cell) !== null : cell.type === "code"));
const any = (part: Part, folded: boolean) => ({ notebook, state }: Context) =>
  notebook?.cells.some((cell) => (part === "section" ? sectionLevel(cell) !== null : cell.type === "code") && isFolded(cell, part, state.folds) === folded) === true;
const many = ({ state }: Context) => state.selected.size > 1;

function section(folded: boolean, key: string): Command {
  return {
    id: folded ? "fold-section" : "unfold-section",
    group: "View",
    name: folded ? "Hide the section under the heading" : "Show the section under the heading",
    words: "collapse expand fold heading",
    keys: [key],
    needs: "observe",
    ofCell: true,
    possible: ({ cell, state }) => cell !== null && sectionLevel(cell) !== null && isFolded(cell, "section", state.folds) !== folded,
    run: ({ actions, cell }) => void actions.selecting.fold([cell!], "section", folded),
  };
}

export const MANY_COMMANDS: readonly Command[] = [
  { id: "select-down", group: "Select", name: "Select one cell more, below", words: "extend multiple", keys: ["Shift+J", "Shift+ArrowDown"], needs: "observe", ofCell: true, run: ({ actions }) => actions.selecting.extend(1) },
  { id: "select-up", group: "Select", name: "Select one cell more, above", words: "extend multiple", keys: ["Shift+K", "Shift+ArrowUp"], needs: "observe", ofCell: true, run: ({ actions }) => actions.selecting.extend(-1) },
  { id: "select-to-last", group: "Select", name: "Select down to the last cell", words: "extend bottom end", keys: ["Shift+End"], needs: "observe", ofCell: true, run: ({ actions }) => actions.selecting.extendToEnd(1) },
  { id: "select-to-first", group: "Select", name: "Select up to the first cell", words: "extend top beginning", keys: ["Shift+Home"], needs: "observe", ofCell: true, run: ({ actions }) => actions.selecting.extendToEnd(-1) },
  { id: "select-all", group: "Select", name: "Select all cells", words: "everything", keys: ["Ctrl+A"], needs: "observe", run: ({ actions }) => actions.selecting.all() },
  { id: "select-none", group: "Select", name: "Select the current cell alone", words: "deselect", keys: ["Escape"], needs: "observe", possible: many, run: ({ actions }) => actions.selecting.none() },

  { id: "find", group: "Find", name: "Find in all cells", short: "Find…", words: "search text", keys: ["Ctrl+F", "f"], whileEditing: true, needs: "observe", run: ({ actions }) => actions.finder.open(false, selectedText()) },
  { id: "replace", group: "Find", name: "Find and replace in all cells", short: "Replace…", words: "search text change", keys: ["Ctrl+H"], whileEditing: true, needs: "edit", run: ({ actions }) => actions.finder.open(true, selectedText()) },
  { id: "find-next", group: "Find", name: "Go to the next that was found", words: "search", keys: ["Ctrl+G"], whileEditing: true, needs: "observe", possible: ({ state }) => state.find !== null, run: ({ actions }) => actions.finder.go(1) },
  { id: "find-previous", group: "Find", name: "Go to the previous that was found", words: "search", keys: ["Ctrl+Shift+G"], whileEditing: true, needs: "observe", possible: ({ state }) => state.find !== null, run: ({ actions }) => actions.finder.go(-1) },

  { id: "undo", group: "Cells", name: "Undo what was done to cells", short: "Undo", words: "deleted moved back restore", keys: ["z"], needs: "edit", possible: ({ state }) => state.done.length > 0, run: ({ actions }) => void actions.changing.undo() },
  { id: "redo", group: "Cells", name: "Do again what was undone", short: "Redo", words: "redo", keys: ["Shift+Z"], needs: "edit", possible: ({ state }) => state.undone.length > 0, run: ({ actions }) => void actions.changing.redo() },

  { id: "toggle-output", group: "View", name: "Hide or show the output of the cell", words: "collapse expand toggle fold", keys: ["o"], needs: "observe", ofCell: true, possible: some("outputs"), run: ({ actions, cells }) => void actions.selecting.toggleFold(cells, "outputs") },
  { id: "toggle-code", group: "View", name: "Hide or show the code of the cell", words: "collapse expand toggle fold source input", keys: ["Shift+H"], needs: "observe", ofCell: true, possible: some("code"), run: ({ actions, cells }) => void actions.selecting.toggleFold(cells, "code") },
  section(true, "ArrowLeft"),
  section(false, "ArrowRight"),
  { id: "hide-all-code", group: "View", name: "Hide all code", words: "collapse fold source input report", needs: "observe", possible: any("code", false), run: ({ actions }) => void actions.selecting.foldAll("code", true) },
  { id: "show-all-code", group: "View", name: "Show all code", words: "expand unfold source input", needs: "observe", possible: any("code", true), run: ({ actions }) => void actions.selecting.foldAll("code", false) },
  { id: "hide-all-outputs", group: "View", name: "Hide all outputs", words: "collapse fold", needs: "observe", possible: any("outputs", false), run: ({ actions }) => void actions.selecting.foldAll("outputs", true) },
  { id: "show-all-outputs", group: "View", name: "Show all outputs", words: "expand unfold", needs: "observe", possible: any("outputs", true), run: ({ actions }) => void actions.selecting.foldAll("outputs", false) },
  { id: "hide-all-sections", group: "View", name: "Hide all sections", words: "collapse fold headings", needs: "observe", possible: any("section", false), run: ({ actions }) => void actions.selecting.foldAll("section", true) },
  { id: "show-all-sections", group: "View", name: "Show all sections", words: "expand unfold headings", needs: "observe", possible: any("section", true), run: ({ actions }) => void actions.selecting.foldAll("section", false) },
];

/** What is selected in the page or in an editor: to look for it is what a person wants who has selected it. */
function selectedText(): string {
  if (document.activeElement?.closest("input, textarea")) return "";
  const text = getSelection()?.toString() ?? "";
  return text.length > 200 ? "" : text;
}
