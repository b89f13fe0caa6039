/** Selecting cells with the pointer: with Shift up to here, with Ctrl or the command key this one too. */

import type { Actions } from "../actions";
import type { CellId } from "../protocol";

/** What a click means something else in. */
const OWN = "button, a, input, select, textarea, summary, label, iframe, video, audio, cell-editor";

/** On the element that holds the cells: before the click moves the focus, and selects text. */
export function picking(actions: Actions): { handleEvent(event: MouseEvent): void } {
  return {
    handleEvent(event) {
      if (event.button !== 0 || !(event.shiftKey || event.ctrlKey || event.metaKey)) return;
      const target = event.target as HTMLElement;
      const cell = target.closest<HTMLElement>("[data-cell-id]");
      if (cell === null || target.closest(OWN) !== null) return;
      event.preventDefault();
      const id = cell.dataset["cellId"] as CellId;
      if (event.shiftKey) actions.selecting.extendTo(id);
      else actions.selecting.toggle(id);
      // The click that follows would open an editor.
      addEventListener("click", swallow, { capture: true, once: true });
      addEventListener("mouseup", () => setTimeout(() => removeEventListener("click", swallow, { capture: true })), { once: true });
    },
  };
}

function swallow(event: Event): void {
  event.stopPropagation();
  event.preventDefault();
}
