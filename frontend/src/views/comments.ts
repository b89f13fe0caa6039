/** Comments: a mark at each cell that has some, and the pane in which they are read and written. */

import { html, nothing, type TemplateResult } from "lit-html";
import { guard } from "lit-html/directives/guard.js";
import { ref } from "lit-html/directives/ref.js";
import { repeat } from "lit-html/directives/repeat.js";
import { shownThreads } from "../comments";
import { displayName, may, type Notebook } from "../notebook";
import type { Cell, Comment } from "../protocol";
import { type CommentsView, type KnownThread, openThreads, unreadIn } from "../threads";
import { focusOnce } from "./focus";
import { icon } from "./marks";
import { renderMarkdown } from "./markdown";
import { hue, initials, moment } from "./words";
import type { Page } from "./worksheet";

/** Says when the mark of a cell must be drawn again. */
export function markKey({ notebook }: Page, cell: Cell): string {
  if (notebook.threads.length === 0) return "";
  const threads = openThreads(notebook.threads, cell.id);
  return `${count(threads)} ${unread(threads, notebook)}`;
}

function count(threads: readonly KnownThread[]): number {
  return threads.reduce((sum, { comments }) => sum + comments.filter(({ deleted }) => !deleted).length, 0);
}

function unread(threads: readonly KnownThread[], { me, read }: Notebook): number {
  return threads.reduce((sum, thread) => sum + unreadIn(thread, me, read), 0);
}

/** In the gutter: how many comments, and whether some are new. */
export function commentMark({ state, notebook, actions }: Page, cell: Cell): TemplateResult | typeof nothing {
  const threads = openThreads(notebook.threads, cell.id);
  if (threads.length === 0) return nothing;
  const [all, fresh] = [count(threads), unread(threads, notebook)];
  const label = `${all === 1 ? "1 comment" : `${all} comments`}${fresh === 0 ? "" : `, ${fresh} not read`}`;
  return html`<button
    class="comment-mark"
    data-comments=${all}
    data-unread=${fresh}
    aria-label=${label}
    title=${label}
    tabindex=${state.current === cell.id ? 0 : -1}
    @click=${() => actions.comments.open(cell.id)}
  >
    ${icon("comment")}<span>${all}</span>
  </button>`;
}

/** Whoever may answer what code asks may say something. */
function maySay({ notebook }: Page): boolean {
  return may(notebook.worksheet.role, "answer");
}

export function comments(page: Page): TemplateResult {
  const { state, notebook, actions } = page;
  const view = state.comments;
  const threads = shownThreads(notebook, view.settled);
  const settled = notebook.threads.some(({ resolved }) => resolved);
  const current = notebook.cells.find(({ id }) => id === state.current);
  return html`${
      maySay(page) && view.saying?.kind !== "begin" && current !== undefined
        ? html`<p class="pane-tools"><button data-begin @click=${() => actions.comments.begin(current.id, null)}>${icon("add")} Comment on cell ${placeOf(notebook, current.id)}</button></p>`
        : nothing
    }
    ${settled ? html`<label class="settled"><input type="checkbox" .checked=${view.settled} @change=${(event: Event) => actions.comments.showSettled((event.target as HTMLInputElement).checked)} /> Settled ones too</label>` : nothing}
    ${view.saying?.kind === "begin" ? beginning(page, view) : nothing}
    ${threads.length === 0 && view.saying === null ? html`<p class="quiet">${maySay(page) ? "Nothing is said yet. A comment is about a cell, or about what is selected in it." : "Nothing is said yet."}</p>` : nothing}
    <ol class="threads" data-threads>
      ${repeat(
        threads,
        ({ id }) => id,
        (thread) => guard([thread, view.at === thread.id, view.saying, view.text, placeOf(notebook, thread.cell), unreadIn(thread, notebook.me, notebook.read), notebook.worksheet.role, notebook.members, day(state.now)], () => oneThread(page, thread)),
      )}
    </ol>`;
}

/** Times are said to the minute, and days by their date: once an hour is often enough. */
function day(now: number): number {
  return Math.floor(now / 3_600_000);
}

function placeOf(notebook: Notebook, cell: Cell["id"]): number {
  return notebook.cells.findIndex(({ id }) => id === cell) + 1;
}

function beginning(page: Page, { saying }: CommentsView): TemplateResult | typeof nothing {
  if (saying?.kind !== "begin") return nothing;
  return html`<div class="thread at" data-beginning>
    <p class="about">Cell ${placeOf(page.notebook, saying.cell)}</p>
    ${quoted(saying.quote)} ${field(page, "Your comment", "Comment")}
  </div>`;
}

function quoted(quote: string): TemplateResult | typeof nothing {
  return quote === "" ? nothing : html`<blockquote class="quote"><code>${quote}</code></blockquote>`;
}

