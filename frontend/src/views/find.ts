/** The bar that finds and replaces in all cells, below the line at the top. */

import { EditorView } from "@codemirror/view";
import { html, nothing, type TemplateResult } from "lit-html";
import { ref } from "lit-html/directives/ref.js";
import type { Actions } from "../actions";
import { type Finding, findingOf } from "../finder";
import { MOST_HITS, type Query } from "../finding";
import { may } from "../notebook";
import type { FindView, State } from "../state";
import { icon } from "./marks";
import { setSelection } from "./places";

export function findBar(state: State, actions: Actions): TemplateResult | typeof nothing {
  const { find, notebook } = state;
  const finding = findingOf(state);
  if (find === null || notebook === null || finding === null || state.past !== null) return nothing;
  const { finder } = actions;
  const mayReplace = may(notebook.worksheet.role, "edit");
  const key = (event: KeyboardEvent) => {
    if (event.isComposing) return;
    if (event.key === "Escape") finder.close();
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) takeHit(actions);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const step = (event: KeyboardEvent) => {
    if (event.isComposing || event.key !== "Enter" || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    finder.go(event.shiftKey ? -1 : 1);
  };
  const replaceKey = (event: KeyboardEvent) => {
    if (event.isComposing || event.key !== "Enter" || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    void (event.altKey ? finder.replaceAll() : finder.replaceOne());
  };
  const none = finding.hits.length === 0;
  return html`<search class="find" aria-label="Find in all cells" data-find @keydown=${key}>
    <div class="find-row">
      ${
        mayReplace
          ? html`<button class="round find-more" aria-expanded=${find.replacing} aria-label="Replace" title="Replace" @click=${() => finder.showReplace(!find.replacing)}>
              <svg viewBox="0 0 10 10" aria-hidden="true"><path d="M3.2 2 6.6 5 3.2 8" /></svg>
            </button>`
          : nothing
      }
      <span class="find-field">
        <input
          ${ref((element) => focusOnce(element as HTMLInputElement | undefined, find.asked))}
          class="find-query"
          aria-label="Find"
          aria-invalid=${finding.fault !== null}
          aria-describedby="find-count"
          placeholder="Find"
          autocomplete="off"
          autocapitalize="off"
          spellcheck="false"
          .value=${find.query.text}
          @input=${(event: Event) => finder.ask({ text: (event.target as HTMLInputElement).value })}
          @keydown=${step}
        />
        ${switches(find, actions)}
      </span>
      <span class="find-count" id="find-count" role="status" data-find-count>${countWords(find, finding)}</span>
      <button class="round" aria-label="Previous (Shift+Enter)" title="Previous (Shift+Enter)" ?disabled=${none} @click=${() => finder.go(-1)}>${icon("up")}</button>
      <button class="round" aria-label="Next (Enter)" title="Next (Enter)" ?disabled=${none} @click=${() => finder.go(1)}>${icon("down")}</button>
      <button class="round" aria-label="Close (Esc)" title="Close (Esc)" @click=${() => finder.close()}>${icon("close")}</button>
    </div>
    ${
      mayReplace && find.replacing
        ? html`<div class="find-row replace">
            <span class="find-field">
              <input
                aria-label="Replace with"
                placeholder="Replace with"
                autocomplete="off"
                autocapitalize="off"
                spellcheck="false"
                .value=${find.replacement}
                @input=${(event: Event) => finder.write((event.target as HTMLInputElement).value)}
                @keydown=${replaceKey}
              />
            </span>
            <button class="plain" title="Enter" ?disabled=${none} @click=${() => void finder.replaceOne()}>Replace</button>
            <button class="plain" title="Alt+Enter" ?disabled=${none} @click=${() => void finder.replaceAll()}>Replace all</button>
          </div>`
        : nothing
    }
    ${finding.fault === null ? nothing : html`<p class="find-fault" role="alert">${finding.fault}</p>`}
  </search>`;
}

const SWITCHES: readonly (readonly [keyof Query, string, string])[] = [
  ["exact", "Aa", "Capital and small letters are different"],
  ["words", "“ab”", "Whole words"],
  ["pattern", ".*", "Regular expression"],
  ["outputs", "Outputs", "Search in outputs, too"],
];

function switches({ query }: FindView, { finder }: Actions): readonly TemplateResult[] {
  return SWITCHES.map(
    ([name, sign, label]) => html`<button class="find-switch" aria-pressed=${Boolean(query[name])} aria-label=${label} title=${label} @click=${() => finder.ask({ [name]: !query[name] })}>${sign}</button>`,
  );
}

/** "3 of 17", or what came of replacing. */
function countWords({ query, told, shown }: FindView, { hits, more, at, fault }: Finding): string {
  if (told !== null) return told;
  if (query.text === "" || fault !== null) return "";
  if (hits.length === 0) return "Nothing found";
  const all = more ? `more than ${MOST_HITS.toLocaleString()}` : hits.length.toLocaleString();
  return shown ? `${(at + 1).toLocaleString()} of ${all}` : `${all} found`;
}

/** How often the bar had been asked for when its field got the focus last. */
const focused = new WeakMap<HTMLInputElement, number>();

/** Each time the bar is asked for, its field has the focus, and what stands in it is chosen. */
function focusOnce(input: HTMLInputElement | undefined, times: number): void {
  if (input === undefined || focused.get(input) === times) return;
  focused.set(input, times);
  // It stands in the document after this drawing.
  queueMicrotask(() => {
    input.focus({ preventScroll: true });
    input.select();
  });
}

/** Write where the hit is. */
function takeHit(actions: Actions): void {
  const hit = actions.finder.take();
  if (hit === null || hit.where === "outputs") return;
  setSelection({ cell: hit.cell, anchor: hit.from, head: hit.to });
  // An editor that was open there already is not made anew.
  requestAnimationFrame(() => {
    const editor = document.querySelector<HTMLElement>(`[data-cell-id="${CSS.escape(hit.cell)}"] .cm-editor`);
    const view = editor === null ? null : EditorView.findFromDOM(editor);
    if (view === null || hit.to > view.state.doc.length) return;
    view.focus();
    view.dispatch({ selection: { anchor: hit.from, head: hit.to } });
  });
}
