/** The dialogs: modal, closed by Esc, the focus goes back to where it was (the browser's own `<dialog>` does it). */

import { html, nothing, type TemplateResult } from "lit-html";
import { ref } from "lit-html/directives/ref.js";
import type { Actions } from "../actions";
import type { Notebook } from "../notebook";
import { type Link, ROLES, type Role } from "../protocol";
import type { Dialog, State } from "../state";
import { GROUPS } from "./commands/command";
import { EDITOR_KEYS } from "./commands/keys";
import { COMMANDS } from "./commands/table";
import { icon } from "./marks";
import { keys as keysOf, palette } from "./palette";
import { bin, runs, runsHeading } from "./past";
import { SLIDE_KEYS } from "./slides";
import { ROLE_MEANS, ROLE_WORDS } from "./words";

export function dialogs(state: State, actions: Actions, dark: boolean): TemplateResult | typeof nothing {
  const { dialog } = state;
  if (dialog === null) return nothing;
  const [heading, body] = content(dialog, state, actions, dark);
  return html`<dialog ${ref(openModal)} class=${dialog.kind} aria-labelledby="dialog-heading" @keydown=${(event: KeyboardEvent) => escaped(event, actions)} @close=${(event: Event) => closedByItself(event, actions)} @click=${clickedOutside}>
    <div class="dialog-box">
      <div class="dialog-head">
        <h2 id="dialog-heading">${heading}</h2>
        <button class="round" aria-label="Close" @click=${() => actions.closeDialog()}>${icon("close")}</button>
      </div>
      ${body}
    </div>
  </dialog>`;
}

function openModal(element: Element | undefined): void {
  if (element instanceof HTMLDialogElement && !element.open) queueMicrotask(() => element.isConnected && !element.open && element.showModal());
}

/** At once, not when the browser says that it closed: the next key may mean something in the page already. */
function escaped(event: KeyboardEvent, actions: Actions): void {
  if (event.key !== "Escape" || event.isComposing || event.defaultPrevented) return;
  event.preventDefault();
  (event.currentTarget as HTMLDialogElement).close();
  actions.closeDialog();
}

/** The event comes a little after the closing: another dialog may have taken the place of this one. */
function closedByItself({ currentTarget }: Event, actions: Actions): void {
  if ((currentTarget as HTMLDialogElement).isConnected) actions.closeDialog();
}

function clickedOutside(event: MouseEvent): void {
  if (event.target === event.currentTarget) (event.currentTarget as HTMLDialogElement).close();
}

function content(dialog: Dialog, state: State, actions: Actions, dark: boolean): readonly [string, TemplateResult] {
  switch (dialog.kind) {
    case "keys":
      return ["Keys", keys()];
    case "palette":
      return ["Commands", palette(dialog, state, actions)];
    case "share":
      return ["Share", share(dialog, state, actions)];
    case "password":
      return ["Set password", password(state, actions)];
    case "account":
      return ["New account", account(dialog.made?.url ?? null, state, actions)];
    case "bin":
      return ["Deleted cells", bin(dialog, state, actions)];
    case "runs":
      return [runsHeading(dialog, state), runs(dialog, state, actions, dark)];
    case "secret":
      return [
        dialog.title,
        html`<p>${dialog.text}</p>
          <p class="link-box"><code data-link>${dialog.url}</code></p>
          <div class="dialog-foot"><button class="main" autofocus @click=${() => copy(dialog.url, actions)}>Copy it</button></div>`,
      ];
    case "rename":
      return ["Rename", rename(dialog, actions)];
    case "confirm":
      return [
        dialog.title,
        html`<p>${dialog.text}</p>
          <div class="dialog-foot">
            <button class="plain" autofocus @click=${() => actions.closeDialog()}>Cancel</button>
            <button class="main" data-confirm @click=${() => (actions.closeDialog(), dialog.then())}>${dialog.action}</button>
          </div>`,
      ];
  }
}

function fault(state: State): TemplateResult {
  return html`<p class="fault" role="alert">${state.fault ?? nothing}</p>`;
}

