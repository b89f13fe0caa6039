/** What can stand beside the cells, one at a time. Another pane is a line in this table, a name in `Pane` and a command. */

import { html, nothing, type TemplateResult } from "lit-html";
import type { Pane } from "../state";
import { comments } from "./comments";
import { files } from "./files";
import { icon } from "./marks";
import { outline } from "./outline";
import { variables } from "./variables";
import type { Page } from "./worksheet";

const PANES: Readonly<Record<Pane, readonly [string, (page: Page) => TemplateResult]>> = {
  outline: ["Outline", outline],
  variables: ["Variables", variables],
  files: ["Files", files],
  comments: ["Comments", comments],
};

export function pane(page: Page): TemplateResult | typeof nothing {
  const { pane } = page.state;
  if (pane === null) return nothing;
  const [name, draw] = PANES[pane];
  return html`<aside class="pane" aria-label=${name} data-pane=${pane}>
    <div class="pane-head">
      <h2>${name}</h2>
      <button class="round" aria-label=${`Close: ${name}`} @click=${() => page.actions.togglePane(pane)}>${icon("close")}</button>
    </div>
    ${draw(page)}
  </aside>`;
}
