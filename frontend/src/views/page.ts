/** The whole page from the whole state. */

import { html, nothing, type TemplateResult } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";
import type { Actions } from "../actions";
import type { State } from "../state";
import { admin } from "./admin";
import type { CellWindow } from "./cell-window";
import { dialogs } from "./dialogs";
import type { Dragging } from "./dragging";
import type { EditorHost } from "./editor";
import { findBar } from "./find";
import { home } from "./home";
import { icon } from "./marks";
import { signIn, signUp } from "./sign-in";
import { top } from "./top";
import { worksheet } from "./worksheet";

export function page(state: State, actions: Actions, dark: boolean, host: EditorHost, cells: CellWindow, dragging: Dragging): TemplateResult {
  switch (state.route.page) {
    case "starting":
      return html`<main class="door"><p class="quiet" role="status">${state.fault ?? "Antiphon is opening…"}</p></main>`;
    case "sign-in":
      return signIn(state, actions);
    case "sign-up":
      return signUp(state, actions);
    default:
      return html`${top(state, actions)} ${findBar(state, actions)}
      ${state.route.page === "home" ? home(state, actions) : state.route.page === "admin" ? admin(state.route.part, state, actions) : worksheet(state, actions, dark, host, cells, dragging)}
      ${notices(state, actions)} ${dialogs(state, actions, dark)}`;
  }
}

function notices(state: State, actions: Actions): TemplateResult {
  return html`<div class="notices" role="log" aria-live="polite" aria-label="Notices">
    ${repeat(
      state.notices,
      ({ key }) => key,
      ({ key, text, wrong, action }) =>
        html`<div class=${`notice${wrong ? " wrong" : ""}`}>
          <span>${text}</span>
          ${action === null ? nothing : html`<button class="link" @click=${() => (actions.dismiss(key), action.then())}>${action.label}</button>`}
          <button class="round" aria-label="Dismiss" @click=${() => actions.dismiss(key)}>${icon("close")}</button>
        </div>`,
    )}
  </div>`;
}
