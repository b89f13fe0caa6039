/** A worksheet: its title, its cells in order, and the strip of what happened beside them. */

import { html, nothing, type TemplateResult } from "lit-html";
import { guard } from "lit-html/directives/guard.js";
import { ref } from "lit-html/directives/ref.js";
import { repeat } from "lit-html/directives/repeat.js";
import type { Actions } from "../actions";
import { caretOf, caretsAt, cellState, type CellState, displayName, editedSinceRun, endedSinceRun, may, type Notebook, outdatedSinceRun, type ShownCaret, textOf } from "../notebook";
import { type Answer, NO_ANSWER } from "../outputs";
import { overviewOf, sessionHolds } from "../overview";
import { isFolded, placesOf, sectionsOf } from "../folding";
import type { AccountName, Cell, MessageId } from "../protocol";
import type { State } from "../state";
import { rangesAt } from "../threads";
import { arrivingCell } from "./arriving";
import type { CellWindow, Item } from "./cell-window";
import "./code";
import type { Dragging } from "./dragging";
import "./editor";
import type { EditorHost } from "./editor";
import { commentMark, markKey } from "./comments";
import { contextOf } from "./commands/command";
import { command } from "./commands/table";
import { foldedCode, foldedOutputs, foldedSection, outputToggle, sectionToggle } from "./folds";
import { icon, note, versicle } from "./marks";
import { renderMarkdown } from "./markdown";
import { outputs } from "./outputs";
import { history } from "./past";
import { queueStrip, unheeded } from "./queue";
import { followStrip } from "./following";
import { menu } from "./menu";
import { stopStrip } from "./outline";
import { pane } from "./panes";
import { picking } from "./picking";
import { setSelection, takeSelection } from "./places";
import { scratch } from "./scratch";
import { slides } from "./slides";
import { bellOffer, lastWord, meter } from "./session";
import { inertOf, trustBar } from "./trust";
import { widgetsIn } from "./widget-rights";
import { hue, sessionWords, STATE_WORDS, stateDetail } from "./words";

/** What all parts of one drawing share. */
export interface Page {
  readonly state: State;
  readonly notebook: Notebook;
  readonly actions: Actions;
  readonly dark: boolean;
  readonly host: EditorHost;
  readonly window: CellWindow;
  readonly dragging: Dragging;
}

export function worksheet(state: State, actions: Actions, dark: boolean, host: EditorHost, window: CellWindow, dragging: Dragging): TemplateResult {
  if (state.closed !== null) return closed(state.closed, actions);
  const { notebook } = state;
  if (notebook === null) return html`<main class="sheet" aria-busy="true"><p class="quiet opening">Opening the worksheet…</p></main>`;
  if (state.past !== null) return history(state.past, notebook, state, actions);
  const page: Page = { state, notebook, actions, dark, host, window, dragging };
  if (state.presenting !== null) return slides(page);
  const edits = may(notebook.worksheet.role, "edit");
  return html`${pane(page)}<main class="sheet">
    ${title(page)} ${tools(page)} ${followStrip(page)} ${trustBar(page)} ${lastWord(page)} ${unheeded(page)} ${bellOffer(page)} ${queueStrip(page)} ${stopStrip(page)}
    <div class="cells" role=${notebook.cells.length === 0 ? nothing : "feed"} aria-label="Cells" data-cells @mousedown=${picking(actions)}>
      ${repeat(
        cellsAndGaps(page),
        ({ key }) => key,
        (item) => (item.kind === "cell" ? guarded(page, item.cell, placesOf(notebook.cells).get(item.cell.id) ?? 0) : html`<div class="gap" style=${`height:${item.height}px`} aria-hidden="true" data-gap=${item.cells}></div>`),
      )}
    </div>
    ${edits ? addBar(page) : nothing} ${beside(page)}
  </main>${scratch(page)}`;
}

function closed(reason: string, actions: Actions): TemplateResult {
  return html`<main class="sheet closed" role="alert">
    <h1>This worksheet is closed</h1>
    <p>${reason}</p>
    <button class="plain" @click=${() => actions.go({ page: "home" })}>Go to your worksheets</button>
  </main>`;
}

