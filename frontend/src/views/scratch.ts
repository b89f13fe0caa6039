/** The scratch cell, at the lower edge of the window: it stays as one scrolls. */

import { html, nothing, type TemplateResult } from "lit-html";
import { guard } from "lit-html/directives/guard.js";
import { ref } from "lit-html/directives/ref.js";
import { displayName, may } from "../notebook";
import { NO_ANSWER } from "../outputs";
import type { AccountName, CellId } from "../protocol";
import "./editor";
import type { EditorHost } from "./editor";
import { focusOnce } from "./focus";
import { icon } from "./marks";
import { outputs } from "./outputs";
import { widgetsIn } from "./widget-rights";
import type { Page } from "./worksheet";

/** The name of its editor among those of cells. */
const SCRATCH = "scratch" as CellId;

export function scratch(page: Page): TemplateResult | typeof nothing {
  const { state, notebook, actions } = page;
  const { open, text, msgId } = state.scratch;
  if (!open || !may(notebook.worksheet.role, "run")) return nothing;
  const answer = msgId === null ? NO_ANSWER : (notebook.answers.get(msgId) ?? NO_ANSWER);
  const runs = msgId !== null && answer.outcome === null;
  const word = msgId === null ? "yours alone: it runs in the session, and is no part of the worksheet" : runs ? (answer.started === null ? "waits" : "running") : answer.outcome === "ok" ? "done" : answer.outcome;
  return html`<aside class="scratch" aria-label="Scratch cell" data-scratch data-state=${runs ? "running" : (answer.outcome ?? "never")}>
    <div class="scratch-head">
      <strong>Scratch</strong> <span class="quiet" role="status">${word}</span>
      <span class="space"></span>
      <button @click=${() => void actions.scratch.run()} ?disabled=${text.trim() === ""}>${icon("run")} Run</button>
      ${may(notebook.worksheet.role, "edit") ? html`<button @click=${() => void actions.scratch.insert()} ?disabled=${text.trim() === ""}>${icon("add")} Make it a cell</button>` : nothing}
      <button class="round" aria-label="Close the scratch cell" @click=${() => actions.scratch.toggle()}>${icon("close")}</button>
    </div>
    ${guard([text], () => html`<cell-editor class="source" .editing=${{ cell: SCRATCH, type: "code", text, label: "Scratch code", host: hostOf(page), selection: null, carets: [], ranges: [] }} ${ref(focusOnce)}></cell-editor>`)}
    ${
      msgId === null || answer.outputs.length === 0
        ? nothing
        : html`<div class="outputs" role="region" aria-label="Output of the scratch cell" data-outputs>
            ${outputs({
              msgId,
              answer,
              dark: page.dark,
              mayAnswer: true,
              nameOf: (account) => displayName(notebook, account as AccountName),
              looks: state.looks,
              cell: "the scratch cell",
              widgets: widgetsIn(notebook, notebook.session?.uid ?? null, false),
              inert: null,
              actions,
            })}
          </div>`
    }
  </aside>`;
}

function hostOf({ host, actions }: Page): EditorHost {
  return {
    complete: host.complete,
    inspect: host.inspect,
    typed: (_, change) => actions.scratch.typed(change),
    moved: () => undefined,
    step: () => undefined,
    leave: () => (document.querySelector<HTMLElement>(".cell.current") ?? document.body).focus(),
    pressed: (event) => {
      if (event.key !== "Enter" || event.isComposing || !(event.shiftKey || event.ctrlKey || event.metaKey || event.altKey)) return false;
      event.preventDefault();
      void (event.altKey ? actions.scratch.insert() : actions.scratch.run());
      return true;
    },
  };
}
