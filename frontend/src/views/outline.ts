/** The outline beside the cells: headings, cells with their states, and where a run of many stopped. */

import { html, nothing, type TemplateResult } from "lit-html";
import { guard } from "lit-html/directives/guard.js";
import { repeat } from "lit-html/directives/repeat.js";
import { type Line, outlineOf } from "../outline";
import { overviewOf } from "../overview";
import { contextOf } from "./commands/command";
import { items } from "./menu";
import { note } from "./marks";
import { STATE_WORDS } from "./words";
import type { Page } from "./worksheet";

export function outline(page: Page): TemplateResult {
  const { state, notebook, actions } = page;
  const found = outlineOf(notebook);
  const { stopped } = overviewOf(notebook);
  const context = contextOf(state, actions);
  return html`<div class="pane-tools">${items(["go-running", "go-failed"], context)}</div>
    ${stopped === null ? nothing : html`<p class="stopped">${stopWords(page)}</p>`}
    ${guard([found, state.current], () => lines(found.lines, page))}
    ${found.omitted === 0 ? nothing : html`<p class="quiet">${found.omitted.toLocaleString()} cells that neither run nor failed are left out.</p>`}
    ${found.lines.length === 0 ? html`<p class="quiet">A heading in a text cell, such as “# Data”, stands here.</p>` : nothing}`;
}

function lines(found: readonly Line[], { state, actions }: Page): TemplateResult {
  return html`<ol class="outline" data-outline>
    ${repeat(
      found,
      ({ cell, text, kind }) => (kind === null ? `${cell} ${text}` : cell),
      ({ cell, place, level, text, kind }) => html`<li data-level=${Math.min(level, 7)} data-outline-cell=${place} data-state=${kind ?? nothing}>
        <button aria-current=${state.current === cell ? "true" : nothing} @click=${() => actions.show(cell)}>
          ${
            kind === null
              ? html`<span class="heading">${text}</span>`
              : html`${note(kind)}<span class="place">${place}</span><code>${text || "empty"}</code><span class="word">${kind === "never" || kind === "done" ? html`<span class="unseen">${STATE_WORDS[kind]}</span>` : STATE_WORDS[kind]}</span>`
          }
        </button>
      </li>`,
    )}
  </ol>`;
}

/** The last run of many ended early: where, and what that means. */
function stopWords({ notebook }: Page): string {
  const { stopped } = overviewOf(notebook);
  if (stopped === null) return "";
  const place = notebook.cells.findIndex(({ id }) => id === stopped.cell) + 1;
  const left = stopped.left === 1 ? "One cell behind it did not run." : `${stopped.left} cells behind it did not run.`;
  return `The run stopped at cell ${place}. ${left}`;
}

/** Above the cells, for whoever has no outline open. */
export function stopStrip(page: Page): TemplateResult | typeof nothing {
  const { stopped } = overviewOf(page.notebook);
  if (stopped === null) return nothing;
  return html`<p class="stopped strip" data-stopped>
    ${note("failed")}<span>${stopWords(page)}</span>
    <button class="link" @click=${() => page.actions.show(stopped.cell)}>Go to cell ${page.notebook.cells.findIndex(({ id }) => id === stopped.cell) + 1}</button>
  </p>`;
}
