/** The list of worksheets, set as a table of contents. */

import { html, nothing, type TemplateResult } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";
import type { Actions } from "../actions";
import { may } from "../notebook";
import type { ListedWorksheet } from "../protocol";
import type { State } from "../state";
import { type Arranged, arrange, type Group, GROUPS, type Import, isOpen, isRunning, type Order, ORDERS, plain } from "../worksheets";
import { icon, note } from "./marks";
import { MENU_CLICK } from "./menu";
import { day, FILES, ROLE_WORDS } from "./words";

const GROUP_WORDS: Readonly<Record<Group, string>> = { all: "All", yours: "Yours", shared: "Shared with you", running: "Running now" };
const ORDER_WORDS: Readonly<Record<Order, string>> = { changed: "Newest change", title: "Title", owner: "Owner" };

export function home(state: State, actions: Actions): TemplateResult {
  const { worksheets, home: view, account } = state;
  const arranged = worksheets === null ? null : arrange(worksheets, view, account?.name ?? null, state.now);
  const own = account?.visitor !== true;
  const take = (files: FileList | null | undefined) => void actions.home.import([...(files ?? [])]);
  const choose = ({ currentTarget }: Event) => {
    const input = currentTarget as HTMLInputElement;
    take(input.files);
    input.value = ""; // the same file may be chosen again
  };
  const drag = (event: DragEvent) => {
    if (!own || event.dataTransfer?.types.includes("Files") !== true) return;
    event.preventDefault();
    (event.currentTarget as HTMLElement).classList.toggle("dropping", event.type === "dragover");
  };
  const left = ({ currentTarget, relatedTarget }: DragEvent) => {
    const page = currentTarget as HTMLElement;
    if (!page.contains(relatedTarget as Node | null)) page.classList.remove("dropping");
  };
  const drop = (event: DragEvent) => {
    drag(event);
    if (own) take(event.dataTransfer?.files);
  };
  return html`<main class="sheet home-page" @dragover=${drag} @dragleave=${left} @drop=${drop} @keydown=${(event: KeyboardEvent) => homeKey(event, state, actions)}>
    <div class="home-head">
      <h1 class="title">Worksheets</h1>
      <span class="space"></span>
      ${
        own
          ? html`<input type="file" accept=".ipynb,.py" multiple hidden data-import @change=${choose} />
              <button title="Notebooks or Python scripts; they can also be dropped here" @click=${pick}>Import…</button>
              <button class="main" @click=${() => void actions.home.create()}>${icon("add")} New worksheet</button>`
          : nothing
      }
    </div>
    ${imports(view.imports, actions)}
    ${
      arranged === null
        ? html`<p class="quiet" aria-busy="true">Loading…</p>`
        : worksheets?.length === 0
          ? nothingYet(own)
          : html`${look(state, arranged, actions)} ${contents(state, arranged, actions)}`
    }
    <p class="drop-here" aria-hidden="true">Drop notebooks and scripts here</p>
  </main>`;
}

function nothingYet(own: boolean): TemplateResult {
  return html`<div class="empty">
    <p>Nothing here yet.</p>
    <p class="quiet">
      A worksheet is a page of Python that you and others run together.
      ${own ? "Start one, drop a notebook or a script on this page, or ask somebody to share theirs." : "Who shares one with you gives you a link to it."}
    </p>
  </div>`;
}

function pick({ currentTarget }: Event): void {
  (currentTarget as HTMLElement).parentElement?.querySelector<HTMLInputElement>("[data-import]")?.click();
}

/** What is looked at, and how: the search, the groups, the order. */
function look({ home: view }: State, { counts, total }: Arranged, actions: Actions): TemplateResult {
  const typed = ({ currentTarget }: Event) => actions.home.search((currentTarget as HTMLInputElement).value);
  const sort = ({ currentTarget }: Event) => actions.home.sort((currentTarget as HTMLSelectElement).value as Order);
  return html`<div class="look" role="search" aria-label="Worksheets">
      <input
        type="search"
        data-search
        aria-label="Search titles, owners and cells"
        aria-keyshortcuts="/"
        placeholder="Search titles, owners and cells"
        maxlength="200"
        autocomplete="off"
        spellcheck="false"
        .value=${view.query}
        @input=${typed}
      />
      <div class="groups" role="group" aria-label="Which worksheets">
        ${GROUPS.map(
          (group) =>
            html`<button data-group=${group} aria-pressed=${group === view.group} @click=${() => actions.home.choose(group)}>${GROUP_WORDS[group]} <span class="count">${counts[group]}</span></button>`,
        )}
      </div>
      <label class="order"><span>By</span>
        <select aria-label="Sorted by" @change=${sort}>
          ${ORDERS.map((order) => html`<option value=${order} ?selected=${order === view.order}>${ORDER_WORDS[order]}</option>`)}
        </select>
      </label>
    </div>
    <p class="hidden" role="status" data-total>${view.query === "" ? "" : total === 1 ? "1 worksheet found" : `${total} worksheets found`}</p>`;
}