function title({ notebook, actions }: Page): TemplateResult {
  const { worksheet } = notebook;
  if (!may(worksheet.role, "edit")) return html`<h1 class="title">${worksheet.title}</h1>`;
  const change = (event: Event) => void actions.rename((event.target as HTMLInputElement).value);
  const key = (event: KeyboardEvent) => {
    if (event.key === "Enter" || event.key === "Escape") (event.target as HTMLElement).blur();
  };
  return html`<h1 class="title">
    <input aria-label="Title of the worksheet" maxlength="200" .value=${worksheet.title} @change=${change} @keydown=${key} />
  </h1>`;
}

/** What is done now and then, in the order of how often; a line where null stands. */
const VIEW = ["outline", "comments", "variables", "files", "scratch", "present", null, "find", "replace", null, "hide-all-code", "show-all-code", "hide-all-outputs", "show-all-outputs", "hide-all-sections", "show-all-sections", null, "line-numbers"] as const;
const WORKSHEET = ["undo", "redo", null, "history", "bin", "clear-all", null, "download-ipynb", "download-py", "download-md", "download-html", "print"] as const;

function tools(page: Page): TemplateResult {
  const { state, notebook, actions } = page;
  const { role, owner } = notebook.worksheet;
  const context = contextOf(state, actions);
  const whose = owner === notebook.me ? nothing : html`<span>worksheet of ${displayName(notebook, owner)}</span>`;
  const give = (id: string) => () => command(id).run(context);
  return html`<div class="tools" role="toolbar" aria-label="Session">
    <span class="session" data-session-state=${notebook.session?.state ?? "none"} aria-live="polite">${sessionWords(notebook)}</span>
    ${meter(page)}
    ${whose}
    <span class="space"></span>
    ${
      may(role, "run")
        ? html`<button @click=${give("run-all")}>${icon("run")} Run all</button>
            ${menu("run", html`<summary>Run…</summary>`, ["run-selected", "run-above", "run-below", "run-stale"], context)}
            <button @click=${give("interrupt")} ?disabled=${!sessionHolds(notebook)}>${icon("stop")} Interrupt</button>
            <button @click=${give("restart")} ?disabled=${notebook.session === null}>${icon("restart")} Restart</button>`
        : nothing
    }
    ${menu("view", html`<summary>View</summary>`, VIEW, context)}
    ${menu("worksheet", html`<summary>File</summary>`, WORKSHEET, context)}
  </div>`;
}

/** The cells that are drawn, and the room of the others. */
function cellsAndGaps({ state, notebook, window }: Page): readonly Item[] {
  const followed = state.following === null ? null : (caretOf(notebook, state.following)?.cell ?? null);
  return window.items(sectionsOf(notebook.cells, state.folds).seen, [state.current, followed], ({ id }) => {
    const run = notebook.runs.get(id);
    const outputs = run === undefined ? [] : (notebook.answers.get(run.msg_id)?.outputs ?? []);
    return outputs.reduce((lines, output) => lines + (output.kind === "stream" ? Math.min(output.lines + 1, 54) : 10), 0);
  });
}

/** A cell is drawn again only when something of it was replaced. */
function guarded(page: Page, cell: Cell, index: number): unknown {
  const { state, notebook } = page;
  const run = notebook.runs.get(cell.id);
  const answer = run === undefined ? undefined : notebook.answers.get(run.msg_id);
  const asked = state.asked.has(cell.id);
  const now: CellState = cellState(notebook, cell.id);
  const shown: CellState = asked && now.kind !== "queued" && now.kind !== "running" ? { kind: "queued", by: notebook.me, ahead: 0 } : now;
  const current = state.current === cell.id;
  const clock = shown.kind === "running" ? Math.floor(state.now / 1000) : 0;
  const ahead = shown.kind === "queued" ? shown.ahead : 0;
  const looks = answer?.outputs.some((output) => state.looks.has(`${run?.msg_id}/${output.key}`)) ? state.looks : null;
  const parts = [cell, notebook.drafts.get(cell.id), index, notebook.cells.length, run, answer, asked, ahead, current, current && state.editing, state.selected.has(cell.id), state.arriving?.after === cell.id && state.arriving, state.folds, sectionsOf(notebook.cells, state.folds).counts.get(cell.id), clock, page.dark, looks, run && notebook.omitted.get(run.msg_id), notebook.worksheet.role, state.trusted, notebook.edited.has(cell.id), notebook.outdated.has(cell.id), notebook.ended.has(cell.id), notebook.session?.state === "closed", notebook.members, caretKey(caretsAt(notebook, cell)), markKey(page, cell), JSON.stringify(rangesAt(notebook.threads, cell, notebook.drafts.get(cell.id)))];
  return guard(parts, () => oneCell(page, cell, index, shown, answer ?? NO_ANSWER));
}

