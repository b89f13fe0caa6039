/** For those who look after the server: tables that can be read aloud, and what may be done to each row. */

import { html, nothing, type TemplateResult } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";
import type { Actions } from "../actions";
import type { AccountDetails, AuditEntry, LiveSession, ServerLimits } from "../protocol";
import { ADMIN_PARTS, type AdminPart, pathOf, type State } from "../state";
import { day } from "./words";

const PART_WORDS: Readonly<Record<AdminPart, string>> = { accounts: "Accounts", sessions: "Sessions", audit: "What was done", limits: "Limits" };

export function admin(part: AdminPart, state: State, actions: Actions): TemplateResult {
  if (state.account?.admin !== true) {
    return html`<main class="sheet closed" role="alert">
      <h1>This is for administrators</h1>
      <button class="plain" @click=${() => actions.go({ page: "home" })}>Go to your worksheets</button>
    </main>`;
  }
  return html`<main class="sheet admin" data-admin=${part}>
    <h1 class="title">The server</h1>
    <nav class="admin-parts" aria-label="Parts">
      ${ADMIN_PARTS.map((each) => {
        const open = (event: MouseEvent) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          actions.go({ page: "admin", part: each });
        };
        return html`<a href=${pathOf({ page: "admin", part: each })} aria-current=${each === part ? "page" : nothing} @click=${open}>${PART_WORDS[each]}</a>`;
      })}
    </nav>
    ${part === "accounts" ? accounts(state, actions) : part === "sessions" ? sessions(state, actions) : part === "audit" ? audit(state, actions) : limits(state)}
  </main>`;
}

function loading(): TemplateResult {
  return html`<p class="quiet" aria-busy="true">Loading…</p>`;
}

/** A head of a column; of one of numbers it stands at the right, as they do. */
type Head = string | { readonly numbers: string };

function head(of: Head): TemplateResult {
  if (typeof of !== "string") return html`<th scope="col" class="number">${of.numbers}</th>`;
  return html`<th scope="col">${of === "" ? html`<span class="hidden">To do</span>` : of}</th>`;
}

function table(caption: string, heads: readonly Head[], rows: unknown): TemplateResult {
  return html`<div class="table-frame" tabindex="0" role="region" aria-label=${caption}>
    <table class="listing">
      <thead>
        <tr>${heads.map(head)}</tr>
      </thead>
      <tbody>${rows}</tbody>
    </table>
  </div>`;
}

function accounts(state: State, actions: Actions): TemplateResult {
  const { accounts } = state.admin;
  return html`<div class="admin-tools">
      <button class="main" @click=${() => actions.openDialog({ kind: "account", made: null })}>New account…</button>
      ${state.signup === "invite" ? html`<button @click=${() => void actions.admin.invite()}>Invite somebody…</button>` : nothing}
    </div>
    ${
      accounts === null
        ? loading()
        : table(
            "Accounts",
            ["Account", "Since", { numbers: "Browsers" }, { numbers: "Programs" }, { numbers: "Worksheets" }, ""],
            repeat(
              accounts,
              ({ name }) => name,
              (account) => accountRow(account, state, actions),
            ),
          )
    }`;
}

function accountRow(account: AccountDetails, state: State, actions: Actions): TemplateResult {
  const { name, display_name, admin, visitor, disabled, created, signins, tokens, worksheets } = account;
  const shown = display_name || name;
  const kind = disabled ? "switched off" : admin ? "administrator" : visitor ? "visitor by a link" : "";
  const me = state.account?.name === name;
  return html`<tr data-account=${name} class=${disabled ? "off" : ""}>
    <th scope="row">${shown}${display_name && display_name !== name && !visitor ? html` <span class="quiet">${name}</span>` : nothing}${kind === "" ? nothing : html` <span class="tag">${kind}</span>`}</th>
    <td><time datetime=${created}>${day(created, state.now)}</time></td>
    <td class="number">${signins}</td>
    <td class="number">${tokens}</td>
    <td class="number">${worksheets}</td>
    <td class="acts">
      ${visitor || disabled ? nothing : html`<button class="link" aria-label=${`Login link for ${shown}`} @click=${() => void actions.admin.link(name)}>Login link</button>`}
      ${signins > 0 && !me ? html`<button class="link" aria-label=${`Sign ${shown} out`} @click=${() => actions.admin.signOut(account)}>Sign out</button>` : nothing}
      ${me ? nothing : html`<button class="link" aria-label=${`Switch ${disabled ? "on" : "off"} ${shown}`} @click=${() => actions.admin.switchAccount(account)}>Switch ${disabled ? "on" : "off"}</button>`}
    </td>
  </tr>`;
}