function contents(state: State, { sections, total }: Arranged, actions: Actions): TemplateResult {
  const { home: view } = state;
  if (total === 0) return none(state, actions);
  return html`<div data-worksheets>
      ${sections.map(
        ({ head, worksheets }) => html`<section aria-label=${head || nothing}>
          ${head === "" ? nothing : html`<h2 class="span">${head}</h2>`}
          <ul class="contents">
            ${repeat(
              worksheets,
              ({ id }) => id,
              (worksheet) => line(worksheet, state, actions),
            )}
          </ul>
        </section>`,
      )}
    </div>
    ${total > view.shown ? html`<button class="plain more" data-more @click=${() => actions.home.more()}>${(total - view.shown).toLocaleString()} more</button>` : nothing}
    <p class="quiet home-keys"><kbd>/</kbd> search · <kbd>↑</kbd> <kbd>↓</kbd> through the list · <kbd>Enter</kbd> opens · <kbd>n</kbd> new · <kbd>F2</kbd> rename · <kbd>Del</kbd> delete</p>`;
}

function none({ home: { query, group, found } }: State, actions: Actions): TemplateResult {
  if (query !== "" && found === null && group !== "running") return html`<p class="quiet" aria-busy="true">Looking into the cells…</p>`;
  const words = {
    all: "",
    yours: "You have no worksheet of your own.",
    shared: "Nobody has shared a worksheet with you. Who owns one can, with its button Share.",
    running: "Nothing runs now.",
  }[group];
  return html`<div class="empty">
    <p>${query === "" ? words : `No worksheet has “${query}” in its title, its owner or its cells.`}</p>
    <button class="plain" @click=${() => (actions.home.search(""), actions.home.choose("all"))}>Show all</button>
  </div>`;
}

function line(worksheet: ListedWorksheet, state: State, actions: Actions): TemplateResult {
  const { id, title, owner, role, changed } = worksheet;
  const owned = owner === state.account?.name;
  const open = (event: MouseEvent) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    actions.go({ page: "worksheet", id });
  };
  const found = state.home.query === "" ? "" : (state.home.found?.get(id) ?? "");
  return html`<li data-worksheet-id=${id} data-session-state=${worksheet.state ?? ""}>
    <a href=${`/w/${id}`} @click=${open}><span class="name">${marked(title, state.home.query)}</span></a>
    <span class="leader" aria-hidden="true"></span>
    <span class="facts">
      ${isRunning(worksheet) ? html`<span class="runs">${note("running")} running</span>` : isOpen(worksheet) ? html`<span title="Its variables are there">session open</span>` : nothing}
      <span class="role">${owned ? "yours" : html`${marked(owner, state.home.query)}, ${ROLE_WORDS[role]}`}</span>
      <time datetime=${changed}>${day(changed, state.now)}</time>
    </span>
    ${menu(worksheet, state, actions)}
    ${found === "" ? nothing : html`<code class="found">${marked(found, state.home.query)}</code>`}
  </li>`;
}

function menu(worksheet: ListedWorksheet, { account }: State, actions: Actions): TemplateResult {
  const { id, title, role } = worksheet;
  return html`<details class="menu" data-menu="worksheet">
    <summary class="round" aria-label=${`What to do with ${title}`}>${icon("more")}</summary>
    <div class="menu-items" @click=${MENU_CLICK}>
      ${may(role, "edit") ? html`<button @click=${() => actions.openDialog({ kind: "rename", id, title })}>Rename…</button>` : nothing}
      ${
        account?.visitor === true
          ? nothing
          : html`<button @click=${() => void actions.home.duplicate(worksheet, false)}>Duplicate</button>
              <button @click=${() => void actions.home.duplicate(worksheet, true)}>Duplicate with outputs</button>`
      }
      <hr />
      ${FILES.map(([format, words]) => html`<button @click=${() => void actions.downloadWorksheet(id, format)}>Export: ${words}</button>`)}
      ${role === "own" ? html`<hr /><button class="grave" @click=${() => actions.home.delete(worksheet)}>Delete…</button>` : nothing}
    </div>
  </details>`;
}

/** The text with what is searched in it marked, where case and accents leave its length alone. */
function marked(text: string, query: string): TemplateResult | string {
  const wanted = plain(query.trim());
  const at = wanted === "" || plain(text).length !== text.length ? -1 : plain(text).indexOf(wanted);
  if (at < 0) return text;
  return html`${text.slice(0, at)}<mark>${text.slice(at, at + wanted.length)}</mark>${text.slice(at + wanted.length)}`;
}

