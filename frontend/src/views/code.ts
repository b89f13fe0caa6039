/** `<code-text>`: source that is not being edited. Plain at once; coloured when it comes into view. */

import { classHighlighter, highlightCode } from "@lezer/highlight";
import type { ShownRange } from "../threads";
import { StillRanges } from "./commented";
import { parserOf } from "./languages";

/** Longer sources stay plain: parsing them would hold the page. In UTF-16 units. */
const LONGEST = 100_000;

/**
 * Characters that show nothing, or turn the text around them, so that code reads otherwise than it runs
 * (CVE-2021-42574). One unit of UTF-16 each, and a dot in the place of each: a click finds its column.
 */
export const HIDDEN = /[\u0000-\u0008\u000e-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffc]/g;
const DOT = "\u2022";

/** Colouring 500 cells at once takes seconds, and most are far below the window. */
const seen = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) if (isIntersecting) void (target as CodeText).colour();
  },
  { rootMargin: "400px" },
);

/** A line is an element, so that it can bear a number. */
function lineOf(parts: readonly Node[]): HTMLElement {
  const line = document.createElement("span");
  line.className = "line";
  line.append(...parts);
  return line;
}

export class CodeText extends HTMLElement {
  #source = "";
  #ranges: readonly ShownRange[] = [];
  readonly #still = new StillRanges();

  /** What comments are about. */
  set ranges(ranges: readonly ShownRange[]) {
    if (ranges.length === 0 && this.#ranges.length === 0) return;
    this.#ranges = ranges;
    this.#still.draw(this, ranges);
  }

  set source(source: string) {
    if (source === this.#source) return;
    this.#source = source;
    this.replaceChildren(...source.replace(HIDDEN, DOT).split("\n").map((line, n, { length }) => lineOf([document.createTextNode(n < length - 1 ? `${line}\n` : line)])));
    this.ranges = this.#ranges;
    if (this.isConnected) this.#watch();
  }

  connectedCallback(): void {
    // In Markdown it is markup: the source is its text.
    if (this.#source === "" && this.textContent) this.source = this.textContent;
    else this.#watch();
  }

  disconnectedCallback(): void {
    seen.unobserve(this);
    this.#still.draw(this, []);
  }

  #watch(): void {
    // Observing anew reports at once if it is in view already.
    seen.unobserve(this);
    seen.observe(this);
  }

  async colour(): Promise<void> {
    seen.unobserve(this);
    const source = this.#source;
    if (source.length > LONGEST) return;
    const found = parserOf(this.getAttribute("language") ?? "python");
    const parser = found instanceof Promise ? await found : found;
    if (parser === null || source !== this.#source) return;
    const lines: HTMLElement[] = [];
    let parts: Node[] = [];
    highlightCode(
      source,
      parser.parse(source),
      classHighlighter,
      (text, classes) => {
        const shown = text.replace(HIDDEN, DOT);
        if (classes === "") parts.push(document.createTextNode(shown));
        else parts.push(Object.assign(document.createElement("span"), { className: classes, textContent: shown }));
      },
      () => {
        lines.push(lineOf([...parts, document.createTextNode("\n")]));
        parts = [];
      },
    );
    this.replaceChildren(...lines, lineOf(parts));
    this.ranges = this.#ranges;
  }
}

customElements.define("code-text", CodeText);
