/** What stands under a cell: each output by its kind, and a display by the best form it has. */

import { AnsiUp } from "ansi_up";
import { html, nothing, type TemplateResult } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";
import { until } from "lit-html/directives/until.js";
import { unsafeHTML } from "lit-html/directives/unsafe-html.js";
import { type Source, sourceOf, typesOf, urlOf, valueOf } from "../blobs";
import { type Answer, type DisplayOutput, type ErrorOutput, lineNow, type Output, type PromptOutput, type StreamOutput } from "../outputs";
import type { MessageId } from "../protocol";
import "./frame";
import { inEightColours } from "../ansi";
import { renderMarkdown } from "./markdown";

export interface OutputsView {
  readonly msgId: MessageId;
  readonly answer: Answer;
  readonly dark: boolean;
  readonly mayAnswer: boolean;
  readonly unfolded: ReadonlySet<string>;
  unfold(key: string, whole: boolean): void;
  reply(prompt: MessageId, value: string): void;
}

/** Lines shown of an output that is folded: the beginning says what it is, the end how it went. */
const HEAD = 12;
const TAIL = 40;
/** More lines than this are folded. */
const LONG = 80;
/** The same for text of few lines, in UTF-16 units: one line of a million would be as tall as a book. */
const HEAD_UNITS = 2_000;
const TAIL_UNITS = 4_000;
const LONG_UNITS = 20_000;

export function outputs(view: OutputsView): TemplateResult {
  return html`${repeat(
    view.answer.outputs,
    (output) => output.key,
    (output) => oneOutput(output, view),
  )}`;
}

function oneOutput(output: Output, view: OutputsView): TemplateResult | typeof nothing {
  switch (output.kind) {
    case "stream":
      return stream(output, view);
    case "display":
      return html`<div class="output display" data-output="display">${display(output, view)}</div>`;
    case "error":
      return traceback(output, view);
    case "prompt":
      return prompt(output, view);
  }
}

// --- Text -------------------------------------------------------------------------------------

/** Colours as classes, so that each theme has its own; the text itself is escaped. */
function ansi(text: string): TemplateResult {
  if (!text.includes("\x1b")) return html`${text}`;
  const parser = new AnsiUp();
  parser.use_classes = true;
  parser.escape_html = true;
  parser.url_allowlist = {};
  return html`${unsafeHTML(parser.ansi_to_html(inEightColours(text)))}`;
}

function stream(output: StreamOutput, view: OutputsView): TemplateResult {
  const line = lineNow(output);
  const lines = output.lines + (line === "" ? 0 : 1);
  const name = `output stream ${output.name}`;
  const label = output.name === "stderr" ? "Standard error" : "Standard output";
  return html`<div class=${name} data-output=${output.name} role="group" aria-label=${label}>
    ${folded(output.done + line, lines, `${view.msgId}/${output.key}`, view)}
  </div>`;
}

