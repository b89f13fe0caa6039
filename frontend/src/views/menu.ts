/** Menus: commands of the table, by their names there. */

import { html, type TemplateResult } from "lit-html";
import { type Context, isPossible } from "./commands/command";
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

/** @param ids of commands; those that cannot be given now are left out */
export function menu(name: string, head: TemplateResult, ids: readonly string[], context: Context): TemplateResult {
  return html`<details class="menu" data-menu=${name}>
    ${head}
    <div class="menu-items" @click=${MENU_CLICK}>${items(ids, context)}</div>
  </details>`;
}

export function items(ids: readonly string[], context: Context): readonly TemplateResult[] {
  return ids
    .map(command)
    .filter((one) => isPossible(one, context))
    .map((one) => html`<button data-command=${one.id} @click=${() => one.run(context)}>${one.short ?? one.name}</button>`);
}
