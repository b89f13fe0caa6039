/**
 * Opening a worksheet runs nothing: what somebody else's outputs would run in their frames waits until this reader lets it.
 *
 * The frames hold hostile code anyway; this is the second thing, that nobody's code runs unasked. What was allowed is
 * remembered by this browser, for the account, the worksheet and the author.
 */

import { html, nothing, type TemplateResult } from "lit-html";
import { displayName, type Notebook } from "../notebook";
import type { Answer } from "../outputs";
import type { AccountName } from "../protocol";
import type { State } from "../state";
import { untrusted } from "../trust";
import type { Actions } from "../actions";
import type { OutputsView } from "./mime/drawing";
import { runsCode } from "./mime/registry";
import { list } from "./words";
import type { Page } from "./worksheet";

const KEY = "antiphon.trusted";
const KEPT = 500;

/** What the outputs of a run need to be drawn: null where their code may run. */
export function inertOf(state: State, notebook: Notebook, actions: Actions, author: string): OutputsView["inert"] {
  const account = author as AccountName;
  if (account === notebook.me || state.trusted.has(account)) return null;
  return { by: displayName(notebook, account) || "somebody", show: () => actions.trust([account]) };
}

const frames = new WeakMap<Answer["outputs"], boolean>();

function hasFrames({ outputs }: Answer): boolean {
  let known = frames.get(outputs);
  if (known === undefined) frames.set(outputs, (known = outputs.some((output) => output.kind === "display" && runsCode(output))));
  return known;
}

/** Above the cells: what does not run, and one button. */
export function trustBar({ state, notebook, actions }: Page): TemplateResult | typeof nothing {
  const authors = untrusted(notebook, state.trusted, hasFrames);
  if (authors.length === 0) return nothing;
  const names = list(authors.map((account) => displayName(notebook, account) || "somebody"));
  return html`<p class="strip trust" role="status" data-trust>
    <span>Opening this worksheet has run nothing. Interactive outputs of ${names} wait until you let them run, in a frame that reaches neither the page nor the network.</span>
    <button class="plain" @click=${() => actions.trust(authors)}>Show them</button>
  </p>`;
}

type Stored = readonly (readonly [string, readonly AccountName[]])[];

function stored(): Stored {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(found) ? (found as Stored) : [];
  } catch {
    return [];
  }
}

/** Whom this reader trusts in a worksheet. */
export function trustedIn({ me, worksheet }: Notebook): ReadonlySet<AccountName> {
  const key = `${me} ${worksheet.id}`;
  return new Set(stored().find(([known]) => known === key)?.[1] ?? []);
}

export function rememberTrust({ me, worksheet }: Notebook, trusted: ReadonlySet<AccountName>): void {
  const key = `${me} ${worksheet.id}`;
  const others = stored().filter(([known]) => known !== key);
  try {
    localStorage.setItem(KEY, JSON.stringify([...others, [key, [...trusted]]].slice(-KEPT)));
  } catch {
    // A browser that keeps nothing asks again.
  }
}
