/**
 * What a terminal shows of a text, as far as progress bars need one: the rules of
 * `webserver/antiphon_webserver/terminal.py`, where their sources stand.
 *
 * The terminal is as wide as any line and `HEIGHT` lines high; what has scrolled out of it stays as it is.
 */

export const HEIGHT = 24;
const FAR = 10_000;

/** A text without any of these is shown as it is. */
const MOVES = /[\r\b\x0b\x0c]|\x1b(?!\[[0-9;:]*m)/;
const TOKEN =
  /[^\x00-\x08\x0a-\x1f\x7f]+|\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-Z\\^-~]|[\x00-\x08\x0a-\x1a\x1c-\x1f\x7f]/g;
const UNFINISHED = /\x1b(?:\[[0-?]{0,64}[ -/]{0,8}|\][^\x07\x1b]{0,2000}\x1b?|[ -/]{0,8})?$/;

interface Line {
  text: string;
  /** The style of each character; null while all of it is plain. */
  styles: string[] | null;
}

/** The state of a terminal as a text that makes it: `settled` lines cannot change any more. */
export interface Folded {
  readonly settled: string;
  readonly live: string;
}

/** @param text what is written to an empty terminal */
export function folded(text: string): Folded {
  if (MOVES.test(text)) return new Terminal(text).state();
  const end = text.lastIndexOf("\n") + 1;
  return { settled: text.slice(0, end), live: text.slice(end) };
}

/** What stands on the terminal at the end, with its colours. */
export function shown(text: string): string {
  return MOVES.test(text) ? new Terminal(text).shown() : text;
}

