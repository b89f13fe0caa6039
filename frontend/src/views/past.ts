/** What was: earlier states of the worksheet, the bin, and the earlier runs of a cell. Nothing here is edited. */

import { html, nothing, type TemplateResult } from "lit-html";
import { guard } from "lit-html/directives/guard.js";
import { ref } from "lit-html/directives/ref.js";
import { repeat } from "lit-html/directives/repeat.js";
import type { Actions } from "../actions";
import { comparedLines } from "../draft";
import { displayName, may, type Notebook } from "../notebook";
import { answerOf } from "../outputs";
import type { AccountName, Cell, Moment, Run, RunOutputs } from "../protocol";
import type { Dialog, Past, State } from "../state";
import "./code";
import { icon } from "./marks";
import { renderMarkdown } from "./markdown";
import { inertOf } from "./trust";
import { widgetsIn } from "./widget-rights";
import { outputs } from "./outputs";
import { list, moment, runWords, spanWords } from "./words";

// --- Earlier states ---------------------------------------------------------------------------

export function history(past: Past, notebook: Notebook, state: State, actions: Actions): TemplateResult {
  const span = past.spans[past.at];
  if (span === undefined) return html``;
  const when = moment(span.ended, state.now);
  const words = `${list(span.authors.map((author) => displayName(notebook, author)))} ${spanWords(span)}`;
  const last = past.spans.length - 1;
  const key = (event: KeyboardEvent) => {
    if (event.key === "Escape") actions.past.closeHistory();
  };
  const slide = (event: Event) => void actions.past.goTo(Number((event.target as HTMLInputElement).value));
  const edits = may(notebook.worksheet.role, "edit");
  return html`<main class="sheet past" data-past @keydown=${key}>
    <h1 class="title">${notebook.worksheet.title}</h1>
    <div class="past-bar" role="region" aria-label="History">
      <p class="past-words" data-moment><time datetime=${span.ended}>${when}</time> <span>${words}</span></p>
      <div class="past-slide">
        <button class="round" aria-label="Earlier" ?disabled=${past.at === 0 && !past.more} @click=${() => void actions.past.goTo(past.at - 1)}>${icon("earlier")}</button>
        <input
          ${ref(focusFirst)}
          type="range"
          aria-label="Moment"
          aria-valuetext=${`${when}: ${words}`}
          min="0"
          max=${last}
          .value=${String(past.at)}
          @input=${slide}
        />
        <button class="round" aria-label="Later" ?disabled=${past.at === last} @click=${() => void actions.past.goTo(past.at + 1)}>${icon("later")}</button>
        <span class="quiet" data-place>${past.at + 1} of ${past.spans.length}${past.more ? "+" : ""}</span>
      </div>
      <div class="past-do">
        ${edits ? html`<button class="main" data-restore @click=${() => void actions.past.restore()}>Restore this</button>` : nothing}
        <button class="plain" @click=${() => actions.past.closeHistory()}>Back to now</button>
      </div>
    </div>
    ${past.after === null ? html`<p class="quiet" role="status">Looking it up…</p>` : guard([past.before, past.after, notebook.cells, edits], () => moments(past.before, past.after as Moment, notebook, edits, actions))}
  </main>`;
}

/** The keys belong to the slider first. */
function focusFirst(element: Element | undefined): void {
  if (element instanceof HTMLElement && element !== document.activeElement) queueMicrotask(() => element.isConnected && element.focus());
}

type Change = "same" | "new" | "changed" | "moved" | "deleted";

interface Then {
  readonly cell: Cell;
  readonly old: Cell | null;
  readonly change: Change;
}

