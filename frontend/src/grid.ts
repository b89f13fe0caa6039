/** A table taken out of what a cell showed: rows and columns, and the order somebody wants them in. */

export interface GridCell {
  readonly text: string;
  /** Cleaned markup, where there is more than text in it. */
  readonly markup: string | null;
  /** It names its row. */
  readonly head: boolean;
  /** It goes on from the row above, as the outer names of an index with many levels do. */
  readonly again: boolean;
}

export interface GridHead {
  readonly text: string;
  readonly columns: number;
  readonly rows: number;
  /** The column that is sorted by it; null when it names several, or when a head below it does. */
  readonly sorts: number | null;
}

export interface Grid {
  readonly heads: readonly (readonly GridHead[])[];
  readonly rows: readonly (readonly GridCell[])[];
  /** What stood beside the table, as the count of its rows. */
  readonly notes: readonly string[];
}

export interface Order {
  readonly column: number;
  readonly down: boolean;
}

const MISSING = /^(?:|nan|nat|none|null|<na>|\.\.\.|…)$/i;

export function isMissing(text: string): boolean {
  return MISSING.test(text.trim());
}

/** A number as people write it in tables, with commas, a sign of its own, or in per cent; null if it is none. */
export function numberOf(text: string): number | null {
  const bare = text.trim().replace(/[,_\s\u00a0\u202f]/g, "").replace(/^\u2212/, "-").replace(/^([-+]?)[$€£¥]/, "$1").replace(/%$/, "");
  if (/^[-+]?inf(?:inity)?$/i.test(bare)) return bare.startsWith("-") ? -Infinity : Infinity;
  return /^[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?$/i.test(bare) ? Number(bare) : null;
}

/** Whether all that a column holds are numbers. */
export function isNumeric(grid: Grid, column: number): boolean {
  let some = false;
  for (const row of grid.rows) {
    const text = row[column]?.text ?? "";
    if (isMissing(text)) continue;
    if (numberOf(text) === null) return false;
    some = true;
  }
  return some;
}

const COLLATOR = new Intl.Collator(undefined, { numeric: true });

/** Rows in an order: numbers as numbers; what is missing comes last either way; equals stay as they were. */
export function sorted(grid: Grid, order: Order | null): Grid["rows"] {
  if (order === null) return grid.rows;
  const { column, down } = order;
  const numeric = isNumeric(grid, column);
  const sign = down ? -1 : 1;
  const keyed = grid.rows.map((row) => {
    const text = row[column]?.text ?? "";
    return { row, text, missing: isMissing(text), value: numeric ? (numberOf(text) ?? 0) : 0 };
  });
  keyed.sort((one, other) => {
    if (one.missing || other.missing) return Number(one.missing) - Number(other.missing);
    if (numeric) return one.value === other.value ? 0 : one.value < other.value ? -sign : sign;
    return sign * COLLATOR.compare(one.text, other.text);
  });
  return keyed.map(({ row }) => row);
}

/** What a press on a head does: up, down, as it came. */
export function nextOrder(order: Order | null, column: number): Order | null {
  if (order?.column !== column) return { column, down: false };
  return order.down ? null : { column, down: true };
}

/** The table as lines of fields with tabs between them: what a spreadsheet takes. */
export function asTabs(grid: Grid, rows: Grid["rows"] = grid.rows): string {
  const field = (text: string) => text.replace(/[\t\r\n]+/g, " ");
  const heads = grid.heads.map((line) => line.flatMap(({ text, columns }) => [field(text), ...Array<string>(columns - 1).fill("")]));
  return [...heads, ...rows.map((row) => row.map(({ text }) => field(text)))].map((line) => line.join("\t")).join("\n");
}

/** A grid of texts: the first line names the columns. */
export function gridOf(lines: readonly (readonly string[])[], heads = 0): Grid {
  const [names = [], ...rest] = lines;
  return {
    heads: [names.map((text, column) => ({ text, columns: 1, rows: 1, sorts: column }))],
    rows: rest.map((line) => line.map((text, column) => ({ text, markup: null, head: column < heads, again: false }))),
    notes: [`${rest.length.toLocaleString("en")} ${rest.length === 1 ? "row" : "rows"}`],
  };
}

/** Comma-separated values. Source: RFC 4180; an unfinished quotation ends with the text. */
export function parseCsv(text: string): string[][] {
  const lines: string[][] = [];
  let line: string[] = [];
  const field = /(?:"((?:[^"]|"")*)(?:"|$)|([^",\r\n]*))([^,\r\n]*)(,|\r?\n|\r|$)/y;
  while (field.lastIndex < text.length) {
    const match = field.exec(text);
    if (match === null) break;
    const [all, quoted, plain = "", rest = "", end] = match;
    line.push(quoted === undefined ? plain + rest : quoted.replaceAll('""', '"') + rest);
    if (end === ",") {
      if (field.lastIndex === text.length) line.push("");
      else continue;
    }
    lines.push(line);
    line = [];
    if (all === "") break;
  }
  if (line.length > 0) lines.push(line);
  return lines;
}
