/** Text as a terminal would show it; when long, its beginning and its end, and the rest on demand. */

import { html, nothing, type TemplateResult } from "lit-html";
import { type Colour, type Look, type Part, parts, PLAIN, styled } from "../../ansi";
import type { Cut } from "../../outputs";
import type { OutputsView } from "./drawing";
import "./long-text";

/** Lines shown of an output that is folded: the beginning says what it is, the end how it went. */
const HEAD = 12;
const TAIL = 40;
/** More lines than this are folded. */
const LONG = 80;
/** The same for text of few lines, in UTF-16 units: one line of a million would be as tall as a book. */
const HEAD_UNITS = 2_000;
const TAIL_UNITS = 4_000;
const LONG_UNITS = 20_000;

const NAMES = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

export function terminal(text: string): TemplateResult {
  return html`${text.includes("\x1b") ? parts(styled(text)).map(part) : text}`;
}

/** Every theme has its own colours, so a named one is a class, and of another the style sheet takes the hue. */
export function part({ text, look }: Part): TemplateResult {
  if (look === PLAIN) return html`${text}`;
  const classes = [
    ...(["bold", "faint", "italic", "underline", "struck", "inverse"] as const).filter((name) => look[name]).map((name) => `ansi-${name}`),
    ...colourClass(look.colour, "fg"),
    ...colourClass(look.ground, "bg"),
  ];
  const own = colours(look);
  return classes.length === 0 ? html`${text}` : html`<span class=${classes.join(" ")} style=${own === "" ? nothing : own}>${text}</span>`;
}

function colourClass(colour: Colour | null, place: "fg" | "bg"): string[] {
  if (colour === null) return [];
  return [typeof colour === "number" ? `ansi-${NAMES[colour % 8]}-${place}` : `ansi-any-${place}`];
}

function colours({ colour, ground }: Look): string {
  const one = (name: string, value: Colour | null) => (typeof value === "string" ? `--ansi-${name}:rgb(${value});` : "");
  return one("fg", colour) + one("bg", ground);
}

/** @param scrolls its lines are not broken, so that it must be reached by keyboard to be moved sideways */
export function folded(text: string, lines: number, key: string, view: OutputsView, scrolls = false): TemplateResult {
  const reach = scrolls ? 0 : nothing;
  const { looks, actions } = view;
  if (lines <= LONG && text.length <= LONG_UNITS) return html`<pre tabindex=${reach}>${terminal(trimEnd(text))}</pre>`;
  if (looks.get(key)?.whole === true)
    return html`<long-text .text=${trimEnd(text)}></long-text>
      <button class="fold" @click=${() => actions.look(key, { whole: false })}>Show less</button>`;
  const byLines = lines > LONG;
  const head = byLines ? Math.min(nthLine(text, HEAD), LONG_UNITS) : HEAD_UNITS;
  const tail = byLines ? Math.max(nthLineFromEnd(text, TAIL), text.length - LONG_UNITS) : text.length - TAIL_UNITS;
  const hidden = byLines ? `${(lines - HEAD - TAIL).toLocaleString()} more lines` : `${(tail - head).toLocaleString()} more characters`;
  return html`<pre tabindex=${reach}>${terminal(trimEnd(text.slice(0, head)))}</pre>
    <button class="fold" @click=${() => actions.look(key, { whole: true })}>
      ${hidden}: show all and search
    </button>
    <pre tabindex=${reach}>${terminal(sequencesBefore(text, tail) + trimEnd(text.slice(tail)))}</pre>`;
}

/** The same of a stream whose middle is left out: who asks for all of it gets it from the server. */
export function foldedEnds(cut: Cut, text: string, lines: number, key: string, view: OutputsView): TemplateResult {
  const { looks, actions, msgId } = view;
  if (looks.get(key)?.whole === true)
    return html`<long-text .text=${`${cut.head}[${cut.lines.toLocaleString()} lines are left out here]\n${trimEnd(text)}`}></long-text>
      <button class="fold" @click=${() => actions.look(key, { whole: false })}>Show less</button>`;
  const head = Math.min(nthLine(cut.head, HEAD) || cut.head.length, HEAD_UNITS);
  const tail = Math.max(nthLineFromEnd(text, TAIL), text.length - LONG_UNITS);
  const left = Math.max(cut.lines, cut.lines + countOf(cut.head) + lines - HEAD - TAIL);
  const hidden = cut.lines > 0 ? `${left.toLocaleString()} more lines` : `${cut.units.toLocaleString()} more characters`;
  const whole = () => {
    actions.look(key, { whole: true });
    void actions.loadWhole(msgId);
  };
  return html`<pre>${terminal(trimEnd(cut.head.slice(0, head)))}</pre>
    <button class="fold" @click=${whole}>${hidden}: show all and search</button>
    <pre>${terminal(sequencesBefore(text, tail) + trimEnd(text.slice(tail)))}</pre>`;
}

function countOf(text: string): number {
  return text.split("\n").length - 1;
}

/** The colours that were set when that place was reached, since they were last set back. */
function sequencesBefore(text: string, end: number): string {
  // Looked for in what stands shortly before: an honest program sets its colours anew for each line.
  const before = text.slice(Math.max(0, end - LONG_UNITS), end);
  const last = Math.max(before.lastIndexOf("\x1b[0m"), before.lastIndexOf("\x1b[m"), 0);
  return (before.slice(last).match(/\x1b\[[\d;:]*m/g) ?? []).join("");
}

/** The last line feed would open an empty line. */
function trimEnd(text: string): string {
  return text.endsWith("\n") ? text.slice(0, -1) : text;
}

function nthLine(text: string, n: number): number {
  let at = 0;
  for (let line = 0; line < n && at !== -1; line++) at = text.indexOf("\n", at) + 1;
  return at;
}

function nthLineFromEnd(text: string, n: number): number {
  let at = text.endsWith("\n") ? text.length - 1 : text.length;
  for (let line = 0; line < n && at > 0; line++) at = text.lastIndexOf("\n", at - 1);
  return at + 1;
}
