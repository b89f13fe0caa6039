/**
 * Finding and replacing over all cells, drawn or not. Pure.
 *
 * What is found is known by its place, not by its number: others write meanwhile, and "the next one" is the next
 * after that place.
 */

import { styled } from "./ansi";
import type { Notebook } from "./notebook";
import { textOf } from "./notebook";
import { lineNow, type Output } from "./outputs";
import type { Cell, CellId } from "./protocol";

export interface Query {
  readonly text: string;
  /** Capital and small letters are different. */
  readonly exact: boolean;
  /** Whole words only. */
  readonly words: boolean;
  /** `text` is a regular expression. */
  readonly pattern: boolean;
  /** Outputs are searched, too. */
  readonly outputs: boolean;
}

export type Where = "source" | "outputs";

/** A place in a worksheet, in UTF-16 units of a cell's text. */
export interface Spot {
  readonly cell: CellId;
  readonly where: Where;
  readonly from: number;
}

export interface Hit extends Spot {
  readonly to: number;
}

export interface Found {
  readonly hits: readonly Hit[];
  /** There are more than were looked for. */
  readonly more: boolean;
}

/** Nobody goes through more one by one; to replace takes them all. */
export const MOST_HITS = 10_000;

/** The expression that a query means, global; or why there is none. An empty query means nothing: null. */
export function expressionOf({ text, exact, words, pattern }: Query): RegExp | { readonly fault: string } | null {
  if (text === "") return null;
  const source = pattern ? text : text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
  const flags = `gm${exact ? "" : "i"}`;
  const wrap = (inner: string, of: string) => (words ? `(?<!${of})(?:${inner})(?!${of})` : inner);
  try {
    return new RegExp(wrap(source, "[\\p{L}\\p{N}_]"), `${flags}u`);
  } catch {
    // Escapes that say nothing, such as \-, are no fault to whoever writes Python's expressions.
    try {
      return new RegExp(wrap(source, "\\w"), flags);
    } catch (error) {
      const why = error instanceof Error ? error.message.replace(/^Invalid regular expression: (?:\/.*\/\w*: )?/, "") : "";
      return { fault: `This is no regular expression: ${why.charAt(0).toLowerCase()}${why.slice(1)}.` };
    }
  }
}

export type Range = readonly [from: number, to: number];

/** Where a text answers; what is empty answers nowhere. */
export function rangesIn(text: string, expression: RegExp, most = Infinity): readonly Range[] {
  const ranges: Range[] = [];
  for (const match of text.matchAll(expression)) {
    if (match[0] === "") continue;
    if (ranges.length >= most) break;
    ranges.push([match.index, match.index + match[0].length]);
  }
  return ranges;
}

/** Of the expression that was looked for last, what each text had: a key press changes one text of a thousand. */
let known: { readonly expression: RegExp; readonly texts: Map<string, { readonly text: string; readonly ranges: readonly Range[] }> } | null = null;

/** What is found, in the order in which it is read. */
export function findIn(notebook: Notebook, expression: RegExp, outputs: boolean): Found {
  if (known?.expression !== expression) known = { expression, texts: new Map() };
  const { texts } = known;
  const hits: Hit[] = [];
  const look = (cell: CellId, where: Where, text: string) => {
    const key = `${where} ${cell}`;
    let found = texts.get(key);
    if (found?.text !== text) texts.set(key, (found = { text, ranges: rangesIn(text, expression, MOST_HITS + 1) }));
    for (const [from, to] of found.ranges) hits.push({ cell, where, from, to });
  };
  for (const cell of notebook.cells) {
    look(cell.id, "source", textOf(notebook, cell));
    if (outputs) look(cell.id, "outputs", outputText(notebook, cell));
    if (hits.length > MOST_HITS) return { hits: hits.slice(0, MOST_HITS), more: true };
  }
  return { hits, more: false };
}

/** Of outputs that never change again, so told once. */
const told = new WeakMap<readonly Output[], string>();

/** What stands under a cell, as text. */
export function outputText(notebook: Notebook, cell: Cell): string {
  const run = notebook.runs.get(cell.id);
  const outputs = run === undefined ? undefined : notebook.answers.get(run.msg_id)?.outputs;
  if (outputs === undefined || outputs.length === 0) return "";
  let text = told.get(outputs);
  if (text === undefined) told.set(outputs, (text = outputs.map(wordsOf).join("\n")));
  return text;
}

function wordsOf(output: Output): string {
  switch (output.kind) {
    case "stream":
      return styled(`${output.cut?.head ?? ""}${output.done}${lineNow(output)}`).plain;
    case "error":
      return output.traceback.length > 0 ? styled(output.traceback.join("\n")).plain : `${output.ename}: ${output.evalue}`;
    case "display": {
      const text = output.data["text/plain"] ?? output.data["text/markdown"];
      return typeof text === "string" ? text : Array.isArray(text) ? text.join("") : "";
    }
    default:
      return "";
  }
}

/** Below zero when the first stands before the second. @param places of cells, as counted in the worksheet */
function order(places: ReadonlyMap<CellId, number>, a: Spot, b: Spot): number {
  const cells = (places.get(a.cell) ?? -1) - (places.get(b.cell) ?? -1);
  if (cells !== 0) return cells;
  if (a.where !== b.where) return a.where === "source" ? -1 : 1;
  return a.from - b.from;
}

/** The hit at a spot, else the first behind it, else the first of all; -1 when there is none. */
export function hitAt(hits: readonly Hit[], spot: Spot | null, places: ReadonlyMap<CellId, number>): number {
  if (hits.length === 0 || spot === null) return hits.length === 0 ? -1 : 0;
  const at = hits.findIndex((hit) => order(places, hit, spot) >= 0);
  return at === -1 ? 0 : at;
}

/** The hit that follows the one at `at`, or comes before it; round the end. */
export function hitBeside(hits: readonly Hit[], at: number, by: 1 | -1): Hit | null {
  if (hits.length === 0) return null;
  return hits[(at + by + hits.length) % hits.length] ?? null;
}

/** What stands in the place of a match. In a pattern, `$1`, `$<name>`, `$&`, `\n` and `\t` are read. */
function written(template: string, match: RegExpMatchArray, pattern: boolean): string {
  if (!pattern) return template;
  return template.replace(/\$(\$|&|\d{1,2}|<[^>]*>)|\\([nt\\])/g, (whole, sign: string | undefined, escape: string | undefined) => {
    if (escape !== undefined) return { n: "\n", t: "\t" }[escape] ?? escape;
    if (sign === "$" || sign === undefined) return "$";
    if (sign === "&") return match[0];
    if (sign.startsWith("<")) return match.groups?.[sign.slice(1, -1)] ?? "";
    return Number(sign) > 0 && Number(sign) < match.length ? (match[Number(sign)] ?? "") : whole;
  });
}

/** A text with its matches replaced, all or the one at `only`; how many they were, and where the last of them ends now. */
export function replacedIn(text: string, expression: RegExp, template: string, pattern: boolean, only: number | null = null): { readonly text: string; readonly count: number; readonly end: number } {
  const parts: string[] = [];
  let [at, count, length, end] = [0, 0, 0, 0];
  const add = (part: string) => {
    parts.push(part);
    length += part.length;
  };
  for (const match of text.matchAll(expression)) {
    if (match[0] === "" || (only !== null && match.index !== only)) continue;
    add(text.slice(at, match.index));
    add(written(template, match, pattern));
    end = length;
    at = match.index + match[0].length;
    count++;
  }
  add(text.slice(at));
  return { text: parts.join(""), count, end };
}
