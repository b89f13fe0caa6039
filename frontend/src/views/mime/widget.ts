/** A display that shows a widget of the session. Source: ipywidgets, *application/vnd.jupyter.widget-view+json*. */

import { html } from "lit-html";
import { isRecord } from "../../widgets";
import { type Drawn, textOf, type Valued } from "./drawing";
import "../widgets";

export function widget({ data, output, view }: Valued): Drawn | null {
  const model = isRecord(data) ? data["model_id"] : undefined;
  if (typeof model !== "string") return null;
  const fallback = textOf(output.data["text/plain"]);
  const { session, known, fixed } = view.widgets;
  if (!known(model)) return html`<p class="quiet" data-widget="unknown">The state of this widget is not known any more.</p>${fallback === "" ? "" : html`<pre>${fallback}</pre>`}`;
  return html`<widget-frame .dark=${view.dark} .shown=${{ session, model, fallback }} .live=${fixed === ""}></widget-frame>
    ${fixed === "" ? "" : html`<p class="quiet" data-widget="fixed">${fixed}</p>`}`;
}
