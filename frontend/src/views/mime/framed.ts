/** One output with its tools: another form, copy, download, the whole window. */

import { html, nothing } from "lit-html";
import { ref } from "lit-html/directives/ref.js";
import { styled } from "../../ansi";
import { PLAIN_LOOK } from "../../state";
import { icon } from "../marks";
import type { Drawn, OutputsView } from "./drawing";

export interface Copied {
  readonly text: string;
  readonly image?: Blob;
}

export interface Framed {
  readonly key: string;
  readonly view: OutputsView;
  readonly classes: string;
  /** For who looks for it from outside, `data-output`. */
  readonly kind: string;
  readonly label: string;
  readonly body: () => Drawn;
  readonly forms: readonly { readonly type: string; readonly words: string; readonly chosen: boolean }[];
  readonly copy: (() => Promise<Copied>) | null;
  readonly file: (() => Promise<{ readonly blob: Blob; readonly name: string }>) | null;
}

export function framed(output: Framed): Drawn {
  const { key, view, classes, kind, label, body } = output;
  const full = view.looks.get(key)?.full === true;
  const close = () => view.actions.look(key, { full: false });
  // It is drawn in one place at a time: a second one would load its frame twice.
  return html`<div class=${`output ${classes}`} data-output=${kind} role="group" aria-label=${label}>
    ${tools(output)}
    ${
      full
        ? html`<dialog class="full" ${ref(openModal)} aria-label=${label} @close=${close}>
            <div class="full-head"><span>${label}</span><button class="round" aria-label="Close" @click=${close}>${icon("close")}</button></div>
            <div class=${`full-body output ${classes}`}>${body()}</div>
          </dialog>`
        : html`<div class="output-body">${body()}</div>`
    }
  </div>`;
}

function openModal(element: Element | undefined): void {
  if (element instanceof HTMLDialogElement && !element.open) queueMicrotask(() => element.isConnected && !element.open && element.showModal());
}

function tools(output: Framed): Drawn {
  const { key, view, forms, label } = output;
  const choose = (event: Event) => view.actions.look(key, { form: (event.target as HTMLSelectElement).value });
  const button = (name: Parameters<typeof icon>[0], words: string, act: () => void) =>
    html`<button aria-label=${words} title=${words} @click=${act}>${icon(name)}</button>`;
  return html`<div class="output-tools" role="toolbar" aria-label=${`Tools: ${label}`}>
    ${
      forms.length < 2
        ? nothing
        : html`<select aria-label="Show as" title="Show as" @change=${choose}>
            ${forms.map(({ type, words, chosen }) => html`<option value=${type} .selected=${chosen} title=${type}>${words}</option>`)}
          </select>`
    }
    ${output.copy === null ? nothing : button("copy", "Copy the output", () => void copy(output))}
    ${output.file === null ? nothing : button("save", "Download the output", () => void download(output))}
    ${button("full", "Full screen", () => view.actions.look(key, { ...PLAIN_LOOK, ...view.looks.get(key), full: true }))}
  </div>`;
}

async function copy({ copy: what, view }: Framed): Promise<void> {
  try {
    const { text, image } = await what!();
    if (image === undefined) await navigator.clipboard.writeText(styled(text).plain);
    else await navigator.clipboard.write([new ClipboardItem({ [image.type]: image })]);
    view.actions.notify("Copied.", false);
  } catch {
    view.actions.notify("The browser did not allow it: choose the text and copy it by hand.", true);
  }
}

async function download({ file, view }: Framed): Promise<void> {
  try {
    const { blob, name } = await file!();
    const url = URL.createObjectURL(blob);
    Object.assign(document.createElement("a"), { href: url, download: name }).click();
    // The browser has taken hold of it by then; an address kept would keep the bytes.
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  } catch (error) {
    view.actions.notify((error as Error).message, true);
  }
}
