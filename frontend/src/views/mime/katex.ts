/** KaTeX with its letters, a chunk of its own. */

import "katex/dist/katex.min.css";
import katex from "katex";
import type { Formula } from "../../math";

/**
 * A formula may be hostile: no links and no markup of its own (`trust`), no size above 20 em, and no
 * more than a thousand expansions of macros. What KaTeX does not know stays as its source, marked.
 */
export function typeset({ tex, display }: Formula, into: HTMLElement): void {
  try {
    katex.render(tex, into, { displayMode: display, throwOnError: true, trust: false, strict: "ignore", maxSize: 20, maxExpand: 1000, output: "htmlAndMathml" });
    into.classList.remove("unknown");
  } catch (error) {
    into.textContent = tex;
    into.classList.add("unknown");
    into.title = error instanceof Error ? error.message : "";
  }
}