function sessions(state: State, actions: Actions): TemplateResult {
  const { sessions } = state.admin;
  return html`<div class="admin-tools"><button @click=${() => void actions.admin.load("sessions")}>Look again</button></div>
    ${
      sessions === null
        ? loading()
        : sessions.length === 0
          ? html`<p class="quiet">No session is open.</p>`
          : table(
              "Sessions",
              ["Whose", "State", "Since", { numbers: "Publications" }, "Session", ""],
              repeat(
                sessions,
                ({ uid }) => uid,
                (session) => sessionRow(session, state, actions),
              ),
            )
    }
    <p class="quiet">Whose they are and what they do, not what they hold.</p>`;
}

function sessionRow({ uid, owner, state: word, created, latest }: LiveSession, state: State, actions: Actions): TemplateResult {
  return html`<tr data-session=${uid}>
    <th scope="row">${owner}</th>
    <td>${word}</td>
    <td><time datetime=${created}>${day(created, state.now)}</time></td>
    <td class="number">${latest.toLocaleString()}</td>
    <td><code>${uid.slice(0, 8)}</code></td>
    <td class="acts"><button class="link" aria-label=${`End the session ${uid.slice(0, 8)} of ${owner}`} @click=${() => actions.admin.endSession(uid, owner)}>End</button></td>
  </tr>`;
}

function audit(state: State, actions: Actions): TemplateResult {
  const { entries, more, account, act } = state.admin.audit;
  const search = (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    void actions.admin.searchAudit(String(form.get("account") ?? ""), String(form.get("act") ?? ""));
  };
  return html`<form class="row admin-tools" role="search" @submit=${search}>
      <label>Account <input name="account" autocapitalize="none" autocomplete="off" spellcheck="false" .value=${account} placeholder="anybody" /></label>
      <label>Act begins with <input name="act" autocapitalize="none" autocomplete="off" spellcheck="false" .value=${act} placeholder="anything" /></label>
      <button class="main" type="submit">Show</button>
    </form>
    ${
      entries === null
        ? loading()
        : entries.length === 0
          ? html`<p class="quiet">Nothing was written down of that.</p>`
          : table(
              "What was done",
              ["When", "Who", "From", "What", "To what", "Outcome"],
              repeat(entries, ({ number }) => number, auditRow),
            )
    }
    ${more ? html`<button class="plain" @click=${() => void actions.admin.moreAudit()}>Older</button>` : nothing}`;
}

function auditRow({ date, account, address, act, subject, outcome, count }: AuditEntry): TemplateResult {
  const when = new Date(date).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
  return html`<tr class=${outcome === "ok" ? "" : "refused"}>
    <td><time datetime=${date}>${when}</time></td>
    <td>${account || html`<span class="quiet">nobody</span>`}</td>
    <td>${address}</td>
    <td><code>${act}</code>${count > 1 ? html` <span class="tag">${count.toLocaleString()} times</span>` : nothing}</td>
    <td class="subject">${Object.entries(subject).map(([name, value]) => html`<span>${name} <code>${value}</code></span> `)}</td>
    <td>${outcome}</td>
  </tr>`;
}

/** The names as the configuration writes them, in words. */
function words(name: string): string {
  const text = name.replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const SIGNUP_WORDS: Readonly<Record<ServerLimits["signup"], string>> = {
  closed: "nobody; an administrator makes accounts",
  invite: "whoever an administrator invites",
  open: "anybody",
};

function limits(state: State): TemplateResult {
  const { limits } = state.admin;
  if (limits === null) return loading();
  const rows: readonly (readonly [string, string])[] = [
    ["Who may sign up", SIGNUP_WORDS[limits.signup]],
    ["Wrong passwords in a row", `${limits.attempts}, then one each ${limits.attempt_seconds} s`],
    ["Entries of what was done that are kept", limits.audit_entries.toLocaleString()],
    ...Object.entries(limits.settings).map(([name, value]) => [words(name), value === 0 ? "no limit" : value.toLocaleString()] as const),
    ...Object.entries(limits.limits).map(([name, value]) => [words(name), value.toLocaleString()] as const),
  ];
  return html`${table(
      "Limits",
      ["Limit", { numbers: "At most" }],
      rows.map(([name, value]) => html`<tr><th scope="row">${name}</th><td class="number">${value}</td></tr>`),
    )}
    <p class="quiet">Memory, time and output of sessions are settings of the kernel: <code>antiphon config</code> shows them.</p>`;
}