function oneThread(page: Page, thread: KnownThread): TemplateResult {
  const { state, notebook, actions } = page;
  const { saying } = state.comments;
  const at = state.comments.at === thread.id;
  const place = placeOf(notebook, thread.cell);
  const fresh = unreadIn(thread, notebook.me, notebook.read);
  const gone = thread.quote !== "" && thread.range === null;
  const key = (event: KeyboardEvent) => {
    if (event.target !== event.currentTarget) return;
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter" && maySay(page)) actions.comments.reply(thread.id);
    else if (by !== undefined) step(event.currentTarget as HTMLElement, by);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return html`<li>
    <article
      class=${`thread${at ? " at" : ""}${thread.resolved ? " resolved" : ""}`}
      tabindex="0"
      aria-label=${`Comments on cell ${place}${thread.resolved ? ", settled" : ""}${fresh === 0 ? "" : `, ${fresh} not read`}`}
      data-thread=${thread.id}
      data-unread=${fresh}
      ${at ? ref(intoView) : nothing}
      @focusin=${() => actions.comments.look(thread.id)}
      @click=${() => actions.comments.look(thread.id)}
      @keydown=${key}
    >
      <p class="about">Cell ${place}${thread.resolved ? ", settled" : ""}${gone ? ", the text it was about has gone" : ""}</p>
      ${quoted(thread.quote)}
      ${thread.comments.map((comment) => oneComment(page, thread, comment))}
      ${saying?.kind === "reply" && saying.thread === thread.id ? field(page, "Your answer", "Answer") : nothing}
      ${
        maySay(page) && saying === null
          ? html`<p class="thread-tools">
              <button @click=${() => actions.comments.reply(thread.id)}>Answer</button>
              <button data-resolve @click=${() => void actions.comments.resolve(thread.id, !thread.resolved)}>${thread.resolved ? "Open again" : "Settled"}</button>
            </p>`
          : nothing
      }
    </article>
  </li>`;
}

function oneComment(page: Page, thread: KnownThread, comment: Comment): TemplateResult {
  const { state, notebook, actions } = page;
  const { id, author, created, edited, text, deleted } = comment;
  const { saying } = state.comments;
  const name = displayName(notebook, author);
  const mine = author === notebook.me;
  const said = `${moment(created, state.now)}${edited === null ? "" : ", edited"}`;
  if (saying?.kind === "edit" && saying.comment === id) return html`<div class="comment">${field(page, "Another text", "Change")}</div>`;
  return html`<div class="comment" data-comment=${id}>
    <p class="by">
      <span class="avatar" data-hue=${hue(author)} aria-hidden="true">${initials(name)}</span><strong>${name}</strong> <span class="quiet">${said}</span>
      ${
        deleted || !maySay(page) || saying !== null
          ? nothing
          : html`<span class="comment-tools">
              ${mine ? html`<button class="round" aria-label="Change your comment" title="Change" @click=${() => actions.comments.edit(thread.id, id, text)}>${icon("write")}</button>` : nothing}
              ${
                mine || notebook.worksheet.role === "own"
                  ? html`<button class="round" aria-label=${`Delete the comment of ${mine ? "yours" : name}`} title="Delete" @click=${() => void actions.comments.delete(id)}>${icon("delete")}</button>`
                  : nothing
              }
            </span>`
      }
    </p>
    ${deleted ? html`<p class="quiet"><em>Deleted</em></p>` : renderMarkdown(text)}
  </div>`;
}

function field(page: Page, label: string, action: string): TemplateResult {
  const { state, actions } = page;
  const key = (event: KeyboardEvent) => {
    if (event.isComposing) return;
    if (event.key === "Escape") actions.comments.cancel();
    else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void actions.comments.say();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return html`<form
    class="saying"
    @submit=${(event: Event) => {
      event.preventDefault();
      void actions.comments.say();
    }}
  >
    <textarea aria-label=${label} rows="3" maxlength="4000" placeholder="In Markdown. Ctrl+Enter sends." .value=${state.comments.text} @input=${(event: Event) => actions.comments.write((event.target as HTMLTextAreaElement).value)} @keydown=${key} ${ref(focusOnce)}></textarea>
    <p class="thread-tools">
      <button class="plain" type="submit" ?disabled=${state.comments.text.trim() === ""}>${action}</button>
      <button type="button" @click=${() => actions.comments.cancel()}>Cancel</button>
    </p>
  </form>`;
}

function intoView(element: Element | undefined): void {
  if (element !== undefined) queueMicrotask(() => element.scrollIntoView({ block: "nearest" }));
}

function step(from: HTMLElement, by: number): void {
  const all = [...(from.closest("[data-threads]")?.querySelectorAll<HTMLElement>("[data-thread]") ?? [])];
  all[all.indexOf(from) + by]?.focus();
}
