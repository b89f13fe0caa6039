/** The pane of variables: a table to sort and to filter, and a part of the one that is opened. */

import { html, nothing, type TemplateResult } from "lit-html";
import { guard } from "lit-html/directives/guard.js";
import { repeat } from "lit-html/directives/repeat.js";
import { mayLook, ROWS } from "../looking";
import type { Variable, VariableDetails } from "../protocol";
import { sessionIsOver } from "../overview";
import { shownVariables, type SortBy, type VariablesView } from "../variables";
import type { Actions } from "../actions";
import { icon } from "./marks";
import { bytes } from "./words";
import type { Page } from "./worksheet";

/** Rows of the table that are drawn: who looks for another one filters. */
const DRAWN = 300;

const COLUMNS: readonly (readonly [SortBy, string])[] = [
  ["name", "Name"],
  ["type", "Type"],
  ["shape", "Shape"],
  ["size", "Size"],
];

export function variables(page: Page): TemplateResult {
  const { state, notebook, actions } = page;
  const view = state.variables;
  if (!mayLook(notebook)) return html`<p class="quiet">Who may run code here sees the variables.</p>`;
  if (notebook.session === null || sessionIsOver(notebook)) return html`<p class="quiet">There is no session: the first run starts one.</p>`;
  const mine = view.session === notebook.session.uid ? view : { ...view, told: null };
  return html`<div class="variables-tools">
      <input type="search" aria-label="Filter variables" placeholder="Filter by name or type" .value=${view.query} @input=${(event: Event) => actions.looking.filter((event.target as HTMLInputElement).value)} />
      <button class="round" aria-label="Ask again" title="Ask again" @click=${() => void actions.looking.refresh()}>${icon("restart")}</button>
    </div>
    <p class="quiet" role="status" data-variables-told>${mine.told === null ? (view.fault ?? "Asking…") : (view.fault ?? summary(mine))}</p>
    ${guard([mine.told, mine.changed, mine.query, mine.sort, mine.falling, mine.at, mine.open], () => table(mine, actions))}`;
}

function summary(view: VariablesView): string {
  const { told, changed } = view;
  if (told === null) return "";
  if (!told.known) return "A session of another kernel does not tell its variables.";
  if (told.total === 0) return view.search === "" ? "No variables yet." : "None has this name.";
  const shown = shownVariables(view).length;
  const count = told.total === 1 ? "1 variable" : `${told.total.toLocaleString()} variables`;
  const filtered = shown < told.variables.length ? `${shown} of ` : "";
  const marked = [...changed].filter((name) => told.variables.some((variable) => variable.name === name)).length;
  return `${filtered}${count}${marked === 0 ? "" : `, ${marked} changed`}${told.next === null ? "" : "; filter to find others"}`;
}

function table(view: VariablesView, actions: Actions): TemplateResult | typeof nothing {
  const rows = shownVariables(view);
  if (rows.length === 0) return nothing;
  const at = rows.some(({ name }) => name === view.at) ? view.at : rows[0]?.name;
  return html`<div class="variables" role="table" aria-label="Variables" @keydown=${arrows} data-variables>
    <div role="row" class="variables-head">
      ${COLUMNS.map(
        ([by, name]) =>
          html`<span role="columnheader" aria-sort=${view.sort === by ? (view.falling ? "descending" : "ascending") : "none"}
            ><button @click=${() => actions.looking.sort(by)}>${name}${view.sort === by ? html`<span aria-hidden="true">${view.falling ? " ↓" : " ↑"}</span>` : nothing}</button></span
          >`,
      )}
      <span role="columnheader" class="unseen">Value</span>
    </div>
    ${repeat(
      rows.slice(0, DRAWN),
      ({ name }) => name,
      (variable) => row(variable, view, variable.name === at, actions),
    )}
    ${rows.length > DRAWN ? html`<p class="quiet">${(rows.length - DRAWN).toLocaleString()} more: filter to see them.</p>` : nothing}
  </div>`;
}

function row(variable: Variable, view: VariablesView, reached: boolean, actions: Actions): TemplateResult {
  const { name, type, module, shape, size_bytes, preview } = variable;
  const changed = view.changed.has(name);
  const open = view.open?.name === name ? view.open : null;
  return html`<div role="row" class=${changed ? "variable changed" : "variable"} data-variable=${name}>
    <span role="rowheader"
      ><button aria-expanded=${open !== null} tabindex=${reached ? 0 : -1} @focus=${() => actions.looking.focused(name)} @click=${() => void actions.looking.toggle(name)}>
        ${name}</button
      >${changed ? html`<span class="unseen">, changed</span>` : nothing}</span
    >
    <span role="cell" class="type" title=${module === "builtins" ? type : `${module}.${type}`}>${type}</span>
    <span role="cell" class="number">${(shape ?? []).map((length) => length.toLocaleString()).join(" × ")}</span>
    <span role="cell" class="number">${size_bytes === null ? "" : bytes(size_bytes)}</span>
    <code role="cell" class="preview">${preview}</code>
    ${open === null ? nothing : html`<div role="cell" class="details" data-details>${details(open.details, open.start, name, actions)}</div>`}
  </div>`;
}

function details(found: VariableDetails | null, start: number, name: string, actions: Actions): TemplateResult {
  if (found === null) return html`<p class="quiet">Asking…</p>`;
  if (found.variable === null) return html`<p class="quiet">It is gone.</p>`;
  if (found.columns.length === 0) return html`<pre tabindex="0" role="region" aria-label=${`Value of ${name}`}>${found.text}</pre>`;
  const end = start + found.rows.length;
  const left = found.width - found.columns.length;
  return html`<div class="details-table" tabindex="0" role="region" aria-label=${`Rows of ${name}`}>
      <table>
        <thead>
          <tr>${found.columns.map(({ name, type }) => html`<th scope="col">${name}${type === "" ? nothing : html` <small>${type}</small>`}</th>`)}</tr>
        </thead>
        <tbody>
          ${found.rows.map(([first, ...cells]) => html`<tr><th scope="row">${first}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`)}
        </tbody>
      </table>
    </div>
    <p class="details-foot">
      <span class="quiet">${found.total === 0 ? "Empty" : `${start.toLocaleString()} to ${(end - 1).toLocaleString()} of ${found.total.toLocaleString()}`}${left > 0 ? `, ${left.toLocaleString()} columns are left out` : ""}</span>
      ${
        found.total <= ROWS
          ? nothing
          : html`<button class="round" aria-label=${`Earlier rows of ${name}`} ?disabled=${start === 0} @click=${() => void actions.looking.page(name, start - ROWS)}>${icon("earlier")}</button>
              <button class="round" aria-label=${`Later rows of ${name}`} ?disabled=${end >= found.total} @click=${() => void actions.looking.page(name, start + ROWS)}>${icon("later")}</button>`
      }
    </p>`;
}

/** From one variable to another, as from cell to cell. */
function arrows(event: KeyboardEvent): void {
  const by = { ArrowDown: 1, ArrowUp: -1, Home: -Infinity, End: Infinity }[event.key];
  const heads = [...(event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>("[data-variable] [aria-expanded]")];
  const at = heads.indexOf(event.target as HTMLElement);
  if (by === undefined || at === -1) return;
  event.preventDefault();
  heads[Math.min(heads.length - 1, Math.max(0, at + by))]?.focus();
}