const STEP_WORDS: Readonly<Record<Import["step"], string>> = { waits: "waits", goes: "importing…", done: "imported", failed: "refused" };

function imports(all: readonly Import[], actions: Actions): TemplateResult | typeof nothing {
  if (all.length === 0) return nothing;
  const over = all.filter(({ step }) => step === "done" || step === "failed").length;
  const failed = all.filter(({ step }) => step === "failed").length;
  return html`<section class="imports" aria-label="Imports" data-imports>
    <div class="imports-head">
      <p role="status">${over} of ${all.length} files${failed > 0 ? html`, <span class="wrong">${failed} refused</span>` : nothing}</p>
      <progress max=${all.length} .value=${over} aria-label="Imports"></progress>
      ${over === all.length ? html`<button class="round" aria-label="Close the list of imports" @click=${() => actions.home.forgetImports()}>${icon("close")}</button>` : nothing}
    </div>
    <ul>
      ${all.map(
        ({ name, step, why, id }) => html`<li data-step=${step}>
          ${id === null ? html`<span>${name}</span>` : html`<a href=${`/w/${id}`} @click=${(event: MouseEvent) => (event.preventDefault(), actions.go({ page: "worksheet", id }))}>${name}</a>`}
          <span class="quiet">${STEP_WORDS[step]}${why === "" ? "" : `: ${why}`}</span>
        </li>`,
      )}
    </ul>
  </section>`;
}

// --- Keys -------------------------------------------------------------------------------------

/** A key on the home page, wherever the focus is, outside of dialogs. */
export function homeKey(event: KeyboardEvent, state: State, actions: Actions): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const page = document.querySelector<HTMLElement>(".home-page");
  const search = page?.querySelector<HTMLInputElement>("[data-search]") ?? null;
  const links = [...(page?.querySelectorAll<HTMLElement>(".contents > li > a") ?? [])];
  const target = event.target as HTMLElement;
  const searching = target === search;
  const at = links.findIndex((link) => link.parentElement?.contains(target) === true);
  const inMenu = target.closest("details[open]") !== null;
  const field = target.closest("input, select, textarea") !== null;
  const go = (place: number) => {
    const link = links[Math.max(0, Math.min(place, links.length - 1))];
    link?.focus();
    link?.scrollIntoView({ block: "nearest" });
  };
  const chosen = state.worksheets?.find(({ id }) => id === links[at]?.parentElement?.dataset["worksheetId"]);
  const does: Readonly<Record<string, (() => void) | undefined>> = {
    ArrowDown: field && !searching ? undefined : inMenu ? () => stepInMenu(target, 1) : at === links.length - 1 && at >= 0 && page?.querySelector("[data-more]") ? () => (actions.home.more(), requestAnimationFrame(() => nextAfter(links[at]))) : () => go(at + 1),
    ArrowUp: field ? undefined : inMenu ? () => stepInMenu(target, -1) : at <= 0 ? () => search?.focus() : () => go(at - 1),
    Home: field || at < 0 ? undefined : () => go(0),
    End: field || at < 0 ? undefined : () => go(links.length - 1),
    Enter: searching ? () => links[0]?.click() : undefined,
    Escape: inMenu ? () => closeMenu(target) : searching ? () => actions.home.search("") : undefined,
    "/": field ? undefined : () => search?.focus(),
    n: field || state.account?.visitor === true ? undefined : () => void actions.home.create(),
    F2: chosen !== undefined && may(chosen.role, "edit") ? () => actions.openDialog({ kind: "rename", id: chosen.id, title: chosen.title }) : undefined,
    Delete: !field && chosen?.role === "own" ? () => actions.home.delete(chosen) : undefined,
  };
  const what = does[event.key];
  if (what === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  what();
}

function nextAfter(link: HTMLElement | undefined): void {
  const links = [...document.querySelectorAll<HTMLElement>(".contents > li > a")];
  links[links.findIndex((each) => each === link) + 1]?.focus();
}

function stepInMenu(target: HTMLElement, by: number): void {
  const buttons = [...(target.closest("details")?.querySelectorAll<HTMLElement>(".menu-items button") ?? [])];
  const at = buttons.indexOf(target);
  buttons[(at + by + buttons.length + (at < 0 && by < 0 ? 1 : 0)) % buttons.length]?.focus();
}

function closeMenu(target: HTMLElement): void {
  const menu = target.closest("details");
  menu?.removeAttribute("open");
  menu?.querySelector("summary")?.focus();
}