function moments(before: Moment | null, after: Moment, notebook: Notebook, edits: boolean, actions: Actions): TemplateResult {
  const now = new Map(notebook.cells.map((cell) => [cell.id, cell]));
  const all = between(before?.cells ?? [], after.cells);
  if (all.length === 0) return html`<p class="quiet">There was no cell.</p>`;
  return html`<div class="cells" data-then=${after.number}>
    ${repeat(
      all,
      ({ cell }) => cell.id,
      (then, index) => {
        const is = now.get(then.cell.id);
        const number = then.change === "deleted" ? (before as Moment).number : after.number;
        const differs = is === undefined || is.source !== then.cell.source || is.type !== then.cell.type;
        const back = () => void actions.past.restoreCell(then.cell.id, number);
        return html`<section class=${`cell ${then.cell.type} then ${then.change}`} role="group" aria-label=${`Cell ${index + 1}, ${CHANGE_WORDS[then.change]}`} data-then-cell=${then.cell.id} data-change=${then.change}>
          <div class="asked"><span class="mark"></span>${thenText(then)}</div>
          <p class="caption">
            ${then.change === "same" ? nothing : html`<span class="word">${CHANGE_WORDS[then.change]}</span>`}
            ${edits && differs ? html`<button class="link" aria-label=${`${is === undefined ? "Bring back" : "Restore"} cell ${index + 1}`} @click=${back}>${is === undefined ? "Bring back" : "Restore the cell"}</button>` : nothing}
          </p>
        </section>`;
      },
    )}
  </div>`;
}

const CHANGE_WORDS: Readonly<Record<Change, string>> = { same: "as before", new: "new", changed: "changed", moved: "moved", deleted: "deleted" };

/** The cells after, and between them where they stood those that went. */
function between(before: readonly Cell[], after: readonly Cell[]): readonly Then[] {
  const old = new Map(before.map((cell) => [cell.id, cell]));
  const kept = new Set(after.map(({ id }) => id));
  const order = before.filter(({ id }) => kept.has(id)).map(({ id }) => id);
  const orderNow = after.filter(({ id }) => old.has(id)).map(({ id }) => id);
  const found: Then[] = after.map((cell) => {
    const was = old.get(cell.id) ?? null;
    if (was === null) return { cell, old: null, change: "new" };
    if (was.source !== cell.source || was.type !== cell.type) return { cell, old: was, change: "changed" };
    return { cell, old: was, change: order.indexOf(cell.id) === orderNow.indexOf(cell.id) ? "same" : "moved" };
  });
  before.forEach((cell, at) => {
    if (kept.has(cell.id)) return;
    const behind = at === 0 ? -1 : found.findIndex((then) => then.cell.id === before[at - 1]?.id);
    found.splice(behind + 1, 0, { cell, old: cell, change: "deleted" });
  });
  return found;
}

function thenText({ cell, old, change }: Then): TemplateResult {
  if (change === "changed" && old !== null && old.source !== cell.source) return html`<div class="source">${compared(old.source, cell.source)}</div>`;
  if (cell.type === "markdown") return html`<div class="source prose">${cell.source.trim() === "" ? html`<p class="quiet">Empty text.</p>` : renderMarkdown(cell.source)}</div>`;
  return html`<div class="source"><code-text .source=${cell.source}></code-text></div>`;
}

/** Two texts, line by line: what went, what came. A sign says it without the colour. */
function compared(before: string, after: string): TemplateResult {
  const words = { same: "", gone: "removed: ", new: "added: " };
  const signs = { same: " ", gone: "−", new: "+" };
  return html`<div class="compared" data-compared>
    ${comparedLines(before, after).map(
      ({ kind, text }) => html`<div class=${kind}><span class="sign-text" aria-hidden="true">${signs[kind]}</span>${words[kind] === "" ? nothing : html`<span class="hidden">${words[kind]}</span>`}<code>${text === "" ? " " : text}</code></div>`,
    )}
  </div>`;
}

// --- The bin ----------------------------------------------------------------------------------

export function bin(dialog: Extract<Dialog, { kind: "bin" }>, state: State, actions: Actions): TemplateResult {
  const { notebook } = state;
  if (notebook === null || dialog.deleted === null) return html`<p class="quiet" role="status">Looking…</p>`;
  if (dialog.deleted.length === 0) return html`<p class="quiet">The bin is empty.</p>`;
  const edits = may(notebook.worksheet.role, "edit");
  return html`<ul class="bin-list" data-bin>
      ${repeat(
        dialog.deleted,
        ({ number }) => number,
        ({ cell, author, date }) =>
          html`<li data-deleted=${cell.id}>
            <p class="caption"><span>deleted ${moment(date, state.now)} by ${displayName(notebook, author)}</span>${
              edits ? html`<button class="link" @click=${() => (actions.closeDialog(), void actions.past.bringBack(cell.id))}>Bring back</button>` : nothing
            }</p>
            <div class="source"><code-text tabindex="0" role="group" aria-label="Its text" .source=${cell.source}></code-text></div>
          </li>`,
      )}
    </ul>
    ${dialog.more ? html`<button class="fold" @click=${() => void actions.past.moreBin()}>Show earlier ones</button>` : nothing}`;
}