function oneCell(page: Page, cell: Cell, index: number, cellNow: CellState, answer: Answer): TemplateResult {
  const { state, notebook, actions } = page;
  const current = state.current === cell.id;
  const editing = current && state.editing;
  const code = cell.type === "code";
  const word = STATE_WORDS[cellNow.kind];
  const chosen = state.selected.has(cell.id);
  const label = `${code ? `Cell ${index + 1}, ${word}` : `Text ${index + 1}`}${chosen ? ", selected" : ""}`;
  const run = notebook.runs.get(cell.id);
  const classes = `cell ${cell.type}${current ? " current" : ""}${chosen ? " selected" : ""}${editing ? " editing" : ""}`;
  const focused = () => {
    if (!current && !chosen) actions.choose(cell.id);
  };
  const answered = code && run !== undefined;
  const edits = may(notebook.worksheet.role, "edit");
  return html`<section
    ${ref(page.window.observe)}
    class=${classes}
    role="article"
    aria-label=${label}
    aria-posinset=${index + 1}
    aria-setsize=${notebook.cells.length}
    tabindex=${current ? 0 : -1}
    data-cell-id=${cell.id}
    data-type=${cell.type}
    data-state=${code ? cellNow.kind : nothing}
    @focusin=${focused}
  >
    <div class="asked">
      ${mark(page, edits, code ? versicle() : sectionToggle(page, cell, current ? 0 : -1))}${commentMark(page, cell)}
      ${text(page, cell, index, editing)} ${editing ? nothing : here(caretsAt(notebook, cell))} ${cellTools(page, cell, index, cellNow)}
    </div>
    ${code ? caption(page, cell, cellNow) : nothing}
    ${
      answered && answer.outputs.length > 0
        ? html`<div class="answered">
            ${outputToggle(page, cell, index, current ? 0 : -1)}
            <div class="outputs" role="region" aria-label=${`Output of cell ${index + 1}`} data-outputs>
              ${isFolded(cell, "outputs", state.folds) ? foldedOutputs(page, cell, answer.outputs) : html`${missing(page, run.msg_id)}
              ${outputs({
                msgId: run.msg_id,
                answer,
                dark: page.dark,
                mayAnswer: may(notebook.worksheet.role, "answer"),
                nameOf: (account) => displayName(notebook, account as AccountName),
                looks: state.looks,
                cell: `cell ${index + 1}`,
                widgets: widgetsIn(notebook, run.session, notebook.ended.has(cell.id)),
                inert: inertOf(state, notebook, actions, run.account),
                actions,
              })}`}
            </div>
          </div>`
        : nothing
    }
    ${foldedSection(page, cell)} ${arrivingCell(state, cell.id, actions)}
  </section>`;
}

/** The sign of a cell, by which it is dragged. */
function mark({ dragging }: Page, edits: boolean, sign: unknown): TemplateResult {
  return edits ? html`<span class="mark handle" title="Drag to move" data-handle @pointerdown=${dragging.begin}>${sign}</span>` : html`<span class="mark">${sign}</span>`;
}

function missing({ notebook, actions }: Page, msgId: MessageId): TemplateResult | typeof nothing {
  const omitted = notebook.omitted.get(msgId);
  if (omitted === undefined) return nothing;
  return html`<button class="fold" @click=${() => void actions.loadWhole(msgId)}>
    Not all of it is loaded, ${omitted.count.toLocaleString()} messages are missing: show all
  </button>`;
}

