/** Long text as rows of equal height, so that only those in view need to be drawn, and the search in it. */

export interface Row {
  /** Offsets into the text, the line feed left out. */
  readonly from: number;
  readonly to: number;
}

/** Every place is told; above this the search says "more than" and stops. */
export const MATCHES = 10_000;

const TAB = 8;

/**
 * Cut text at its line feeds, and where a line is wider than the columns there are.
 *
 * @param columns characters in one row, 1 or more
 */
export function rowsOf(text: string, columns: number): Row[] {
  const rows: Row[] = [];
  for (let from = 0; from <= text.length; ) {
    const feed = text.indexOf("\n", from);
    const end = feed === -1 ? text.length : feed;
    if (feed === -1 && from === end && rows.length > 0) break;
    for (let start = from; ; ) {
      const stop = cut(text, start, end, columns);
      rows.push({ from: start, to: stop });
      start = stop;
      if (start >= end) break;
    }
    from = end + 1;
  }
  return rows;
}

/** Where a row that starts there must end. A tab goes to the next column that 8 divides. */
function cut(text: string, start: number, end: number, columns: number): number {
  const simple = Math.min(end, start + columns);
  const tab = text.indexOf("\t", start);
  if (tab === -1 || tab >= simple) return whole(text, start, simple);
  let [at, column] = [start, 0];
  while (at < end) {
    column = text[at] === "\t" ? column + TAB - (column % TAB) : column + 1;
    if (column > columns && at > start) break;
    at++;
  }
  return whole(text, start, at);
}

/** Not between the two halves of one character. */
function whole(text: string, start: number, at: number): number {
  const half = at - 1 > start && at < text.length && /[\ud800-\udbff]/.test(text[at - 1]!);
  return half ? at - 1 : at;
}

/** The row in which an offset lies. */
export function rowAt(rows: readonly Row[], offset: number): number {
  let [low, high] = [0, rows.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (rows[middle]!.from <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Offsets at which the wanted text begins, without regard to case; no two of them overlap. */
export function matchesOf(text: string, wanted: string): number[] {
  if (wanted === "") return [];
  // Folding the whole text could change its length ("İ"), and with it every offset.
  const escaped = wanted.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const found: number[] = [];
  for (const match of text.matchAll(new RegExp(escaped, "giu"))) {
    found.push(match.index);
    if (found.length === MATCHES) break;
  }
  return found;
}
