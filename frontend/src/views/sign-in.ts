/** The way in. */

import { html, nothing, type TemplateResult } from "lit-html";
import { ref } from "lit-html/directives/ref.js";
import type { Actions } from "../actions";
import type { State } from "../state";
import { wordmark } from "./marks";

export function signIn(state: State, actions: Actions): TemplateResult {
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    void actions.signIn(String(form.get("name") ?? ""), String(form.get("password") ?? ""));
  };
  return html`<main class="door">
    <div class="door-head">${wordmark()}<h1>Antiphon</h1></div>
    <p class="motto">You call. Everyone hears the response.</p>
    <form @submit=${submit}>
      <label>Name <input name="name" autocomplete="username" autocapitalize="none" spellcheck="false" required ${ref(focusFirst)} /></label>
      <label>Password <input name="password" type="password" autocomplete="current-password" required /></label>
      <p class="fault" role="alert">${state.fault ?? nothing}</p>
      <button class="main" type="submit">Sign in</button>
    </form>
    ${state.oidc ? html`<p><a class="main" href="/oidc">Sign in at your organisation</a></p>` : nothing}
    <p class="quiet">Got a login link? Open it, and you are in.</p>
    ${state.signup === "open" ? html`<p><button class="link" @click=${() => actions.toDoor("sign-up")}>Make an account</button></p>` : nothing}
  </main>`;
}

export function signUp(state: State, actions: Actions): TemplateResult {
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    void actions.signUp(String(form.get("name") ?? ""), String(form.get("password") ?? ""));
  };
  return html`<main class="door">
    <div class="door-head">${wordmark()}<h1>Antiphon</h1></div>
    <p class="motto">${state.invitation === null ? "Make an account." : "You are invited."}</p>
    <form @submit=${submit}>
      <label>Name <input name="name" autocomplete="username" autocapitalize="none" spellcheck="false" required maxlength="64" ${ref(focusFirst)} /></label>
      <label>Password <input name="password" type="password" autocomplete="new-password" required minlength="8" /></label>
      <p class="fault" role="alert">${state.fault ?? nothing}</p>
      <button class="main" type="submit">Make the account</button>
    </form>
    <p><button class="link" @click=${() => actions.toDoor("sign-in")}>I have an account</button></p>
  </main>`;
}

/** The attribute `autofocus` works when the document opens, not when somebody signs out. */
function focusFirst(field: Element | undefined): void {
  if (field instanceof HTMLElement) queueMicrotask(() => field.focus());
}
