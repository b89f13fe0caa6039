/** Going with somebody: what it is, said above the cells, and that it ends with what one does oneself. */

import { html, nothing, type TemplateResult } from "lit-html";
import { displayName } from "../notebook";
import type { State } from "../state";
import type { Page } from "./worksheet";

export function followStrip({ state, notebook, actions }: Page): TemplateResult | typeof nothing {
  const { following } = state;
  if (following === null) return nothing;
  return html`<p class="strip following" role="status" data-following=${following}>
    <span>You go with ${displayName(notebook, following)}, until you do something here.</span>
    <button class="link" @click=${() => actions.follow(following)}>Stop</button>
  </p>`;
}

/** Whether somebody does something of their own by this, such as to scroll or to choose a cell; not where people are chosen. */
export function isOwnAction({ type, target }: Event, { following }: State): boolean {
  if (following === null) return false;
  const element = target instanceof Element ? target : null;
  if (type === "wheel" || type === "touchmove") return element?.closest("dialog, .pane") === null;
  return element?.closest("header, dialog, .pane, [data-following]") === null;
}
