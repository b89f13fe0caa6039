/** A popover at the cursor that tells what stands there: signature, facts, docstring; asked again, all and the source. */

import { type Extension, StateEffect, StateField } from "@codemirror/state";
import { type EditorView, showTooltip, type Tooltip } from "@codemirror/view";
import { html, nothing, render, type TemplateResult } from "lit-html";
import { blocksOf, type Part, partsOf, type Told } from "../inspection";
import "./code";

export type Inspect = (code: string, cursor: number, detail: 0 | 1) => Promise<Told>;

interface Shown {
  readonly at: number;
  readonly detail: 0 | 1;
  /** Null until it comes. */
  readonly told: Told | null;
}

const show = StateEffect.define<Shown | null>();

const field = StateField.define<Shown | null>({
  create: () => null,
  update(shown, transaction) {
    for (const effect of transaction.effects) if (effect.is(show)) return effect.value;
    // Whoever types or goes on has read it.
    return transaction.docChanged || transaction.selection !== undefined ? null : shown;
  },
  provide: (field) => showTooltip.from(field, tooltip),
});

export const inspector: Extension = field;

/** Open it; asked once more, tell more; then close it. */
export async function inspectHere(view: EditorView, inspect: Inspect): Promise<void> {
  const before = view.state.field(field);
  if (before?.detail === 1) return void closeInspector(view);
  const at = view.state.selection.main.head;
  const detail = before === null ? 0 : 1;
  const asked: Shown = { at, detail, told: before?.told ?? null };
  view.dispatch({ effects: show.of(asked) });
  const told = await inspect(view.state.doc.toString(), at, detail);
  // Overtaken by a key, or by asking for more: then it is not wanted any longer.
  if (view.dom.isConnected && view.state.field(field, false) === asked) view.dispatch({ effects: show.of({ ...asked, told }) });
}

/** @returns whether it was open */
export function closeInspector(view: EditorView): boolean {
  if (view.state.field(field) === null) return false;
  view.dispatch({ effects: show.of(null) });
  return true;
}

/** The keys go on writing, so the page keys scroll what is read. @returns whether it was open */
export function scrollInspector(view: EditorView, by: 1 | -1): boolean {
  const text = view.dom.ownerDocument.querySelector(".inspector-text");
  if (view.state.field(field) === null || text === null) return false;
  text.scrollBy({ top: by * text.clientHeight * 0.85 });
  return true;
}

function tooltip(shown: Shown | null): Tooltip | null {
  if (shown === null) return null;
  return {
    pos: shown.at,
    above: true,
    create: () => {
      const dom = document.createElement("div");
      dom.className = `inspector${shown.detail === 1 ? " more" : ""}`;
      dom.dataset["inspector"] = String(shown.detail);
      render(popover(shown), dom);
      return { dom };
    },
  };
}

function popover({ told, detail }: Shown): TemplateResult {
  return html`<div class="inspector-text" role="status" aria-label="At the cursor">${told === null ? html`<p class="quiet">Asking…</p>` : "fault" in told ? html`<p class="quiet">${told.fault}</p>` : parts(told.text)}</div>
    <p class="inspector-foot quiet"><kbd>Shift+Tab</kbd> ${detail === 0 ? "tells more" : "closes"}, <kbd>Esc</kbd> closes, <kbd>Page Down</kbd> scrolls</p>`;
}

const CODE: ReadonlySet<string> = new Set(["Signature", "Init signature", "Call signature", "Source"]);
const DOCUMENTATION: ReadonlySet<string> = new Set(["Docstring", "Class docstring", "Init docstring", "Call docstring", "Instance docstring", ""]);

/** The signature first, then what it is in one line, then what is written about it. */
export function parts(text: string): TemplateResult {
  const found = partsOf(text);
  // A cell is no file, though IPython gives it the name of one.
  const facts = found.filter(({ name, text }) => !CODE.has(name) && !DOCUMENTATION.has(name) && !text.includes("<ipython-input"));
  const code = (name: string) => found.filter((part) => part.name === name).map(({ text }) => html`<code-text .source=${text.trim()}></code-text>`);
  return html`${["Signature", "Init signature", "Call signature"].map(code)}
    ${facts.length === 0 ? nothing : html`<dl>${facts.map(fact)}</dl>`}
    ${found.filter(({ name }) => DOCUMENTATION.has(name)).map(({ text }) => blocksOf(text).map(({ kind, text }) => (kind === "heading" ? html`<h4>${text}</h4>` : kind === "code" ? html`<code-text .source=${text}></code-text>` : html`<p>${inline(text)}</p>`)))}
    ${found.some(({ name }) => name === "Source") ? html`<h4>Source</h4>${code("Source")}` : nothing}`;
}

function fact({ name, text }: Part): TemplateResult {
  return html`<div><dt>${name}</dt><dd>${text.trim()}</dd></div>`;
}

/** Names between backquotes, as docstrings have them. */
function inline(text: string): readonly (string | TemplateResult)[] {
  return text.split(/(``[^`\n]+``|`[^`\n]+`)/).map((piece, at) => (at % 2 === 1 ? html`<code>${piece.replace(/^`+|`+$/g, "")}</code>` : piece));
}
