/** The session's files beside the cells. */

import { html, nothing, type TemplateResult } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";
import { may } from "../notebook";
import type { FileEntry } from "../protocol";
import { icon } from "./marks";
import { MENU_CLICK } from "./menu";
import type { Page } from "./worksheet";

export function files(page: Page): TemplateResult {
  const { state, actions, notebook } = page;
  const { path, entries, next, going, failed } = state.files;
  if (!may(notebook.worksheet.role, "run")) return html`<p class="quiet">Files are for those who may run code here.</p>`;
  const choose = ({ currentTarget }: Event) => {
    const input = currentTarget as HTMLInputElement;
    void actions.files.upload([...(input.files ?? [])]);
    input.value = "";
  };
  const drag = (event: DragEvent) => {
    if (event.dataTransfer?.types.includes("Files") === true) event.preventDefault();
  };
  const drop = (event: DragEvent) => {
    drag(event);
    void actions.files.upload([...(event.dataTransfer?.files ?? [])]);
  };
  return html`<div class="files" @dragover=${drag} @drop=${drop} @keydown=${arrows}>
    <div class="pane-tools">
      <input type="file" multiple hidden data-upload @change=${choose} />
      <button title="Files can also be dropped here" @click=${pick}>Upload…</button>
      <button @click=${() => void actions.files.look(path)}>Look again</button>
    </div>
    ${path === "" ? nothing : html`<button class="link up" @click=${() => void actions.files.look(path.split("/").slice(0, -1).join("/"))}>${icon("earlier")} ${path}</button>`}
    ${going.map(({ name, does, done, size }) => html`<p class="going" role="status">${does} ${name}<progress max=${size} .value=${done} aria-label=${name}></progress></p>`)}
    ${
      entries === null
        ? failed
          ? html`<p class="quiet">The files could not be read.</p>`
          : html`<p class="quiet" aria-busy="true">Loading…</p>`
        : entries.length === 0
          ? html`<p class="quiet">Nothing is here. Drop a file, or let code write one.</p>`
          : html`<ul data-files>${repeat(entries, ({ name }) => name, (entry) => line(entry, page))}</ul>`
    }
    ${next === null ? nothing : html`<button class="plain" @click=${() => void actions.files.more()}>More</button>`}
  </div>`;
}

function line(entry: FileEntry, { state, actions }: Page): TemplateResult {
  const { name, kind, size, changed } = entry;
  const { path, renaming } = state.files;
  const whole = path === "" ? name : `${path}/${name}`;
  if (renaming === name) {
    const send = (event: SubmitEvent) => {
      event.preventDefault();
      void actions.files.rename(name, String(new FormData(event.currentTarget as HTMLFormElement).get("to")).trim());
    };
    const leave = (event: KeyboardEvent) => {
      if (event.key === "Escape") actions.files.ask(null);
    };
    return html`<li><form class="row" @submit=${send} @keydown=${leave}><input name="to" aria-label=${`New name of ${name}`} .value=${name} autofocus spellcheck="false" /><button type="submit">Rename</button></form></li>`;
  }
  const open = kind === "directory" ? () => void actions.files.look(whole) : kind === "file" ? () => void actions.files.download(name) : null;
  return html`<li data-file=${name} data-kind=${kind}>
    ${
      open === null
        ? html`<span class="name" title="Links and other things are not followed">${name}</span>`
        : html`<button class="name" title=${changed} aria-label=${kind === "directory" ? `Open the directory ${name}` : `Download ${name}`} @click=${open}>${name}${kind === "directory" ? "/" : ""}</button>`
    }
    <span class="quiet">${kind === "file" ? bytes(size) : ""}</span>
    <details class="menu" data-menu="file">
      <summary class="round" aria-label=${`What to do with ${name}`}>${icon("more")}</summary>
      <div class="menu-items" @click=${MENU_CLICK}>
        ${kind === "file" ? html`<button @click=${() => void actions.files.download(name)}>Download</button>` : nothing}
        <button @click=${() => void navigator.clipboard.writeText(whole)}>Copy the path</button>
        <button @click=${() => actions.files.ask(name)}>Rename…</button>
        <button class="grave" @click=${() => actions.files.delete(name)}>Delete…</button>
      </div>
    </details>
  </li>`;
}

export function bytes(size: number): string {
  if (size < 1000) return `${size} B`;
  const [value, unit] = size < 1e6 ? [size / 1e3, "kB"] : size < 1e9 ? [size / 1e6, "MB"] : [size / 1e9, "GB"];
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

function pick({ currentTarget }: Event): void {
  (currentTarget as HTMLElement).parentElement?.querySelector<HTMLInputElement>("[data-upload]")?.click();
}

/** Up and down through the names. */
function arrows(event: KeyboardEvent): void {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const target = event.target as HTMLElement;
  if (by === undefined || target.closest("input, details[open]") !== null) return;
  const names = [...(event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>("li button.name")];
  const at = names.findIndex((name) => name.closest("li")?.contains(target) === true);
  names[Math.max(0, Math.min(at + by, names.length - 1))]?.focus();
  event.preventDefault();
  event.stopPropagation();
}
