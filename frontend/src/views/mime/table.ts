/** Tables of data: what pandas and its kin write as HTML becomes a table of the page's own. */

import DOMPurify from "dompurify";
import { html } from "lit-html";
import { asTabs, type Grid, type GridCell, type GridHead, gridOf, parseCsv } from "../../grid";
import { CLEAN } from "../clean";
import { type Drawn, textOf, type Valued } from "./drawing";
import "./data-table";

/** What may be around the table and inside its cells; with anything else in it, it is a document of its own. */
const AROUND = new Set(["DIV", "P", "SMALL", "STYLE", "TABLE", "CAPTION", "THEAD", "TBODY", "TFOOT", "TR", "TH", "TD", "COLGROUP", "COL"]);
const INSIDE = new Set(["A", "B", "BR", "CODE", "EM", "I", "S", "SMALL", "SPAN", "STRONG", "SUB", "SUP", "U"]);

/** Read once: the same source is asked for at each drawing. */
const read = new Map<string, Grid | null>();
const READ = 50;

/** The table that this HTML is, and nothing else; null when it is more than that. */
export function tableIn(source: string): Grid | null {
  if (!/class=["'][^"']*\bdataframe\b/.test(source)) return null;
  let grid = read.get(source);
  if (grid === undefined) {
    grid = parse(source);
    read.set(source, grid);
    if (read.size > READ) read.delete(read.keys().next().value ?? "");
  }
  return grid;
}

/** A document that was parsed and never shown runs nothing and loads nothing. */
function parse(source: string): Grid | null {
  const { body, head } = new DOMParser().parseFromString(source, "text/html");
  const tables = body.querySelectorAll("table");
  const table = tables[0];
  if (tables.length !== 1 || table === undefined || !table.classList.contains("dataframe")) return null;
  if (head.querySelector(":not(style)") !== null) return null;
  for (const element of body.querySelectorAll("*")) {
    const within = element.closest("td, th");
    const known = within === null || within === element ? AROUND.has(element.tagName) : INSIDE.has(element.tagName);
    if (!known) return null;
  }
  const heads = headsOf([...(table.tHead?.rows ?? [])]);
  const rows = [...table.tBodies, ...(table.tFoot === null ? [] : [table.tFoot])].flatMap((part) => rowsIn([...part.rows]));
  if (rows.length === 0 && heads.length === 0) return null;
  const notes = [...body.querySelectorAll("p, small, caption")].filter((note) => note.closest("td, th") === null).map((note) => (note.textContent ?? "").trim());
  return { heads, rows, notes: notes.filter((note) => note !== "") };
}

/** Rows in which a name that spans several stands in each: they must make sense in any order. */
function rowsIn(rows: readonly HTMLTableRowElement[]): GridCell[][] {
  const above: { left: number; cell: GridCell }[] = [];
  return rows.map((row) => {
    const cells: GridCell[] = [];
    const fill = () => {
      for (let span = above[cells.length]; span !== undefined && span.left > 0; span = above[cells.length]) {
        span.left--;
        cells.push({ ...span.cell, again: true });
      }
    };
    for (const element of row.cells) {
      fill();
      const cell = cellOf(element);
      for (let column = 0; column < Math.min(element.colSpan, 1000); column++) {
        above[cells.length] = { left: element.rowSpan - 1, cell };
        cells.push(column === 0 ? cell : { ...cell, text: "", markup: null });
      }
    }
    fill();
    return cells;
  });
}

function cellOf(element: HTMLTableCellElement): GridCell {
  const text = (element.textContent ?? "").trim();
  const markup = element.firstElementChild === null ? null : DOMPurify.sanitize(element.innerHTML, CLEAN);
  return { text, markup, head: element.tagName === "TH", again: false };
}

/** A column is sorted by the lowest of its heads that says something. */
function headsOf(rows: readonly HTMLTableRowElement[]): GridHead[][] {
  const taken: boolean[][] = rows.map(() => []);
  const placed = rows.map((row, line) =>
    [...row.cells].map((cell) => {
      const from = freeIn(taken[line]!);
      for (let below = line; below < Math.min(line + cell.rowSpan, rows.length); below++)
        for (let column = from; column < from + Math.min(cell.colSpan, 1000); column++) taken[below]![column] = true;
      return { text: (cell.textContent ?? "").trim(), columns: cell.colSpan, rows: cell.rowSpan, from, line };
    }),
  );
  const lowest = new Map<number, (typeof placed)[number][number]>();
  for (const head of placed.flat()) {
    if (head.columns !== 1) continue;
    if (head.text !== "" || !lowest.has(head.from)) lowest.set(head.from, head);
  }
  return placed.map((row) => row.map((head) => ({ text: head.text, columns: head.columns, rows: head.rows, sorts: lowest.get(head.from) === head ? head.from : null })));
}

function freeIn(taken: readonly boolean[]): number {
  let column = 0;
  while (taken[column] === true) column++;
  return column;
}

export function table(grid: Grid): Drawn {
  return html`<data-table .grid=${grid}></data-table>`;
}

/** For who copies the output: fields with tabs between them. */
export function tabsIn(source: string): string | null {
  const grid = tableIn(source);
  return grid === null ? null : asTabs(grid);
}

const csvRead = new WeakMap<object, Grid>();

export function csv({ data, output }: Valued): Drawn {
  let grid = csvRead.get(output);
  if (grid === undefined) csvRead.set(output, (grid = gridOf(parseCsv(textOf(data)))));
  return table(grid);
}

/** Source: Frictionless *Data Resource* with a *Table Schema*, which pandas publishes on request. */
export function dataResource({ data, output }: Valued): Drawn | null {
  let grid = csvRead.get(output);
  if (grid === undefined) {
    const { schema, data: records } = (typeof data === "object" && data !== null ? data : {}) as { schema?: { fields?: unknown; primaryKey?: unknown }; data?: unknown };
    if (!Array.isArray(schema?.fields) || !Array.isArray(records)) return null;
    const names = schema.fields.map((field) => String((field as { name?: unknown } | null)?.name ?? ""));
    const keys = Array.isArray(schema.primaryKey) ? schema.primaryKey.length : typeof schema.primaryKey === "string" ? 1 : 0;
    const lines = records.map((record) => names.map((name) => said((record as Record<string, unknown> | null)?.[name])));
    csvRead.set(output, (grid = gridOf([names, ...lines], keys)));
  }
  return table(grid);
}

function said(value: unknown): string {
  return value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
}