function keys(): TemplateResult {
  const row = (key: TemplateResult, does: string) => html`<div><dt>${key}</dt><dd>${does}</dd></div>`;
  return html`${GROUPS.map((group) => {
      const known = COMMANDS.filter((one) => one.group === group && one.keys !== undefined);
      return html`<h3>${group}</h3>
        <dl class="key-list">${known.map((one) => row(keysOf(one), one.name))}</dl>`;
    })}
    <h3>While editing</h3>
    <dl class="key-list">${EDITOR_KEYS.map(([key, does]) => row(html`<kbd>${key}</kbd>`, does))}</dl>
    <h3>In a presentation</h3>
    <dl class="key-list">${SLIDE_KEYS.map(([key, does]) => row(html`<kbd>${key}</kbd>`, does))}</dl>
    <p class="quiet">The keys of Run and those with Ctrl work while editing too; the others are for a cell that is not edited: press Esc first.</p>`;
}

function fields(event: SubmitEvent): (name: string) => string {
  event.preventDefault();
  const form = new FormData(event.currentTarget as HTMLFormElement);
  return (name) => String(form.get(name) ?? "");
}

function roles(chosen: Role, offered: readonly Role[] = ROLES): TemplateResult[] {
  return offered.map((role) => html`<option value=${role} ?selected=${role === chosen}>${ROLE_WORDS[role]}</option>`);
}

function share(dialog: Extract<Dialog, { kind: "share" }>, state: State, actions: Actions): TemplateResult {
  const { notebook } = state;
  if (notebook === null) return html``;
  const add = (event: SubmitEvent) => {
    const field = fields(event);
    const form = event.currentTarget as HTMLFormElement;
    void actions.setMember(field("account"), field("role") as Role).then((added) => added && form.reset());
  };
  const owned = notebook.worksheet.owner === state.account?.name;
  return html`<ul class="members" data-members>
      ${notebook.members.filter(({ link }) => link === null).map((member) => {
        const owner = member.account === notebook.worksheet.owner;
        const name = member.display_name || member.account;
        return html`<li data-account=${member.account}>
          <span class="name">${name}${member.display_name ? html` <span class="quiet">${member.account}</span>` : nothing}</span>
          ${
            owner
              ? html`<span class="role">${ROLE_WORDS.own}</span>`
              : html`<select aria-label=${`Role of ${name}`} .value=${member.role} @change=${(event: Event) => void actions.setMember(member.account, (event.target as HTMLSelectElement).value as Role)}>
                    ${roles(member.role)}
                  </select>
                  ${
                    owned
                      ? html`<button class="link" aria-label=${`Make ${name} the owner`} @click=${() => actions.transfer(member.account, name)}>Make owner</button>`
                      : nothing
                  }
                  <button class="round" aria-label=${`Remove ${name}`} @click=${() => void actions.removeMember(member.account)}>${icon("close")}</button>`
          }
        </li>`;
      })}
    </ul>
    <form class="row" @submit=${add}>
      <label>Account name <input name="account" autocapitalize="none" autocomplete="off" spellcheck="false" required autofocus /></label>
      <label>Role <select name="role">${roles("edit")}</select></label>
      <button class="main" type="submit">Add</button>
    </form>
    <h3>By link, without an account</h3>
    ${links(dialog.links, notebook, actions)}
    ${dialog.url === null ? newLink(actions) : madeLink(dialog.url, actions)}
    ${fault(state)}
    <p class="quiet">Everyone here sees live what is written and what comes out. Whoever may run, runs code with the rights that yours has.</p>`;
}

/** Nobody owns by a link: whoever finds it could then give the worksheet away. */
const LINK_ROLES = ROLES.filter((role) => role !== "own");

const LINK_DAYS: readonly (readonly [string, string])[] = [
  ["1", "for a day"],
  ["7", "for a week"],
  ["30", "for a month"],
  ["", "without an end"],
];