/** Whether the text may change lines above the one that is written. */
export function climbs(text: string): boolean {
  return /\x1b(?!\[[0-9;:]*[mCDGK])/.test(text);
}

class Terminal {
  readonly #lines: Line[] = [{ text: "", styles: null }];
  #row = 0;
  #column = 0;
  #top = 0;
  readonly #style: string[] = ["", "", "", "", "", "", ""];
  #sgr = "";
  readonly #rest: string;

  constructor(text: string) {
    this.#rest = UNFINISHED.exec(text)?.[0] ?? "";
    const whole = text.slice(0, text.length - this.#rest.length);
    for (const [token] of whole.matchAll(TOKEN)) {
      const first = token[0]!;
      if (first === "\x1b") {
        if (token[1] === "[") this.#control(token.slice(2, -1), token.at(-1)!);
      } else if (first === "\n" || first === "\x0b" || first === "\x0c") {
        this.#go(this.#row + 1);
        this.#column = 0;
      } else if (first === "\r") this.#column = 0;
      else if (first === "\b") this.#column = Math.max(0, this.#column - 1);
      else if (first >= " " || first === "\t") {
        write(this.#lines[this.#row]!, this.#column, token, this.#sgr);
        this.#column += token.length;
      }
    }
  }

  shown(): string {
    return this.#lines.map(lineText).join("\n");
  }

  /** Lines above the cursor's are settled as long as nothing climbs back to them: see `climbs`. */
  state(): Folded {
    const last = this.#lines.length - 1;
    let back = this.#row === last ? "" : `\x1b[${last - this.#row}A`;
    if (back !== "" || this.#column !== this.#lines[last]!.text.length) back += "\r" + (this.#column > 0 ? `\x1b[${this.#column}C` : "");
    const lines = this.#lines.map(lineText);
    const live = lines.slice(this.#row).join("\n") + back + this.#sgr + this.#rest;
    return { settled: lines.slice(0, this.#row).map((line) => `${line}\n`).join(""), live };
  }

  #go(row: number): void {
    while (this.#lines.length <= row) this.#lines.push({ text: "", styles: null });
    this.#row = row;
    this.#top = Math.max(this.#top, row - HEIGHT + 1);
  }

  #control(parameters: string, final: string): void {
    if (/^[?<=>]/.test(parameters)) return;
    if (final === "m") return this.#styled(parameters);
    const [first = 0, second = 0] = parameters.slice(0, 64).split(";").map((part) => (/^\d+$/.test(part) ? Number(part) : 0));
    const count = Math.min(Math.max(first, 1), FAR);
    switch (final) {
      case "A":
      case "F":
        this.#row = Math.max(this.#top, this.#row - count);
        if (final === "F") this.#column = 0;
        break;
      case "B":
      case "E":
        this.#go(Math.min(this.#top + HEIGHT - 1, this.#row + count));
        if (final === "E") this.#column = 0;
        break;
      case "C":
        this.#column = Math.min(this.#column + count, FAR);
        break;
      case "D":
        this.#column = Math.max(0, this.#column - count);
        break;
      case "G":
        this.#column = count - 1;
        break;
      case "H":
      case "f":
        this.#go(this.#top + Math.min(count, HEIGHT) - 1);
        this.#column = Math.min(Math.max(second, 1), FAR) - 1;
        break;
      case "K":
        this.#eraseLine(first);
        break;
      case "J":
        if (first < 2) this.#eraseLine(first);
        for (const line of first === 0 ? this.#lines.slice(this.#row + 1) : this.#lines.slice(this.#top, first === 1 ? this.#row : undefined)) cut(line, 0);
    }
  }

  #eraseLine(what: number): void {
    const line = this.#lines[this.#row]!;
    if (what === 0) cut(line, this.#column);
    else if (what === 2 || (what === 1 && this.#column + 1 >= line.text.length)) cut(line, 0);
    else if (what === 1) write(line, 0, " ".repeat(this.#column + 1), "");
  }

  #styled(parameters: string): void {
    const codes = parameters.replaceAll(":", ";").split(";");
    for (let code = codes.shift(); code !== undefined; code = codes.shift()) {
      code = code.replace(/^0+/, "");
      const number = Number(code);
      if (code === "") this.#style.fill("");
      else if (number === 38 || number === 48) {
        const kind = codes.shift() ?? "";
        const count = kind === "5" ? 1 : kind === "2" ? 3 : 0;
        const values = Array.from({ length: count }, () => codes.shift() || "0");
        if (count > 0) this.#style[number === 38 ? 5 : 6] = [code, kind, ...values].join(";");
      } else if (ENDS[number] !== undefined) this.#style[ENDS[number]] = "";
      else {
        const aspect = aspectOf(number);
        if (aspect !== null) this.#style[aspect] = code;
      }
    }
    const set = this.#style.filter((part) => part !== "");
    this.#sgr = set.length === 0 ? "" : `\x1b[0;${set.join(";")}m`;
  }
}

const ENDS: Readonly<Record<number, number>> = { 22: 0, 23: 1, 24: 2, 27: 3, 29: 4, 39: 5, 49: 6 };

function aspectOf(code: number): number | null {
  const simple: Readonly<Record<number, number>> = { 1: 0, 2: 0, 3: 1, 4: 2, 7: 3, 9: 4 };
  if (simple[code] !== undefined) return simple[code];
  if ((code >= 30 && code < 38) || (code >= 90 && code < 98)) return 5;
  return (code >= 40 && code < 48) || (code >= 100 && code < 108) ? 6 : null;
}

function write(line: Line, column: number, text: string, style: string): void {
  const gap = Math.max(0, column - line.text.length);
  const before = line.text.slice(0, column) + " ".repeat(gap);
  if (line.styles === null && style !== "") line.styles = Array<string>(line.text.length).fill("");
  if (line.styles !== null) {
    for (let at = 0; at < gap; at++) line.styles.push("");
    for (let at = 0; at < text.length; at++) line.styles[column + at] = style;
  }
  line.text = before + text + line.text.slice(column + text.length);
}

function cut(line: Line, column: number): void {
  line.text = line.text.slice(0, column);
  if (line.styles !== null) line.styles.length = Math.min(line.styles.length, column);
}

function lineText({ text, styles }: Line): string {
  if (styles === null) return text;
  let told = "";
  let last = "";
  let begin = 0;
  styles.forEach((style, at) => {
    if (style === last) return;
    told += text.slice(begin, at) + (style === "" ? "\x1b[0m" : style);
    begin = at;
    last = style;
  });
  return told + text.slice(begin) + (last === "" ? "" : "\x1b[0m");
}