/** @param scrolls its lines are not broken, so that it must be reached by keyboard to be moved sideways */
function folded(text: string, lines: number, key: string, view: OutputsView, scrolls = false): TemplateResult {
  const reach = scrolls ? 0 : nothing;
  if (lines <= LONG && text.length <= LONG_UNITS) return html`<pre tabindex=${reach}>${ansi(trimEnd(text))}</pre>`;
  if (view.unfolded.has(key))
    return html`<pre tabindex=${reach}>${ansi(trimEnd(text))}</pre>
      <button class="fold" @click=${() => view.unfold(key, false)}>Show less</button>`;
  const byLines = lines > LONG;
  const head = byLines ? Math.min(nthLine(text, HEAD), LONG_UNITS) : HEAD_UNITS;
  const tail = byLines ? Math.max(nthLineFromEnd(text, TAIL), text.length - LONG_UNITS) : text.length - TAIL_UNITS;
  const hidden = byLines ? `${(lines - HEAD - TAIL).toLocaleString()} more lines` : `${(tail - head).toLocaleString()} more characters`;
  return html`<pre tabindex=${reach}>${ansi(trimEnd(text.slice(0, head)))}</pre>
    <button class="fold" @click=${() => view.unfold(key, true)}>
      ${hidden}: show all
    </button>
    <pre tabindex=${reach}>${ansi(trimEnd(text.slice(tail)))}</pre>`;
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

function traceback(output: ErrorOutput, view: OutputsView): TemplateResult {
  const text = output.traceback.length > 0 ? output.traceback.join("\n") : `${output.ename}: ${output.evalue}`;
  const lines = text.split("\n").length;
  return html`<div class="output error" data-output="error" role="group" aria-label=${`Error: ${output.ename}`}>
    ${folded(text, lines, `${view.msgId}/${output.key}`, view, true)}
  </div>`;
}

// --- Displays ---------------------------------------------------------------------------------

type Shown = TemplateResult | typeof nothing;
type Renderer = (data: unknown, output: DisplayOutput, view: OutputsView) => Shown;
type Drawer = (source: Source, output: DisplayOutput, view: OutputsView) => Shown;

/** Draws the value itself, once it is here. */
const inline =
  (render: Renderer): Drawer =>
  (source, output, view) => {
    const known = valueOf(source);
    if (!(known instanceof Promise)) return render(known.value, output, view);
    const drawn = known.then(
      (data) => render(data, output, view),
      (error: Error) => html`<p class="quiet">${error.message}</p>`,
    );
    return html`${until(drawn, html`<p class="quiet">Loading</p>`)}`;
  };

const image =
  (type: string): Drawer =>
  (source, output) => {
    const size = output.metadata[type];
    const { width, height } = (typeof size === "object" && size !== null ? size : {}) as { width?: unknown; height?: unknown };
    return html`<img
      alt=${textOf(output.data["text/plain"]) || "Image"}
      src=${urlOf(source, type)}
      width=${typeof width === "number" ? width : nothing}
      height=${typeof height === "number" ? height : nothing}
    />`;
  };

/** The best form first. A display with none of these shows its types. */
const RENDERERS: readonly (readonly [string, Drawer])[] = [
  ["text/html", inline((data, _output, view) => html`<output-frame .dark=${view.dark} .content=${{ html: textOf(data), script: null }}></output-frame>`)],
  ["application/javascript", inline((data, _output, view) => html`<output-frame .dark=${view.dark} .content=${{ html: null, script: textOf(data) }}></output-frame>`)],
  // As an image an SVG neither runs scripts nor loads anything.
  ["image/svg+xml", image("image/svg+xml")],
  ["image/png", image("image/png")],
  ["image/jpeg", image("image/jpeg")],
  ["image/webp", image("image/webp")],
  ["image/gif", image("image/gif")],
  ["text/markdown", inline((data) => renderMarkdown(textOf(data)))],
  ["application/json", inline((data) => json(data, true))],
  ["text/latex", inline((data) => html`<pre class="latex">${textOf(data)}</pre>`)],
  ["text/plain", inline((data, output, view) => {
    const text = textOf(data);
    return folded(text, text.split("\n").length, `${view.msgId}/${output.key}`, view);
  })],
];

function display(output: DisplayOutput, view: OutputsView): Shown {
  for (const [type, render] of RENDERERS) {
    const source = sourceOf(output, type);
    if (source !== null) return render(source, output, view);
  }
  const types = typesOf(output).join(", ");
  return types === "" ? nothing : html`<p class="quiet">This page cannot show ${types}.</p>`;
}

/** Jupyter allows a text to be a list of its lines. */
function textOf(data: unknown): string {
  if (typeof data === "string") return data;
  if (Array.isArray(data)) return data.join("");
  return data === undefined || data === null ? "" : JSON.stringify(data);
}

// --- JSON -------------------------------------------------------------------------------------

/** Children of one node that are drawn; the rest is counted. */
const CHILDREN = 200;

function json(value: unknown, open: boolean): TemplateResult {
  if (typeof value !== "object" || value === null)
    return html`<span class=${`json-${value === null ? "null" : typeof value}`}>${JSON.stringify(value)}</span>`;
  const list = Array.isArray(value);
  const entries = Object.entries(value);
  const [left, right] = list ? ["[", "]"] : ["{", "}"];
  if (entries.length === 0) return html`<span class="json-null">${left}${right}</span>`;
  const count = `${entries.length} ${list ? (entries.length === 1 ? "item" : "items") : entries.length === 1 ? "key" : "keys"}`;
  return html`<details class="json" ?open=${open}>
    <summary><span class="json-null">${left}</span> ${count} <span class="json-null">${right}</span></summary>
    <ul>
      ${entries.slice(0, CHILDREN).map(([key, child]) => html`<li><span class="json-key">${key}</span> ${json(child, false)}</li>`)}
      ${entries.length > CHILDREN ? html`<li class="quiet">${entries.length - CHILDREN} more</li>` : nothing}
    </ul>
  </details>`;
}

// --- Prompts ----------------------------------------------------------------------------------

function prompt(output: PromptOutput, view: OutputsView): TemplateResult {
  if (!output.open)
    return html`<div class="output stream prompt-past" data-output="prompt">
      <pre>${output.text}</pre>
      <span class="quiet">${output.answeredBy === "" ? "not answered" : `answered by ${output.answeredBy}`}</span>
    </div>`;
  if (!view.mayAnswer)
    return html`<div class="output stream prompt-past" data-output="prompt">
      <pre>${output.text}</pre>
      <span class="quiet">waits for an answer</span>
    </div>`;
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const field = (event.currentTarget as HTMLFormElement).elements.namedItem("answer") as HTMLInputElement;
    view.reply(output.prompt, field.value);
    field.value = "";
  };
  return html`<form class="output prompt" data-output="prompt" @submit=${submit}>
    <label><span class="prompt-text">${output.text || "The code asks for a line"}</span>
      <input name="answer" type=${output.password ? "password" : "text"} autocomplete="off" spellcheck="false" />
    </label>
    <button type="submit">Answer</button>
  </form>`;
}
