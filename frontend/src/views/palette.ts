/** The command palette: every command that can be given now, found by a few letters, with its key. */

import { html, nothing, type TemplateResult } from "lit-html";
import { ref } from "lit-html/directives/ref.js";
import { repeat } from "lit-html/directives/repeat.js";
import type { Actions } from "../actions";
import type { Dialog, State } from "../state";
import { type Command, contextOf } from "./commands/command";
import { keyWords } from "./commands/keys";
import { search } from "./commands/search";
import { possibleCommands } from "./commands/table";

type Palette = Extract<Dialog, { kind: "palette" }>;

export function palette(dialog: Palette, state: State, actions: Actions): TemplateResult {
  // Not those that would open what is open.
  const found = search(dialog.query, possibleCommands(contextOf(state, actions)).filter(({ id }) => id !== "palette"));
  const at = Math.min(dialog.at, found.length - 1);
  const give = ({ currentTarget }: Event, command: Command | undefined) => {
    if (command === undefined) return;
    // The focus goes back to where it was first: the command may take it on from there.
    (currentTarget as HTMLElement).closest("dialog")?.close();
    actions.closeDialog();
    command.run(contextOf(state, actions));
  };
  const choose = (place: number) => actions.openDialog({ ...dialog, at: (place + found.length) % Math.max(1, found.length) });
  const key = (event: KeyboardEvent) => {
    if (event.isComposing) return;
    const steps: Readonly<Record<string, number>> = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: Math.min(at + 8, found.length - 1), PageUp: Math.max(at - 8, 0) };
    const to = steps[event.key];
    if (to === undefined && event.key !== "Enter") return;
    event.preventDefault();
    if (to === undefined) give(event, found[at]);
    else choose(to);
  };
  const type = (event: Event) => actions.openDialog({ kind: "palette", query: (event.target as HTMLInputElement).value, at: 0 });
  return html`<input
      class="palette-query"
      role="combobox"
      aria-label="Find a command"
      aria-expanded="true"
      aria-controls="palette-list"
      aria-activedescendant=${found[at] === undefined ? nothing : `palette-${at}`}
      placeholder="What do you want to do?"
      autocomplete="off"
      autocapitalize="off"
      spellcheck="false"
      autofocus
      .value=${dialog.query}
      @input=${type}
      @keydown=${key}
    />
    <ul class="palette-list" id="palette-list" role="listbox" aria-label="Commands" data-palette>
      ${repeat(
        found,
        ({ id }) => id,
        (command, place) => html`<li
          role="option"
          id=${`palette-${place}`}
          aria-selected=${place === at}
          data-command=${command.id}
          ${place === at ? ref(intoView) : nothing}
          @click=${(event: Event) => give(event, command)}
        >
          <span class="name">${command.name}</span><span class="quiet">${command.group}</span>${keys(command)}
        </li>`,
      )}
    </ul>
    <p class="quiet" role="status">${found.length === 0 ? "No command answers to this." : nothing}</p>`;
}

function intoView(element: Element | undefined): void {
  // Before the list stands in the document there is nothing to scroll.
  if (element !== undefined) queueMicrotask(() => element.scrollIntoView({ block: "nearest" }));
}

export function keys({ keys = [] }: Command): TemplateResult {
  return html`<span class="keys">${keys.map((key, place) => html`${place > 0 ? " or " : nothing}<kbd>${keyWords(key)}</kbd>`)}</span>`;
}
