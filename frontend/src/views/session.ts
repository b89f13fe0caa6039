/** What is said of the session above the cells: what it uses, how it ended, and that a run takes long. */

import { html, nothing, type TemplateResult } from "lit-html";
import { LONG, waitsFor } from "../bell";
import { may, type Notebook } from "../notebook";
import { sessionIsOver } from "../overview";
import { nearLimit } from "../usage";
import { bytes, duration } from "./words";
import type { Page } from "./worksheet";

/** Memory and CPU, beside the session's state. */
export function meter({ state, notebook }: Page): TemplateResult | typeof nothing {
  const { meter } = state;
  if (meter === null || meter.session !== notebook.session?.uid) return nothing;
  const { use, cores } = meter;
  const { limits } = use;
  const memory = `${bytes(use.memory_bytes)}${limits.memory_bytes > 0 ? ` of ${bytes(limits.memory_bytes)}` : ""}`;
  const percent = cores === null ? "" : `${Math.round(cores * 100)} % CPU`;
  const near = nearLimit(meter);
  const all = [
    `Memory: ${memory}`,
    `CPU time: ${duration(use.cpu_seconds)}${limits.cpu_seconds > 0 ? ` of ${duration(limits.cpu_seconds)}` : ""}`,
    `Processes: ${use.processes}${limits.processes > 0 ? ` of ${limits.processes}` : ""}`,
    ...(limits.run_seconds > 0 ? [`One run: at most ${duration(limits.run_seconds)}`] : []),
    ...(limits.idle_seconds > 0 ? [`Ends after ${duration(limits.idle_seconds)} with nothing to do`] : []),
  ].join("\n");
  return html`<span class=${near === null ? "meter" : "meter near"} title=${near === null ? all : `${near}\n${all}`} data-meter>
    ${
      limits.memory_bytes > 0
        ? html`<meter aria-label="Memory of the session" min="0" max=${limits.memory_bytes} high=${0.85 * limits.memory_bytes} .value=${use.memory_bytes}></meter>`
        : nothing
    }
    <span><span class="unseen">Memory </span>${memory}</span>${percent === "" ? nothing : html`<span>${percent}</span>`}
    ${near === null ? nothing : html`<span class="unseen" role="status">${near}</span>`}
  </span>`;
}

/** The last word of a session that is over: why, what that means, and what to do. */
export function lastWord({ notebook, actions }: Page): TemplateResult | typeof nothing {
  const { session, worksheet } = notebook;
  if (session === null || !sessionIsOver(notebook)) return nothing;
  const runs = may(worksheet.role, "run");
  return html`<div class="last-word" role="alert" data-last-word=${session.state}>
    <p><strong>The session has ended${why(session.reason)}.</strong> Its variables are gone; the cells and their outputs stay. ${advice(session.reason)}</p>
    ${
      !runs
        ? nothing
        : session.state === "dead"
          ? html`<button class="plain" @click=${() => void actions.startAnew()}>Start it anew</button>`
          : html`<p class="quiet">The next run starts a new one.</p>`
    }
  </div>`;
}

function why(reason: string): string {
  const said = reason.trim().replace(/\.$/, "");
  return said === "" || /^it was closed$/i.test(said) ? "" : `: ${said[0]?.toLowerCase()}${said.slice(1)}`;
}

/** What would keep the next one from ending so. */
export function advice(reason: string): string {
  if (/out of memory/i.test(reason)) return "Work on less at a time, or ask who runs the server for a higher limit.";
  if (/out of CPU time/i.test(reason)) return "Compute in smaller parts, or ask who runs the server for a higher limit.";
  if (/^idle/i.test(reason)) return "It had nothing to do for as long as the server lets a session stand.";
  if (/segmentation fault|SIGSEGV|SIGABRT|SIGBUS|signal 11|signal 6/i.test(reason)) return "A library written in C failed; run the cells one by one to find where.";
  return "";
}

/** Who begins to wait is asked, once, whether to be told. */
export function bellOffer({ state, notebook, actions }: Page): TemplateResult | typeof nothing {
  if (state.bell !== "ask" || !waitsLong(notebook, state.now)) return nothing;
  return html`<div class="bell-offer" role="status" data-bell>
    <span>This takes a while. Shall the browser tell you when it ends, if you look elsewhere by then?</span>
    <button class="link" @click=${() => void actions.bell.wanted()}>Tell me</button>
    <button class="link" @click=${() => actions.bell.unwanted()}>No</button>
  </div>`;
}

function waitsLong(notebook: Notebook, now: number): boolean {
  const { since } = waitsFor(notebook);
  return since !== null && now - since >= LONG;
}
