/** LaTeX: formulas between their delimiters are set, and what stands around them stays text. */

import { html } from "lit-html";
import { formulasIn } from "../../math";
import { type Drawn, textOf, type Valued } from "./drawing";
import "./tex-math";

export function latex({ data }: Valued): Drawn {
  return html`<div class="latex">${formulasIn(textOf(data)).map((piece) => (piece.kind === "text" ? piece.text : html`<tex-math .formula=${piece}></tex-math>`))}</div>`;
}
