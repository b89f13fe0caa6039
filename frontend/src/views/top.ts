/** The line at the top of every page: where you are, whether it is connected, who is here, what you may change. */

import { html, nothing, type TemplateResult } from "lit-html";
import type { Actions } from "../actions";
import { caretOf, may, type Notebook } from "../notebook";
import { overviewOf } from "../overview";
import type { AccountName, CellId } from "../protocol";
import type { State, Theme } from "../state";
import { contextOf } from "./commands/command";
import { asks } from "./asks";
import { icon, wordmark } from "./marks";
import { items, MENU_CLICK } from "./menu";
import { connectionWords, hue, initials } from "./words";

const NEXT_THEME: Readonly<Record<Theme, Theme>> = { system: "light", light: "dark", dark: "system" };
const THEME_WORDS: Readonly<Record<Theme, string>> = { system: "as the system", light: "light", dark: "dark" };

export function top(state: State, actions: Actions): TemplateResult {
  const { word, text } = connectionWords(state);
  const { account, theme } = state;
  const notebook = state.closed === null ? state.notebook : null;
  const home = (event: MouseEvent) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    actions.go({ page: "home" });
  };
  return html`<header class="top">
    <a class="home" href="/" @click=${home}>${wordmark()}<span>Antiphon</span></a>
    <p class="connection" role="status" data-connection=${word}>
      <span class="dot" aria-hidden="true"></span><span>${text}</span>
      ${word === "reconnecting" || word === "offline" ? html`<button class="link" @click=${() => actions.retryNow()}>Now</button>` : nothing}
    </p>
    <span class="space"></span>
    ${notebook === null ? nothing : asks(notebook, actions)} ${notebook === null ? nothing : people(notebook, state, actions)}
    ${notebook !== null && may(notebook.worksheet.role, "own") ? html`<button class="share" @click=${() => void actions.share()}>Share</button>` : nothing}
    <button
      class="round"
      aria-label=${`Colours: ${THEME_WORDS[theme]}. Change`}
      title=${`Colours: ${THEME_WORDS[theme]}`}
      @click=${() => actions.setTheme(NEXT_THEME[theme])}
    >
      ${icon(theme)}
    </button>
    ${
      account === null
        ? nothing
        : html`<details class="menu" data-menu="account">
            <summary aria-label="Your account"><span class="avatar" data-hue=${hue(account.name)}>${initials(account.display_name || account.name)}</span></summary>
            <div class="menu-items" @click=${MENU_CLICK}>
              <p><strong>${account.display_name || account.name}</strong><br /><span class="quiet">${account.visitor ? "here by a link" : account.name}</span></p>
              ${items(["palette", "password", "server", "keys", "sign-out", "leave"], contextOf(state, actions))}
            </div>
          </details>`
    }
  </header>`;
}

/** What somebody does here, as far as others can see it; empty when that is to look. */
function doing(notebook: Notebook, account: AccountName): string {
  const place = (cell: CellId | null) => notebook.cells.findIndex(({ id }) => id === cell) + 1;
  const parts: string[] = [];
  const writes = place(caretOf(notebook, account)?.cell ?? null);
  if (writes > 0) parts.push(`editing cell ${writes}`);
  const { open, kinds } = overviewOf(notebook);
  for (const cell of open) if (kinds.get(cell) === "running" && notebook.runs.get(cell)?.account === account) parts.push(`running cell ${place(cell)}`);
  return parts.join(", ");
}

function people(notebook: Notebook, { following }: State, actions: Actions): TemplateResult {
  const { people, me } = notebook;
  const others = people.filter(({ account }) => account !== me);
  const names = others.map(({ display_name, account }) => display_name || account);
  const label = names.length === 0 ? "Nobody else is here" : `Here too: ${names.join(", ")}`;
  return html`<ul class="people" aria-label=${label} data-people>
    ${others.slice(0, 5).map(
      ({ account, display_name }) => {
        const does = doing(notebook, account);
        const label = `${display_name || account}${does === "" ? "" : `, ${does}`}`;
        return html`<li><button class="avatar" data-account=${account} data-hue=${hue(account)} data-does=${does} title=${`${label}. Click to scroll with ${display_name || account}`} aria-label=${label} aria-pressed=${following === account} @click=${() => actions.follow(account)}>${initials(display_name || account)}</button></li>`;
      },
    )}
    ${others.length > 5 ? html`<li class="quiet">+${others.length - 5}</li>` : nothing}
  </ul>`;
}
