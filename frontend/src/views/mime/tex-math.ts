/** `<tex-math>`: one formula, set by KaTeX, which is loaded when the first one is seen. Until then its source. */

import type { Formula } from "../../math";

let katex: Promise<typeof import("./katex")> | null = null;

export class TexMath extends HTMLElement {
  #formula: Formula | null = null;

  set formula(formula: Formula) {
    if (formula.tex === this.#formula?.tex && formula.display === this.#formula.display) return;
    this.#formula = formula;
    if (this.isConnected) void this.#set();
  }

  connectedCallback(): void {
    // In Markdown it is markup: the source is its text.
    this.#formula ??= { kind: "formula", tex: this.textContent ?? "", display: this.hasAttribute("display") };
    void this.#set();
  }

  async #set(): Promise<void> {
    const formula = this.#formula;
    if (formula === null) return;
    this.classList.toggle("display", formula.display);
    this.textContent = formula.tex;
    katex ??= import("./katex");
    try {
      const { typeset } = await katex;
      if (this.#formula === formula) typeset(formula, this);
    } catch {
      // Not to be had now, as without a network: the source stays, and the next formula asks again.
      katex = null;
    }
  }
}

customElements.define("tex-math", TexMath);