// --- Earlier runs -----------------------------------------------------------------------------

type RunsDialog = Extract<Dialog, { kind: "runs" }>;

export function runsHeading(dialog: RunsDialog, { notebook }: State): string {
  const at = notebook?.cells.findIndex(({ id }) => id === dialog.cell) ?? -1;
  return at === -1 ? "Runs of the cell" : `Runs of cell ${at + 1}`;
}

export function runs(dialog: RunsDialog, state: State, actions: Actions, dark: boolean): TemplateResult {
  const { notebook } = state;
  if (notebook === null || dialog.runs === null) return html`<p class="quiet" role="status">Looking…</p>`;
  const all = dialog.runs;
  // The older one left, whichever was chosen first.
  const shown = all.filter(({ id }) => dialog.chosen.includes(id)).reverse();
  const [older, newer] = shown;
  return html`<div class="runs-dialog">
    <fieldset class="runs-list">
      <legend>Choose one, or two to compare</legend>
      <ol data-runs>
        ${repeat(
          all,
          ({ id }) => id,
          (run) =>
            html`<li><label><input type="checkbox" .checked=${dialog.chosen.includes(run.id)} @change=${(event: Event) => void actions.past.chooseRun(run.id, (event.target as HTMLInputElement).checked)} /><span>${runWords(notebook, run, state.now)}</span></label></li>`,
        )}
      </ol>
      ${dialog.more ? html`<button class="fold" @click=${() => void actions.past.moreRuns()}>Show earlier ones</button>` : nothing}
    </fieldset>
    <div class="runs-shown">
      ${older !== undefined && newer !== undefined ? html`<div class="source" tabindex="0" role="group" aria-label="What changed in the code">${older.code === newer.code ? html`<p class="quiet">The same code.</p>` : compared(older.code, newer.code)}</div>` : nothing}
      ${shown.length === 1 && older !== undefined ? html`<div class="source"><code-text tabindex="0" role="group" aria-label="Its code" .source=${older.code}></code-text></div>` : nothing}
      <div class="runs-beside">
        ${repeat(
          shown,
          ({ id }) => id,
          (run) => oneRun(run, dialog.outputs.get(run.id), notebook, state, actions, dark),
        )}
      </div>
    </div>
  </div>`;
}

function oneRun(run: Run, published: RunOutputs | undefined, notebook: Notebook, state: State, actions: Actions, dark: boolean): TemplateResult {
  const words = runWords(notebook, run, state.now);
  return html`<section class="run" aria-label=${words} data-run=${run.id}>
    <p class="caption">${words}</p>
    ${
      published === undefined
        ? html`<p class="quiet" role="status">Looking…</p>`
        : guard([published, dark, state.looks, state.trusted], () => {
            const answer = answerOf(run.msg_id, run.account as AccountName, published.publications);
            return html`${published.omitted > 0 ? html`<button class="fold" @click=${() => void actions.past.showBefore(run.id)}>Not all of it is loaded, ${published.omitted.toLocaleString()} messages are missing before this: show more</button>` : nothing}
            ${
              answer.outputs.length === 0
                ? html`<p class="quiet">No output.</p>`
                : html`<div class="outputs">
                    ${outputs({
                      msgId: run.msg_id,
                      answer,
                      dark,
                      mayAnswer: false,
                      nameOf: (account) => displayName(notebook, account as AccountName),
                      looks: state.looks,
                      cell: "an earlier run",
                      widgets: widgetsIn(notebook, run.session, true),
                      inert: inertOf(state, notebook, actions, run.account),
                      actions,
                    })}
                  </div>`
            }`;
          })
    }
  </section>`;
}
