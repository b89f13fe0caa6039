/** The field that stands for a cell until the server has made it: no key is lost, or goes into the cell before. */

import { html, nothing, type TemplateResult } from "lit-html";
import type { Actions } from "../actions";
import type { CellId } from "../protocol";
import type { State } from "../state";
import type { CellEditor } from "./editor";

/** Behind the cell that it comes after. */
export function arrivingCell({ arriving }: State, after: CellId, actions: Actions): TemplateResult | typeof nothing {
  if (arriving?.after !== after) return nothing;
  const { text } = arriving;
  return html`<textarea
    class="arriving"
    aria-label="New cell"
    rows=${text.split("\n").length}
    spellcheck="false"
    data-arriving
    .value=${text}
    @input=${({ target }: Event) => actions.shaping.typedAhead((target as HTMLTextAreaElement).value)}
    @keydown=${wait}
  ></textarea>`;
}

/** To run or to leave a cell that is not there yet means nothing. */
function wait(event: KeyboardEvent): void {
  const { key, shiftKey, ctrlKey, altKey, metaKey } = event;
  if (key === "Escape" || key === "Tab" || (key === "Enter" && (shiftKey || ctrlKey || altKey || metaKey))) event.preventDefault();
}

/** After a drawing: whoever asked for a cell types into it from now on; and once it is there, has typed into it. */
export function followArriving(before: State, { arriving, current, editing }: State, root: HTMLElement, actions: Actions): void {
  if (arriving === null) return;
  const editor = root.querySelector<CellEditor>(`[data-cell-id="${CSS.escape(arriving.cell)}"] cell-editor`);
  if (editor !== null && editing && current === arriving.cell) {
    // Before the writing, which draws again.
    actions.shaping.arrived();
    if (arriving.text !== "") editor.write(arriving.text);
  } else if (before.arriving?.cell !== arriving.cell) root.querySelector<HTMLElement>("[data-arriving]")?.focus({ preventScroll: true });
}
