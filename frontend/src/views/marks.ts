/** The drawn signs: the wordmark, versicle and response, and the notes that stand for states. */

import { svg, html, type TemplateResult } from "lit-html";
import type { CellState } from "../notebook";

/** Two voices on one staff: the call rises in ink, the response falls back in red. */
export function wordmark(): TemplateResult {
  return html`<svg class="wordmark" viewBox="0 0 44 26" aria-hidden="true" focusable="false">
    <path class="staff" d="M0 4h44M0 10h44M0 16h44M0 22h44" />
    <path class="call" d="M5 13.7q3.6 1 7.2 0v4.8q-3.6 1-7.2 0zM5 4.7q3.6 1 7.2 0v4.8q-3.6 1-7.2 0z" />
    <path class="line" d="M11.8 7v9" />
    <path class="response" d="M18.5 7 22 3.5 25.5 7 22 10.5zM25.5 13 29 9.5l3.5 3.5-3.5 3.5zM32.5 19l3.5-3.5 3.5 3.5-3.5 3.5z" />
  </svg>`;
}

/** ℣, the call: what is asked. */
export function versicle(): TemplateResult {
  return html`<svg class="sign" viewBox="0 0 16 18" aria-hidden="true" focusable="false">
    <path class="thick" d="M2 3 7.6 15" /><path class="thin" d="M13.6 3 7.7 15.2" /><path class="thin" d="M.9 3h4M11.4 3h4" />
    <path class="stroke" d="M13.4 6.4 5 12.6" />
  </svg>`;
}

/** ℟, the response: what came of it. */
export function response(): TemplateResult {
  return html`<svg class="sign" viewBox="0 0 16 18" aria-hidden="true" focusable="false">
    <path class="thick" d="M4 3v12" /><path class="thin" d="M2 3h5.2c5.2 0 5.2 6 0 6H4M2 15h4" /><path class="thick" d="M7.4 9.1 13 15" />
    <path class="stroke" d="M14.4 8.6 6.4 16.6" />
  </svg>`;
}

/** A state as a note: the shape says it without the colour, and a word always stands beside it. */
const NOTES: Readonly<Record<CellState["kind"], TemplateResult>> = {
  never: svg`<rect x="3.5" y="4.5" width="9" height="7" class="open" />`,
  queued: svg`<path d="M8 2.8 13 8l-5 5.2L3 8z" class="open" /><circle cx="8" cy="8" r="1.1" />`,
  running: svg`<path d="M8 2.3 13.5 8 8 13.7 2.5 8z" class="beat" />`,
  done: svg`<rect x="3" y="4" width="10" height="8" />`,
  failed: svg`<path d="m3.6 3.6 8.8 8.8m0-8.8-8.8 8.8" class="open heavy" />`,
  interrupted: svg`<path d="M5.5 3v10M10.5 3v10" class="open heavy" />`,
  cancelled: svg`<rect x="3.5" y="4.5" width="9" height="7" class="open" /><path d="M2 13.5 14 2.5" class="open" />`,
  died: svg`<path d="M3 4h10v8H9.5L8 9.6 6.6 12H3z" /><path d="m2.5 14.5 11-13" class="cut" />`,
  lost: svg`<path d="M5 6c0-4.4 6.4-4 6.4-.4C11.4 8 8 7.7 8 10" class="open heavy" /><circle cx="8" cy="13" r="1.1" />`,
};

export function note(kind: CellState["kind"]): TemplateResult {
  return html`<svg class="note" viewBox="0 0 16 16" aria-hidden="true" focusable="false">${NOTES[kind]}</svg>`;
}

const ICONS = {
  run: svg`<path d="M4.5 2.8v10.4L13 8z" />`,
  stop: svg`<rect x="3.5" y="3.5" width="9" height="9" />`,
  up: svg`<path d="M8 13V3.5M3.8 7.5 8 3.3l4.2 4.2" class="open" />`,
  down: svg`<path d="M8 3v9.5M3.8 8.5 8 12.7l4.2-4.2" class="open" />`,
  delete: svg`<path d="M3 4.5h10M6 4.5V3h4v1.5M4.3 4.5l.7 9h6l.7-9M6.8 7v4.5M9.2 7v4.5" class="open" />`,
  copy: svg`<path d="M5.5 5.5v-2h7v7h-2M3.5 5.5h7v7h-7z" class="open" />`,
  save: svg`<path d="M8 2.5v7M4.8 6.5 8 9.7l3.2-3.2M3 12.8h10" class="open" />`,
  full: svg`<path d="M3 6.5V3h3.5M13 9.5V13H9.5M3 3l4 4M13 13l-4-4" class="open" />`,
  comment: svg`<path d="M2.8 3.5h10.4v7H7.6L5 12.9v-2.4H2.8z" class="open" />`,
  write: svg`<path d="m3 13 .7-2.9 6.8-6.8 2.2 2.2-6.8 6.8z" class="open" />`,
  add: svg`<path d="M8 3v10M3 8h10" class="open" />`,
  close: svg`<path d="m4 4 8 8m0-8-8 8" class="open" />`,
  restart: svg`<path d="M12.9 8A4.9 4.9 0 1 1 11.4 4.5M11.7 2v2.9H8.8" class="open" />`,
  more: svg`<circle cx="3.5" cy="8" r="1.2" /><circle cx="8" cy="8" r="1.2" /><circle cx="12.5" cy="8" r="1.2" />`,
  past: svg`<circle cx="8" cy="8" r="5.3" class="open" /><path d="M8 4.6V8l2.4 1.7" class="open" />`,
  earlier: svg`<path d="M10 3.5 5.5 8l4.5 4.5" class="open" />`,
  later: svg`<path d="M6 3.5 10.5 8 6 12.5" class="open" />`,
  light: svg`<circle cx="8" cy="8" r="2.8" class="open" /><path d="M8 1.5v2M8 12.5v2M1.5 8h2M12.5 8h2M3.4 3.4l1.4 1.4M11.2 11.2l1.4 1.4M12.6 3.4l-1.4 1.4M4.8 11.2l-1.4 1.4" class="open" />`,
  dark: svg`<path d="M12.8 9.8A5.4 5.4 0 0 1 6.2 3.2a5.4 5.4 0 1 0 6.6 6.6z" class="open" />`,
  system: svg`<circle cx="8" cy="8" r="5.3" class="open" /><path d="M8 2.7a5.3 5.3 0 0 1 0 10.6z" />`,
} as const;

export function icon(name: keyof typeof ICONS): TemplateResult {
  return html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true" focusable="false">${ICONS[name]}</svg>`;
}

/** The tab's icon, with the state of the worksheet as the colour and height of its second note. */
export function tabIcon(state: "idle" | "running" | "failed" | "done"): string {
  const second = { idle: "%23b5392b", running: "%23d9822b", failed: "%23b5392b", done: "%2344632b" }[state];
  const shape =
    state === "failed"
      ? `<path d="M18 6l9 9m0-9l-9 9" stroke="${second}" stroke-width="3.6" fill="none"/>`
      : `<path d="M22.5 ${state === "running" ? 3 : 6}l6 6-6 6-6-6z" fill="${second}"/>`;
  return `data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="6" fill="%23fbf8f1"/><path d="M3 8h26M3 13.3h26M3 18.7h26M3 24h26" stroke="%23cfc6b3" stroke-width="1.2"/><rect x="5" y="14" width="10" height="8.5" fill="%23211d18"/>${shape}</svg>`;
}
