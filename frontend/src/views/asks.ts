/** The note in the top bar that code waits for an answer, for all who may give one. */

import { html, nothing, type TemplateResult } from "lit-html";
import type { Actions } from "../actions";
import { may, type Notebook } from "../notebook";
import { promptsOf } from "../prompts";
import { placeOf } from "./words";

const LONGEST = 40;

export function asks(notebook: Notebook, actions: Actions): TemplateResult {
  const [first, ...others] = may(notebook.worksheet.role, "answer") ? promptsOf(notebook) : [];
  // The region stands there all the time: a screen reader tells what comes into one, not that one comes.
  return html`<span class="asks" role="status">${
    first === undefined
      ? nothing
      : html`<button data-asks @click=${() => actions.toPrompt(first)}>
          ${placeOf(notebook, first.cell)} asks${first.text.trim() === "" ? "" : `: “${short(first.text)}”`}${others.length === 0 ? nothing : html`, and ${others.length} more`}
        </button>`
  }</span>`;
}

function short(text: string): string {
  const line = text.trim().replace(/\s+/g, " ");
  return line.length <= LONGEST ? line : `${line.slice(0, LONGEST - 1)}…`;
}
