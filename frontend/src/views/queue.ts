/** What stands between the session's tools and its cells while code waits, or does not stop. */

import { html, nothing, type TemplateResult } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";
import { displayName, type InQueue, may, queueOf } from "../notebook";
import { icon, note } from "./marks";
import { counted, placeOf } from "./words";
import type { Page } from "./worksheet";

/** An interrupt did not help: say so, with what does. */
export function unheeded({ notebook, actions }: Page): TemplateResult | typeof nothing {
  const { session, worksheet } = notebook;
  if (session?.state !== "interrupted" || session.reason === "") return nothing;
  const reason = session.reason.replace(/; a restart ends it$/, "");
  return html`<div class="unheeded" role="alert" data-unheeded>
    <span>${reason[0]?.toUpperCase()}${reason.slice(1)}.</span>
    ${may(worksheet.role, "run") ? html`<button class="plain" @click=${() => actions.restart()}>Restart…</button>` : nothing}
  </div>`;
}

/** What runs and what waits, in order: who, which cell, how long. */
export function queueStrip(page: Page): TemplateResult | typeof nothing {
  const runs = queueOf(page.notebook);
  if (runs.length === 0) return nothing;
  const first = runs.findIndex(({ running }) => !running);
  return html`<section class="queue" aria-label="Queue" data-queue>
    <ol>
      ${repeat(
        runs,
        ({ msgId }) => msgId,
        (run, at) => one(page, run, at - first, runs.length - first),
      )}
    </ol>
  </section>`;
}

function one({ notebook, state, actions }: Page, run: InQueue, place: number, count: number): TemplateResult {
  const at = notebook.cells.findIndex(({ id }) => id === run.cell);
  const what = placeOf(notebook, run.cell);
  const who = run.by === null || run.by === notebook.me ? "" : `by ${displayName(notebook, run.by)}`;
  const long = run.since === null ? "" : counted(run.since, state.now);
  const words = [run.running ? "running" : "waits", who, long].filter((word) => word !== "").join(", ");
  const tool = (name: Parameters<typeof icon>[0], label: string, act: () => void, off = false) =>
    html`<button aria-label=${label} title=${label} ?disabled=${off} @click=${act}>${icon(name)}</button>`;
  const tools = html`<span class="queue-tools">
    ${tool("up", `${what}: run it earlier`, () => void actions.moveRequest(run.msgId, -1), place === 0)}
    ${tool("down", `${what}: run it later`, () => void actions.moveRequest(run.msgId, 1), place === count - 1)}
    ${tool("close", `${what}: cancel it`, () => void actions.cancelRequest(run.msgId))}
  </span>`;
  return html`<li data-queued=${run.running ? "running" : place + 1}>
    ${note(run.running ? "running" : "queued")}
    ${at === -1 ? html`<span>${what}</span>` : html`<button class="link" @click=${() => run.cell !== null && actions.show(run.cell)}>${what}</button>`}
    <span class="quiet">${words}</span>
    ${run.running || !may(notebook.worksheet.role, "run") ? nothing : tools}
  </li>`;
}