function text(page: Page, cell: Cell, index: number, editing: boolean): TemplateResult {
  const { notebook, actions } = page;
  const source = textOf(notebook, cell);
  const label = cell.type === "code" ? `Code of cell ${index + 1}` : `Text ${index + 1}, Markdown`;
  const ranges = rangesAt(notebook.threads, cell, notebook.drafts.get(cell.id));
  if (editing) {
    const value = { cell: cell.id, type: cell.type, text: source, label, host: page.host, selection: takeSelection(cell.id), carets: caretsAt(notebook, cell), ranges };
    return html`<cell-editor class="source" data-editor .editing=${value}></cell-editor>`;
  }
  if (cell.type === "code" && isFolded(cell, "code", page.state.folds)) return foldedCode(page, cell, source);
  const editable = may(notebook.worksheet.role, "edit");
  if (cell.type === "markdown") {
    const open = (event: Event) => {
      if (editable && (event.target as HTMLElement).closest("a") === null) actions.choose(cell.id, true);
    };
    return html`<div class="source prose" @dblclick=${open}>
      ${source.trim() === "" ? html`<p class="quiet" @click=${open}>${editable ? "Empty text. Write in Markdown." : ""}</p>` : renderMarkdown(source)}
    </div>`;
  }
  const open = (event: MouseEvent) => {
    if (!editable || event.button !== 0 || !(window.getSelection()?.isCollapsed ?? true)) return;
    const offset = offsetAt(event);
    setSelection({ cell: cell.id, anchor: offset, head: offset });
    actions.choose(cell.id, true);
  };
  return html`<div class="source" @click=${open}><code-text role="group" aria-label=${label} .source=${source} .ranges=${ranges}></code-text></div>`;
}

/** Says when carets must be drawn again. */
function caretKey(carets: readonly ShownCaret[]): string {
  return carets.length === 0 ? "" : JSON.stringify(carets);
}

/** Who writes in a cell that is not edited here. */
function here(carets: readonly ShownCaret[]): TemplateResult | typeof nothing {
  if (carets.length === 0) return nothing;
  return html`<ul class="here" aria-label="Writing here" data-here>
    ${repeat(
      carets,
      ({ window }) => window,
      ({ account, name }) => html`<li data-hue=${hue(account)} data-account=${account}>${name}</li>`,
    )}
  </ul>`;
}

/** How many UTF-16 units of the source stand before the place of a click. */
function offsetAt(event: MouseEvent): number {
  const host = (event.currentTarget as HTMLElement).querySelector("code-text");
  const place = document.caretRangeFromPoint?.(event.clientX, event.clientY);
  if (host === null || !place || !host.contains(place.startContainer)) return host?.textContent?.length ?? 0;
  const before = document.createRange();
  before.selectNodeContents(host);
  before.setEnd(place.startContainer, place.startOffset);
  return before.toString().length;
}

function caption(page: Page, cell: Cell, cellNow: CellState): TemplateResult {
  const { notebook, state } = page;
  const edited = cellNow.kind !== "running" && cellNow.kind !== "queued" && editedSinceRun(notebook, cell);
  const ended = (cellNow.kind === "done" || cellNow.kind === "failed") && endedSinceRun(notebook, cell);
  const outdated = !edited && !ended && (cellNow.kind === "done" || cellNow.kind === "failed") && outdatedSinceRun(notebook, cell);
  const detail = stateDetail(notebook, cellNow, state.now);
  return html`<p class=${`caption ${cellNow.kind}`} data-caption>
    ${note(cellNow.kind)}<span class="word">${STATE_WORDS[cellNow.kind]}</span>${
      detail === "" ? nothing : html`<span class="detail">, ${detail}</span>`
    }${edited ? html`<span class="edited">, edited since</span>` : nothing}${
      ended ? html`<span class="edited">, in a session that has ended</span>` : nothing
    }${
      outdated ? html`<span class="edited">, what it reads has changed since</span>` : nothing
    }
  </p>`;
}

