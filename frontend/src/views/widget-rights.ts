/** What this viewer may do with the widgets that a run has left. */

import { may, type Notebook } from "../notebook";
import type { SessionUid } from "../protocol";
import type { WidgetsView } from "./mime/drawing";

const OVER: ReadonlySet<string> = new Set(["closed", "lost", "dead"]);

/** `ended`: what the run made is not in the session any more. */
export function widgetsIn(notebook: Notebook, session: SessionUid | null, ended: boolean): WidgetsView {
  return {
    session: session ?? ("" as SessionUid),
    known: (model) => session !== null && notebook.widgets.get(session)?.models.has(model) === true,
    fixed: fixed(notebook, session, ended),
  };
}

function fixed({ worksheet, session }: Notebook, uid: SessionUid | null, ended: boolean): string {
  const over = session === null || session.uid !== uid || OVER.has(session.state);
  if (ended || over) return "Its session has ended. This is how it was last.";
  return may(worksheet.role, "run") ? "" : "Who may run code can move this. You see what they do.";
}
