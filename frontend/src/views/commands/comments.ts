/** Commands of comments. */

import { shownThreads } from "../../comments";
import { selectedIn } from "../commented";
import type { Command } from "./command";

export const COMMENT_COMMANDS: readonly Command[] = [
  { id: "comment", group: "Cells", name: "Comment on the cell, or on what is selected in it", words: "say note review discuss thread", keys: ["Ctrl+Alt+M"], whileEditing: true, needs: "answer", ofCell: true, run: ({ actions, cell }) => cell && actions.comments.begin(cell.id, selectedIn(cell.id)) },
  { id: "next-comment", group: "Go", name: "Go to the next comment, first to those not read", words: "thread unread review", keys: ["Shift+C"], needs: "observe", possible: ({ notebook }) => notebook !== null && shownThreads(notebook, false).length > 0, run: ({ actions }) => actions.comments.next() },
  { id: "comments", group: "View", name: "Show or hide the comments", short: "Comments", on: ({ state }) => state.pane === "comments", words: "threads discussion review pane sidebar", keys: ["Ctrl+Shift+M"], whileEditing: true, needs: "observe", run: ({ actions }) => actions.togglePane("comments") },
];
