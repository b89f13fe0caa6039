/** The list of worksheets, set as a table of contents. */

import { html, nothing, type TemplateResult } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";
import type { Actions } from "../actions";
import type { Worksheet } from "../protocol";
import type { State } from "../state";
import { icon } from "./marks";
import { day, ROLE_WORDS } from "./words";

export function home(state: State, actions: Actions): TemplateResult {
  const { worksheets } = state;
  const take = (files: FileList | null | undefined) => {
    const file = files?.[0];
    if (file !== undefined) void actions.importWorksheet(file);
  };
  const choose = ({ currentTarget }: Event) => {
    const input = currentTarget as HTMLInputElement;
    take(input.files);
    input.value = ""; // the same file may be chosen again
  };
  const drag = (event: DragEvent) => {
    if (event.dataTransfer?.types.includes("Files") === true) event.preventDefault();
  };
  const drop = (event: DragEvent) => {
    drag(event);
    take(event.dataTransfer?.files);
  };
  return html`<main class="sheet home-page" @dragover=${drag} @drop=${drop}>
    <div class="home-head">
      <h1 class="title">Worksheets</h1>
      <span class="space"></span>
      ${
        state.account?.visitor === true
          ? nothing
          : html`<input type="file" accept=".ipynb,.py" hidden data-import @change=${choose} />
              <button title="A notebook or a Python script; it can also be dropped here" @click=${pick}>Import…</button>
              <button class="main" @click=${() => void actions.createWorksheet()}>${icon("add")} New worksheet</button>`
      }
    </div>
    ${
      worksheets === null
        ? html`<p class="quiet" aria-busy="true">Loading…</p>`
        : worksheets.length === 0
          ? html`<div class="empty">
              <p>Nothing here yet.</p>
              <p class="quiet">A worksheet is a page of Python that you and others run together. Start one, or ask somebody to share theirs.</p>
            </div>`
          : html`<ul class="contents" data-worksheets>
              ${repeat(
                worksheets,
                ({ id }) => id,
                (worksheet) => line(worksheet, state, actions),
              )}
            </ul>`
    }
  </main>`;
}

function pick({ currentTarget }: Event): void {
  (currentTarget as HTMLElement).parentElement?.querySelector<HTMLInputElement>("[data-import]")?.click();
}

function line(worksheet: Worksheet, state: State, actions: Actions): TemplateResult {
  const { id, title, owner, role, changed } = worksheet;
  const owned = owner === state.account?.name;
  const open = (event: MouseEvent) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    actions.go({ page: "worksheet", id });
  };
  const rename = () =>
    actions.openDialog({ kind: "rename", id, title });
  return html`<li data-worksheet-id=${id}>
    <a href=${`/w/${id}`} @click=${open}><span class="name">${title}</span></a>
    <span class="leader" aria-hidden="true"></span>
    <span class="facts">${owned ? nothing : html`<span>${owner}</span>`}<span class="role">${owned ? "yours" : ROLE_WORDS[role]}</span><time datetime=${changed}>${day(changed, state.now)}</time></span>
    <span class="line-tools">
      ${role === "edit" || role === "own" ? html`<button class="link" aria-label=${`Rename ${title}`} @click=${rename}>Rename</button>` : nothing}
      ${role === "own" ? html`<button class="link" aria-label=${`Delete ${title}`} @click=${() => actions.deleteWorksheet(id, title)}>Delete</button>` : nothing}
    </span>
  </li>`;
}
