/** Formulas in text: where they begin and end. */

export interface Formula {
  readonly kind: "formula";
  /** TeX, the delimiters left out. */
  readonly tex: string;
  /** On a line of its own. */
  readonly display: boolean;
}

export interface Text {
  readonly kind: "text";
  readonly text: string;
}

/** Environments that stand for themselves, without dollars around them. Source: amsmath. */
const ENVIRONMENT = /^\\begin\{((?:equation|align|gather|multline|alignat|eqnarray|cases|split)\*?)\}/;

/**
 * The formula that begins at an offset of a text, with the offset after it; null if none does.
 *
 * One dollar opens only before what is no space, and closes only after what is no space and before what is
 * no digit, so that "$5 and $6" stays what it is. Source: Pandoc, *tex_math_dollars*.
 */
export function formulaAt(text: string, at: number): readonly [Formula, number] | null {
  if (text[at] === "\\") return environmentAt(text, at) ?? bracketAt(text, at);
  if (text[at] !== "$") return null;
  if (text[at + 1] === "$") {
    const end = closing(text, "$$", at + 2);
    return end === -1 || text.slice(at + 2, end).trim() === "" ? null : [{ kind: "formula", tex: text.slice(at + 2, end).trim(), display: true }, end + 2];
  }
  if (/^\s?$/.test(text[at + 1] ?? "")) return null;
  const end = closing(text, "$", at + 1);
  const tex = text.slice(at + 1, end);
  if (end === -1 || /\s$|\n\s*\n/.test(tex) || /\d/.test(text[end + 1] ?? "")) return null;
  return [{ kind: "formula", tex, display: false }, end + 1];
}

function environmentAt(text: string, at: number): readonly [Formula, number] | null {
  const name = ENVIRONMENT.exec(text.slice(at, at + 40))?.[1];
  if (name === undefined) return null;
  const close = `\\end{${name}}`;
  const end = text.indexOf(close, at);
  return end === -1 ? null : [{ kind: "formula", tex: text.slice(at, end + close.length), display: true }, end + close.length];
}

function bracketAt(text: string, at: number): readonly [Formula, number] | null {
  const open = text.slice(at, at + 2);
  if (open !== "\\(" && open !== "\\[") return null;
  const end = text.indexOf(open === "\\(" ? "\\)" : "\\]", at + 2);
  return end === -1 ? null : [{ kind: "formula", tex: text.slice(at + 2, end).trim(), display: open === "\\[" }, end + 2];
}

/** The next of these dollars that no backslash takes the meaning of. */
function closing(text: string, dollars: string, from: number): number {
  let end = text.indexOf(dollars, from);
  while (end !== -1 && escaped(text, end)) end = text.indexOf(dollars, end + 1);
  return end;
}

function escaped(text: string, at: number): boolean {
  let slashes = 0;
  while (text[at - 1 - slashes] === "\\") slashes++;
  return slashes % 2 === 1;
}

/** A `text/latex` value in its pieces. Without any delimiter the whole is one formula. Source: IPython, *Math* and *Latex*. */
export function formulasIn(text: string): readonly (Formula | Text)[] {
  const pieces: (Formula | Text)[] = [];
  let from = 0;
  for (let at = 0; at < text.length; ) {
    const found = text[at] === "$" || text[at] === "\\" ? formulaAt(text, at) : null;
    if (found === null) {
      at += text[at] === "\\" ? 2 : 1;
      continue;
    }
    if (at > from) pieces.push({ kind: "text", text: text.slice(from, at) });
    pieces.push(found[0]);
    at = from = found[1];
  }
  if (pieces.length === 0) return [{ kind: "formula", tex: text.trim(), display: true }];
  if (from < text.length) pieces.push({ kind: "text", text: text.slice(from) });
  return pieces;
}