function cellTools(page: Page, cell: Cell, index: number, cellNow: CellState): TemplateResult | typeof nothing {
  const { notebook, actions } = page;
  const { role } = notebook.worksheet;
  const runs = cell.type === "code" && may(role, "run");
  const edits = may(role, "edit");
  const ran = cell.type === "code" && notebook.runs.has(cell.id);
  if (!runs && !edits && !ran) return nothing;
  const busy = cellNow.kind === "running";
  const n = index + 1;
  // Tab goes through the tools of the current cell only; the arrows go from cell to cell.
  const reach = page.state.current === cell.id ? 0 : -1;
  const button = (name: Parameters<typeof icon>[0], label: string, act: () => void, off = false) =>
    html`<button aria-label=${label} title=${label} tabindex=${reach} ?disabled=${off} @click=${act}>${icon(name)}</button>`;
  return html`<div class="cell-tools" role="toolbar" aria-label=${`Cell ${n}`}>
    ${
      !runs
        ? nothing
        : busy
          ? button("stop", "Interrupt", () => void actions.interrupt())
          : cellNow.kind === "queued"
            ? button("stop", `Cancel cell ${n}, which waits`, () => void actions.cancel(cell.id))
            : button("run", `Run cell ${n}`, () => actions.run(cell.id, "stay"))
    }
    ${ran ? button("past", `Earlier runs of cell ${n}`, () => actions.past.openRuns(cell.id)) : nothing}
    ${
      edits
        ? html`<button class="kind" tabindex=${reach} title=${cell.type === "code" ? "Make it Markdown" : "Make it code"} @click=${() => void actions.shaping.convert([cell.id], cell.type === "code" ? "markdown" : "code")}>
              ${cell.type === "code" ? "Code" : "Text"}
            </button>
            ${button("up", "Move up", () => void actions.shaping.move([cell.id], -1), index === 0)}
            ${button("down", "Move down", () => void actions.shaping.move([cell.id], 1), index === notebook.cells.length - 1)}
            ${button("add", "Insert a cell below", () => void actions.shaping.add(cell.id))}
            ${button("delete", "Delete the cell", () => void actions.shaping.remove([cell.id]))}`
        : nothing
    }
  </div>`;
}

function addBar({ notebook, actions }: Page): TemplateResult {
  const last = notebook.cells.at(-1)?.id ?? null;
  return html`<div class="add-bar">
    <button @click=${() => void actions.shaping.add(last, "code")}>${icon("add")} Code</button>
    <button @click=${() => void actions.shaping.add(last, "markdown")}>${icon("add")} Text</button>
  </div>`;
}

/** Code that reached the session by another way, from a terminal for one. */
function beside(page: Page): TemplateResult | typeof nothing {
  const { notebook, state, actions } = page;
  const answers = overviewOf(notebook).beside.flatMap((msgId) => {
    const answer = notebook.answers.get(msgId);
    return answer === undefined ? [] : [[msgId, answer] as const];
  });
  if (answers.length === 0) return nothing;
  return html`<aside class="beside" aria-label="Beside the cells">
    <h2>Beside the cells</h2>
    <ol>
      ${repeat(
        answers,
        ([msgId]) => msgId,
        ([msgId, answer]) =>
          html`<li data-beside>
            <p class="caption">
              <span class="who">${displayName(notebook, answer.username as AccountName) || "someone"}</span>, ${answer.outcome === null ? "running" : answer.outcome === "ok" ? "done" : answer.outcome}
            </p>
            <div class="source"><code-text .source=${answer.code ?? ""}></code-text></div>
            <div class="outputs">
              ${outputs({
                msgId,
                answer,
                dark: page.dark,
                mayAnswer: may(notebook.worksheet.role, "answer"),
                nameOf: (account) => displayName(notebook, account as AccountName),
                looks: state.looks,
                cell: "code beside the cells",
                widgets: widgetsIn(notebook, notebook.session?.uid ?? null, false),
                inert: inertOf(state, notebook, actions, answer.username),
                actions,
              })}
            </div>
          </li>`,
      )}
    </ol>
  </aside>`;
}
