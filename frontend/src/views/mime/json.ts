/** JSON as a tree whose branches open and close, by the pointer and by the keyboard. */

import { html, nothing, render, type TemplateResult } from "lit-html";

/** Children of one branch that are drawn at a time: the next ones on demand. */
const CHILDREN = 100;

export function json(value: unknown, open = true): TemplateResult {
  if (typeof value !== "object" || value === null)
    return html`<span class=${`json-${value === null ? "null" : typeof value}`}>${JSON.stringify(value) ?? ""}</span>`;
  if (Object.keys(value).length === 0) return html`<span class="json-null">${Array.isArray(value) ? "[]" : "{}"}</span>`;
  return html`<json-branch .value=${value} .open=${open}></json-branch>`;
}

/** A branch. What is inside it is drawn when it is first opened: a deep tree costs what is seen of it. */
export class JsonBranch extends HTMLElement {
  #value: object = {};
  #drawn = 0;
  open = false;

  set value(value: object) {
    if (value === this.#value) return;
    this.#value = value;
    if (this.isConnected) this.#draw();
  }

  connectedCallback(): void {
    if (this.open && this.#drawn === 0) this.#drawn = CHILDREN;
    this.#draw();
  }

  #draw(): void {
    const list = Array.isArray(this.#value);
    const entries = Object.entries(this.#value);
    const noun = `${list ? "item" : "key"}${entries.length === 1 ? "" : "s"}`;
    const toggle = (event: Event) => {
      this.open = (event.currentTarget as HTMLDetailsElement).open;
      if (!this.open || this.#drawn > 0) return;
      this.#drawn = CHILDREN;
      this.#draw();
    };
    const more = () => {
      this.#drawn += CHILDREN;
      this.#draw();
    };
    const left = entries.length - this.#drawn;
    render(
      html`<details class="json" ?open=${this.open} @toggle=${toggle}>
        <summary><span class="json-null">${list ? "[" : "{"}</span> ${entries.length.toLocaleString()} ${noun} <span class="json-null">${list ? "]" : "}"}</span></summary>
        ${
          this.#drawn === 0
            ? nothing
            : html`<ul>
                ${entries.slice(0, this.#drawn).map(([key, child]) => html`<li><span class="json-key">${key}</span> ${json(child, false)}</li>`)}
                ${left > 0 ? html`<li><button class="fold" @click=${more}>${left.toLocaleString()} more</button></li>` : nothing}
              </ul>`
        }
      </details>`,
      this,
    );
  }
}

customElements.define("json-branch", JsonBranch);