function links(list: readonly Link[] | null, notebook: Notebook, actions: Actions): TemplateResult | typeof nothing {
  if (list === null || list.length === 0) return nothing;
  return html`<ul class="members" data-links>
    ${list.map(({ id, role, expires, uses, most_uses }) => {
      const here = notebook.members.filter(({ link }) => link === id).length;
      const used = most_uses === null ? `used ${uses} times` : `used ${uses} of ${most_uses} times`;
      const end = expires === null ? "no end" : `until ${new Date(expires).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" })}`;
      return html`<li data-link=${id}>
        <span class="name">${ROLE_WORDS[role]} <span class="quiet">${end}, ${used}${here > 0 ? `, ${here} in` : ""}</span></span>
        <button class="link" @click=${() => void actions.revokeLink(id)}>Revoke</button>
      </li>`;
    })}
  </ul>`;
}

function newLink(actions: Actions): TemplateResult {
  const make = (event: SubmitEvent) => {
    const field = fields(event);
    const number = (name: string) => (field(name) === "" ? null : Number(field(name)));
    void actions.createLink(field("role") as Role, number("days"), number("uses"));
  };
  const explain = ({ currentTarget }: Event) => {
    const select = currentTarget as HTMLSelectElement;
    const words = select.form?.querySelector("[data-means]");
    if (words) words.textContent = ROLE_MEANS[select.value as Role];
  };
  return html`<form class="row" data-new-link @submit=${make}>
    <label>Whoever has it <select name="role" @change=${explain}>${roles("observe", LINK_ROLES)}</select></label>
    <label>It works <select name="days">${LINK_DAYS.map(([value, words]) => html`<option value=${value} ?selected=${value === "7"}>${words}</option>`)}</select></label>
    <label>For how many <input name="uses" type="number" min="1" max="1000000" placeholder="any" /></label>
    <button class="main" type="submit">Make a link</button>
    <p class="quiet" data-means>${ROLE_MEANS.observe}</p>
  </form>`;
}

function madeLink(url: string, actions: Actions): TemplateResult {
  return html`<p>Whoever has this link is let in; it is shown only now.</p>
    <p class="link-box"><code data-link-url>${url}</code></p>
    <div class="dialog-foot"><button class="main" @click=${() => copy(url, actions)}>Copy the link</button></div>`;
}

function copy(text: string, actions: Actions): void {
  void navigator.clipboard.writeText(text).then(
    () => actions.notify("The link is copied.", false),
    () => actions.notify("The browser did not allow it: copy it by hand.", true),
  );
}

function password(state: State, actions: Actions): TemplateResult {
  const submit = (event: SubmitEvent) => {
    const field = fields(event);
    void actions.setPassword(field("password"), field("current"));
  };
  return html`<form class="column" @submit=${submit}>
    <input class="hidden" name="username" autocomplete="username" .value=${state.account?.name ?? ""} tabindex="-1" aria-hidden="true" />
    <label>Current password <span class="quiet">empty if you have none yet</span><input name="current" type="password" autocomplete="current-password" autofocus /></label>
    <label>New password <input name="password" type="password" autocomplete="new-password" required /></label>
    ${fault(state)}
    <div class="dialog-foot"><button class="main" type="submit">Set</button></div>
  </form>`;
}

function account(made: string | null, state: State, actions: Actions): TemplateResult {
  if (made !== null) {
    return html`<p>The account is made. This link signs that person in once; it is shown only now.</p>
      <p class="link-box"><code data-link>${made}</code></p>
      <div class="dialog-foot"><button class="main" autofocus @click=${() => copy(made, actions)}>Copy the link</button></div>`;
  }
  const submit = (event: SubmitEvent) => {
    const field = fields(event);
    void actions.createAccount(field("name"), field("display_name"));
  };
  return html`<form class="column" @submit=${submit}>
    <label>Account name <input name="name" autocapitalize="none" autocomplete="off" spellcheck="false" required autofocus /></label>
    <label>Name to show <input name="display_name" autocomplete="off" /></label>
    ${fault(state)}
    <div class="dialog-foot"><button class="main" type="submit">Make the account</button></div>
  </form>`;
}

function rename(dialog: Extract<Dialog, { kind: "rename" }>, actions: Actions): TemplateResult {
  const submit = (event: SubmitEvent) => {
    const field = fields(event);
    actions.closeDialog();
    void actions.renameWorksheet(dialog.id, field("title"));
  };
  return html`<form class="column" @submit=${submit}>
    <label>Title <input name="title" maxlength="200" required autofocus .value=${dialog.title} /></label>
    <div class="dialog-foot"><button class="main" type="submit">Rename</button></div>
  </form>`;
}
