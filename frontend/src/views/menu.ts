/** Menus: commands of the table, by their names there. */

import { html, nothing, type TemplateResult } from "lit-html";
import { type Context, isPossible } from "./commands/command";
import { keyWords } from "./commands/keys";
import { command } from "./commands/table";

/** First of all the menu closes and its head has the focus: a dialog that the click opens gives it back there. */
export const MENU_CLICK = {
  capture: true,
  handleEvent({ target, currentTarget }: Event): void {
    if ((target as HTMLElement).closest("button") === null) return;
    const menu = (currentTarget as HTMLElement).closest("details");
    menu?.querySelector("summary")?.focus();
    menu?.removeAttribute("open");
  },
};

/** @param ids of commands; those that cannot be given now are left out. Null draws a line between what is above and below. */
export function menu(name: string, head: TemplateResult, ids: readonly (string | null)[], context: Context): TemplateResult {
  return html`<details class="menu" data-menu=${name}>
    ${head}
    <div class="menu-items" @click=${MENU_CLICK}>${items(ids, context)}</div>
  </details>`;
}

export function items(ids: readonly (string | null)[], context: Context): readonly TemplateResult[] {
  const shown: TemplateResult[] = [];
  let line = false;
  for (const id of ids) {
    const one = id === null ? null : command(id);
    if (one === null) line = shown.length > 0;
    else if (isPossible(one, context)) {
      if (line) shown.push(html`<hr />`);
      line = false;
      const key = one.keys?.[0];
      const name = one.short ?? one.name;
      shown.push(html`<button data-command=${one.id} aria-label=${name} aria-pressed=${one.on === undefined ? nothing : one.on(context)} @click=${() => one.run(context)}>
        <span>${name}</span>${key === undefined ? nothing : html`<kbd>${keyWords(key)}</kbd>`}
      </button>`);
    }
  }
  return shown;
}
