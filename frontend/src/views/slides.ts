/** The presentation: a slide at a time, or everything in one flow; the cells and outputs of the worksheet, live. */

import { isFolded } from "../folding";
import { html, nothing, type TemplateResult } from "lit-html";
import { guard } from "lit-html/directives/guard.js";
import { repeat } from "lit-html/directives/repeat.js";
import type { Actions } from "../actions";
import { cellState, displayName, textOf } from "../notebook";
import type { AccountName, Cell } from "../protocol";
import { codeHidden, type SlideCell, shownCells, slideAt, slidesOf } from "../slides";
import type { State } from "../state";
import { icon } from "./marks";
import { renderMarkdown } from "./markdown";
import { outputs } from "./outputs";
import { inertOf, trustBar } from "./trust";
import { widgetsIn } from "./widget-rights";
import { STATE_WORDS } from "./words";
import type { Page } from "./worksheet";

/** What the keys do, for the sheet too. */
export const SLIDE_KEYS: readonly (readonly [string, string])[] = [
  ["→ or Space or Page Down", "Go on"],
  ["← or Page Up", "Go back"],
  ["Home, End", "Go to the first or the last slide"],
  ["F", "Fill the whole screen, or no longer"],
  ["C", "Show or hide the code"],
  ["S", "Slides, or one flow"],
  ["Esc", "Back to the worksheet"],
];

/** Keys of the presentation; in a field or at a button they are the browser's. @returns whether the key was one */
export function slideKey(event: KeyboardEvent, { presenting }: State, { presenting: actions }: Actions): boolean {
  if (presenting === null || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return false;
  const target = event.target as HTMLElement;
  const field = target.closest("input, textarea, select, output-frame") !== null;
  if (field && event.key !== "Escape") return false;
  if (event.key === " " && target.closest("button, summary, a") !== null) return false;
  const { flow, code } = presenting;
  const moves: Readonly<Record<string, () => void>> = {
    ArrowRight: () => actions.step(1),
    PageDown: () => actions.step(1),
    " ": () => actions.step(event.shiftKey ? -1 : 1),
    ArrowLeft: () => actions.step(-1),
    PageUp: () => actions.step(-1),
    Home: () => actions.toEnd("first"),
    End: () => actions.toEnd("last"),
  };
  const others: Readonly<Record<string, () => void>> = {
    Escape: () => actions.end(),
    f: fillScreen,
    c: () => actions.look({ code: !code }),
    s: () => actions.look({ flow: !flow }),
  };
  const act = others[event.key.length === 1 ? event.key.toLowerCase() : event.key] ?? (flow ? undefined : moves[event.key]);
  if (act === undefined) return false;
  event.preventDefault();
  act();
  return true;
}

export function fillScreen(): void {
  if (document.fullscreenElement === null) void document.documentElement.requestFullscreen?.().catch(() => undefined);
  else void document.exitFullscreen();
}

export function slides(page: Page): TemplateResult {
  const { state, notebook, actions } = page;
  const { place, flow, code } = state.presenting!;
  const all = slidesOf(notebook.cells);
  const at = slideAt(all, place);
  const step = Math.min(place.step, all[at]!.steps);
  const shown: readonly SlideCell[] = flow ? shownCells(notebook.cells).map((cell) => ({ cell, step: 0 })) : all[at]!.cells.filter((each) => each.step <= step);
  const where = flow ? `${notebook.worksheet.title}, in one flow` : `Slide ${at + 1} of ${all.length}`;
  const last = at === all.length - 1 && step === all[at]!.steps;
  return html`<main class=${`slides${flow ? " flow" : ""}`} tabindex="-1" aria-label=${`Presentation: ${notebook.worksheet.title}`} data-presenting=${flow ? "flow" : at + 1} data-step=${step}>
    ${trustBar(page)}
    <section class="slide" aria-label=${where}>
      ${repeat(
        shown,
        ({ cell }) => cell.id,
        ({ cell }) => slideCell(page, cell, code),
      )}
    </section>
    <footer class="slide-bar" role="toolbar" aria-label="Presentation">
      ${
        flow
          ? nothing
          : html`<button class="round" aria-label="Back" ?disabled=${at === 0 && step === 0} @click=${() => actions.presenting.step(-1)}>${icon("earlier")}</button>
              <span role="status" data-slide>${where}</span>
              <button class="round" aria-label="Go on" ?disabled=${last} @click=${() => actions.presenting.step(1)}>${icon("later")}</button>`
      }
      <span class="space"></span>
      <button aria-pressed=${code} @click=${() => actions.presenting.look({ code: !code })}>Code</button>
      <button aria-pressed=${flow} @click=${() => actions.presenting.look({ flow: !flow })}>One flow</button>
      <button @click=${fillScreen}>Full screen</button>
      <button @click=${() => actions.presenting.end()}>Leave</button>
    </footer>
  </main>`;
}

function slideCell(page: Page, cell: Cell, code: boolean): unknown {
  const { state, notebook, actions, dark } = page;
  const run = notebook.runs.get(cell.id);
  const answer = run === undefined ? undefined : notebook.answers.get(run.msg_id);
  const { kind } = cellState(notebook, cell.id);
  const place = notebook.cells.indexOf(cell) + 1;
  const showsCode = code && !codeHidden(cell);
  const source = textOf(notebook, cell);
  const parts = [source, cell.type, place, showsCode, answer, kind, dark, state.looks, state.trusted, state.folds, notebook.worksheet.role, notebook.members];
  return guard(parts, () => {
    if (cell.type === "markdown") return html`<div class="slide-text" data-slide-cell=${place}>${renderMarkdown(source)}</div>`;
    const shows = answer !== undefined && answer.outputs.length > 0 && !isFolded(cell, "outputs", state.folds);
    if (!showsCode && !shows && kind !== "running") return nothing;
    return html`<div class="slide-code" data-slide-cell=${place} data-state=${kind}>
      ${showsCode && source.trim() !== "" ? html`<div class="source"><code-text role="group" aria-label=${`Code of cell ${place}`} .source=${source}></code-text></div>` : nothing}
      ${kind === "running" || kind === "queued" || kind === "failed" ? html`<p class=${`caption ${kind}`}>${STATE_WORDS[kind]}</p>` : nothing}
      ${
        shows && run !== undefined
          ? html`<div class="outputs" role="region" aria-label=${`Output of cell ${place}`} data-outputs>
              ${outputs({
                msgId: run.msg_id,
                answer,
                dark,
                mayAnswer: false,
                nameOf: (account) => displayName(notebook, account as AccountName),
                looks: state.looks,
                cell: `cell ${place}`,
                widgets: widgetsIn(notebook, run.session, notebook.ended.has(cell.id)),
                inert: inertOf(state, notebook, actions, run.account),
                actions,
              })}
            </div>`
          : nothing
      }
    </div>`;
  });
}
