/**
 * Text of a terminal taken apart: what is read, and how each stretch of it looks.
 *
 * Colours by number or by parts were chosen for a dark terminal. They keep their hue here; the style
 * sheet brings their lightness to what can be read on the ground of each theme.
 */

/** One of the sixteen that have a name, by number, or the parts of a colour as CSS writes them. */
export type Colour = number | `${number} ${number} ${number}`;

export interface Look {
  readonly colour: Colour | null;
  readonly ground: Colour | null;
  readonly bold: boolean;
  readonly faint: boolean;
  readonly italic: boolean;
  readonly underline: boolean;
  readonly struck: boolean;
  readonly inverse: boolean;
}

export interface Styled {
  /** The text without any sequence. */
  readonly plain: string;
  /** From that offset on it looks like this; ascending, never empty. */
  readonly runs: readonly { readonly at: number; readonly look: Look }[];
}

export interface Part {
  readonly text: string;
  readonly look: Look;
}

export const PLAIN: Look = { colour: null, ground: null, bold: false, faint: false, italic: false, underline: false, struck: false, inverse: false };

/**
 * Any control sequence, and any command to the system with its end. Source: ECMA-48, 5.4 and 8.3.89.
 * Of an unfinished one only the escape goes, so that nothing that could be text is lost.
 */
const SEQUENCE = /\x1b(?:\[([0-?]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]+[0-~]|[0-Z\\^-~])?/g;

export function styled(text: string): Styled {
  const runs: { at: number; look: Look }[] = [{ at: 0, look: PLAIN }];
  if (!text.includes("\x1b")) return { plain: text, runs };
  let plain = "";
  let look = PLAIN;
  let from = 0;
  for (const match of text.matchAll(SEQUENCE)) {
    plain += text.slice(from, match.index);
    from = match.index + match[0].length;
    if (match[2] !== "m") continue;
    const next = rendition(look, match[1]!);
    if (next === look) continue;
    look = next;
    if (runs.at(-1)!.at === plain.length) runs.pop();
    runs.push({ at: plain.length, look });
  }
  return { plain: plain + text.slice(from), runs };
}

/** The stretch between two offsets, cut where its look changes. */
export function parts({ plain, runs }: Styled, from = 0, to = plain.length): Part[] {
  const found: Part[] = [];
  let index = runAt(runs, from);
  while (from < to) {
    const end = Math.min(to, runs[index + 1]?.at ?? to);
    found.push({ text: plain.slice(from, end), look: runs[index]!.look });
    from = end;
    index++;
  }
  return found;
}

function runAt(runs: Styled["runs"], offset: number): number {
  let [low, high] = [0, runs.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (runs[middle]!.at <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Source: ECMA-48, 8.3.117, and ITU-T T.416 for colours by number and by parts. */
function rendition(before: Look, parameters: string): Look {
  const codes = parameters.split(/[;:]/).map(Number);
  let look = before;
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at]!;
    if (code === 38 || code === 48) {
      const [colour, used] = extended(codes.slice(at + 1));
      at += used;
      if (colour !== null) look = { ...look, [code === 38 ? "colour" : "ground"]: colour };
    } else look = { ...look, ...change(code) };
  }
  return look;
}

function change(code: number): Partial<Look> {
  if (code >= 30 && code <= 37) return { colour: code - 30 };
  if (code >= 90 && code <= 97) return { colour: code - 82 };
  if (code >= 40 && code <= 47) return { ground: code - 40 };
  if (code >= 100 && code <= 107) return { ground: code - 92 };
  return CHANGES.get(code) ?? {};
}

const CHANGES: ReadonlyMap<number, Partial<Look>> = new Map<number, Partial<Look>>([
  [0, PLAIN],
  [1, { bold: true }],
  [2, { faint: true }],
  [3, { italic: true }],
  [4, { underline: true }],
  [7, { inverse: true }],
  [9, { struck: true }],
  [21, { underline: true }],
  [22, { bold: false, faint: false }],
  [23, { italic: false }],
  [24, { underline: false }],
  [27, { inverse: false }],
  [29, { struck: false }],
  [39, { colour: null }],
  [49, { ground: null }],
]);

/** What follows 38 or 48, and how many parameters of it were used. */
function extended(codes: readonly number[]): [Colour | null, number] {
  const byte = (value: number | undefined) => Math.max(0, Math.min(255, Math.trunc(value ?? 0) || 0));
  if (codes[0] === 5) return [ofIndex(byte(codes[1])), 2];
  if (codes[0] === 2) return [`${byte(codes[1])} ${byte(codes[2])} ${byte(codes[3])}`, 4];
  return [null, codes.length];
}

/** The 256 colours: 16 named, a cube of 6 × 6 × 6, 24 greys. */
function ofIndex(index: number): Colour {
  if (index < 16) return index;
  if (index >= 232) {
    const grey = (index - 232) * 10 + 8;
    return `${grey} ${grey} ${grey}`;
  }
  const level = (n: number) => (n === 0 ? 0 : 55 + n * 40);
  const cube = index - 16;
  return `${level(Math.floor(cube / 36))} ${level(Math.floor(cube / 6) % 6)} ${level(cube % 6)}`;
}
