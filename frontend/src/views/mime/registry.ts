/** Which form of a display is drawn, and how: the richest first. Any other that it has can be chosen instead. */

import { html, nothing } from "lit-html";
import { type Bundle, sourceOf, typesOf, valueOf } from "../../blobs";
import type { DisplayOutput } from "../../outputs";
import { renderMarkdown } from "../markdown";
import "../frame";
import { type Drawing, type Drawn, type OutputsView, textOf, type Valued, whenHere } from "./drawing";
import { json } from "./json";
import { latex } from "./latex";
import { audio, handedOn, image, video } from "./media";
import { altair, bokeh, isBokehPlace, librariesIn, plotly, vega } from "./plots";
import { csv, dataResource, table, tableIn } from "./table";
import { folded } from "./text";
import { widget } from "./widget";

interface Form {
  readonly type: string | RegExp;
  /** What it is called where one may choose. */
  readonly words: string;
  /** Null when the value is not what its type says. */
  readonly draw?: (drawing: Valued) => Drawn | null;
  /** It needs the address alone. */
  readonly show?: (drawing: Drawing) => Drawn;
  /** It runs code in a frame. */
  readonly runs?: true;
}

const FORMS: readonly Form[] = [
  { type: "application/vnd.jupyter.widget-view+json", words: "Widget", draw: widget, runs: true },
  { type: "application/vnd.plotly.v1+json", words: "Plot", draw: plotly, runs: true },
  { type: /^application\/vnd\.vegalite\.v\d+(?:\.\d+)*\+json$/, words: "Plot", draw: vega, runs: true },
  { type: /^application\/vnd\.vega\.v\d+(?:\.\d+)*\+json$/, words: "Plot", draw: vega, runs: true },
  { type: "application/vnd.bokehjs_exec.v0+json", words: "Plot", draw: bokeh, runs: true },
  // It would load the library from elsewhere.
  { type: "application/vnd.bokehjs_load.v0+json", words: "Plot", draw: () => html`<p class="quiet">BokehJS is at hand.</p>` },
  { type: "application/vnd.dataresource+json", words: "Data", draw: dataResource },
  { type: "text/html", words: "HTML", draw: hypertext, runs: true },
  { type: /^(?:application|text)\/(?:javascript|ecmascript)$/, words: "Script", draw: script, runs: true },
  { type: /^video\/[\w.+-]+$/, words: "Film", show: video },
  { type: /^audio\/[\w.+-]+$/, words: "Sound", show: audio },
  { type: "image/svg+xml", words: "Drawing", show: image },
  { type: /^image\/(?:png|jpeg|webp|gif|avif|bmp)$/, words: "Image", show: image },
  { type: "application/pdf", words: "PDF", show: handedOn },
  { type: "text/markdown", words: "Markdown", draw: ({ data }) => renderMarkdown(textOf(data)) },
  { type: "text/latex", words: "LaTeX", draw: latex },
  { type: "text/csv", words: "Table", draw: csv },
  { type: /^application\/(?:[\w.-]+\+)?json$/, words: "JSON", draw: ({ data }) => json(parsed(data)) },
  { type: /^text\/(?!plain$)[\w.+-]+$/, words: "Source", draw: text },
  { type: "text/plain", words: "Text", draw: text },
];

function formOf(type: string): Form | undefined {
  return FORMS.find((form) => (typeof form.type === "string" ? form.type === type : form.type.test(type)));
}

/** What can be drawn of a display, the richest first. */
export function formsOf(bundle: Bundle): readonly { readonly type: string; readonly words: string }[] {
  const known = typesOf(bundle).flatMap((type) => {
    const form = sourceOf(bundle, type) === null ? undefined : formOf(type);
    return form === undefined ? [] : [{ type, words: form.words, rank: FORMS.indexOf(form) }];
  });
  return known.sort((one, other) => one.rank - other.rank);
}

/** The form asked for, or the richest; what a form cannot draw goes to the next. */
export function draw(drawing: Omit<Drawing, "type" | "source">, asked: string | null): Drawn {
  const forms = formsOf(drawing.output).map(({ type }) => type);
  return first(drawing, asked !== null && forms.includes(asked) ? [asked, ...forms] : forms);
}

function first(drawing: Omit<Drawing, "type" | "source">, [type, ...others]: readonly string[]): Drawn {
  const source = type === undefined ? null : sourceOf(drawing.output, type);
  if (type === undefined || source === null) {
    const types = typesOf(drawing.output).join(", ");
    return html`<p class="quiet">${types === "" ? "An empty display." : `This page cannot show ${types}.`}</p>`;
  }
  const form = formOf(type);
  const given = { ...drawing, type, source };
  if (drawing.view.inert !== null && form?.runs === true) return still(given, others);
  return form?.show?.(given) ?? whenHere(source, (data) => form?.draw?.({ ...given, data }) ?? first(drawing, others));
}

/** What would run code, before this reader let it: a picture beside it if there is one, a table as a table, or a word. */
function still(drawing: Drawing, others: readonly string[]): Drawn {
  if (others.some((type) => type.startsWith("image/"))) return first(drawing, others.filter((type) => type.startsWith("image/")));
  const word = inertWord(drawing.view.inert!);
  if (drawing.type !== "text/html") return word;
  return whenHere(drawing.source, (data) => {
    const grid = tableIn(textOf(data));
    return grid === null ? word : table(grid);
  });
}

function inertWord({ by, show }: NonNullable<OutputsView["inert"]>): Drawn {
  return html`<p class="inert quiet" data-inert>Interactive, by ${by}: it runs nothing before you let it. <button class="link" @click=${show}>Show</button></p>`;
}

/** Whether the richest form of a display would run code. */
export function runsCode(output: DisplayOutput): boolean {
  let known = running.get(output);
  if (known === undefined) running.set(output, (known = looksRunning(output)));
  return known;
}

const running = new WeakMap<DisplayOutput, boolean>();

function looksRunning(output: DisplayOutput): boolean {
  const type = formsOf(output)[0]?.type;
  if (type === undefined || formOf(type)?.runs !== true) return false;
  const source = type === "text/html" ? sourceOf(output, type) : null;
  const value = source === null ? null : valueOf(source);
  return value === null || value instanceof Promise || tableIn(textOf(value.value)) === null;
}

function hypertext(drawing: Valued): Drawn {
  const source = textOf(drawing.data);
  const grid = tableIn(source);
  if (grid !== null) return table(grid);
  if (isBokehPlace(source)) return nothing;
  return (
    altair(drawing) ??
    html`<output-frame .dark=${drawing.view.dark} .content=${{ html: source, script: null, libraries: librariesIn(source) }}></output-frame>`
  );
}

function script({ data, view }: Valued): Drawn {
  return html`<output-frame .dark=${view.dark} .content=${{ html: null, script: textOf(data), libraries: [] }}></output-frame>`;
}

function text({ data, key, view }: Valued): Drawn {
  const shown = textOf(data);
  return folded(shown, shown.split("\n").length, key, view);
}

/** JSON comes as a value; some libraries publish it as the text of one. */
function parsed(data: unknown): unknown {
  if (typeof data !== "string") return data;
  try {
    return JSON.parse(data) as unknown;
  } catch {
    return data;
  }
}
