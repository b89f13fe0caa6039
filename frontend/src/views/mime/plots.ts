/**
 * Plots that a library draws. The library runs in the frame, which has no network: the page hands it in.
 *
 * What is drawn may be hostile, as any output; here only the data are put beside a script of ours.
 */

import { html } from "lit-html";
import { sourceOf } from "../../blobs";
import type { FrameContent } from "../frame";
import { type Drawn, metadataOf, textOf, type Valued, whenHere } from "./drawing";

const BOKEH = ["bokeh", "bokeh-widgets", "bokeh-tables"] as const;

/** Places that documents load these libraries from. The frame reaches none: it is given ours. */
export function librariesIn(source: string): FrameContent["libraries"] {
  if (/src=["']https:\/\/cdn\.plot\.ly\/plotly/.test(source)) return ["plotly"];
  return /src=["']https:\/\/cdn\.bokeh\.org\//.test(source) ? BOKEH : [];
}

/** One content for one value, so that a plot is not drawn anew whenever something else is. */
const contents = new WeakMap<object, FrameContent>();

function frame({ data, view, output }: Valued, make: () => FrameContent): Drawn {
  const key = typeof data === "object" && data !== null ? data : output;
  let content = contents.get(key);
  if (content === undefined) contents.set(key, (content = make()));
  return html`<output-frame .dark=${view.dark} .content=${content}></output-frame>`;
}

/** A figure that sets no colours of its own takes those of the page. Source: plotly.js, *layout.template*. */
const PLOTLY = `
const ours = figure.layout?.template?.layout?.paper_bgcolor === "white";
const themed = () => {
  const style = getComputedStyle(document.documentElement);
  const [ink, rule] = ["--ink", "--rule"].map((name) => style.getPropertyValue(name).trim());
  const layout = structuredClone(figure.layout ?? {});
  if (!ours) return layout;
  const base = layout.template.layout;
  const axis = { gridcolor: rule, linecolor: rule, zerolinecolor: rule };
  layout.template.layout = { ...base, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { ...base.font, color: ink },
    xaxis: { ...base.xaxis, ...axis }, yaxis: { ...base.yaxis, ...axis } };
  return layout;
};
const place = document.createElement("div");
// A place without a height of its own would take it from the plot, and the plot from the place.
place.style.height = (figure.layout?.height ?? 450) + "px";
element.append(place);
const config = { responsive: true, displaylogo: false, ...figure.config, plotlyServerURL: "", showSendToCloud: false };
Plotly.newPlot(place, structuredClone(figure.data ?? []), themed(), config).then(() => {
  if (figure.frames) Plotly.addFrames(place, figure.frames);
}, (error) => { place.textContent = "Plotly cannot draw this: " + error.message; });
addEventListener("theme", () => Plotly.react(place, place.data, themed(), config));
`;

export function plotly(drawing: Valued): Drawn | null {
  const figure = value(drawing.data);
  if (figure === null) return null;
  return frame(drawing, () => ({ html: null, script: `const figure = ${JSON.stringify(figure)};${PLOTLY}`, libraries: ["plotly"] }));
}

const VEGA = `
const place = document.createElement("div");
element.append(place);
// Nothing is loaded: what a specification needs it brings.
const refuse = () => Promise.reject(new Error("an output has no network: put the data into the plot"));
const draw = () => {
  const dark = document.documentElement.classList.contains("dark");
  const config = { background: "transparent" };
  vegaEmbed(place, structuredClone(spec), { renderer: "svg", ...options, actions: false, defaultStyle: true, theme: dark ? "dark" : options.theme, config: { ...config, ...options.config },
    loader: { load: refuse, sanitize: refuse, http: refuse, file: refuse } },
  ).catch((error) => { place.textContent = "Vega cannot draw this: " + error.message; });
};
draw();
addEventListener("theme", draw);
`;

export function vega(drawing: Valued): Drawn | null {
  const spec = value(drawing.data);
  if (spec === null) return null;
  const options = metadataOf(drawing)["embed_options"];
  const mode = drawing.type.includes("vegalite") ? "vega-lite" : "vega";
  return chart(drawing, spec, { mode, ...(typeof options === "object" ? options : null) });
}

function chart(drawing: Valued, spec: object, options: object): Drawn {
  const script = () => `const spec = ${JSON.stringify(spec)}, options = ${JSON.stringify(options)};${VEGA}`;
  return frame(drawing, () => ({ html: null, script: script(), libraries: ["vega", "vega-lite", "vega-embed"] }));
}

/**
 * Altair's own choice in a notebook is HTML that loads its libraries from elsewhere, with the chart as an argument
 * of its script. Source: altair, *altair.utils.html*. Null when it is anything else.
 */
export function altair(drawing: Valued): Drawn | null {
  const source = textOf(drawing.data);
  const call = /\bvegaEmbed\b/.test(source) ? /\}\)\((\{.*\}), (\{.*?\})\);\s*<\/script>\s*$/s.exec(source) : null;
  if (call === null) return null;
  const [spec, options] = [call[1], call[2]].map(value);
  return spec && options ? chart({ ...drawing, data: null }, spec, options) : null;
}

/**
 * Bokeh publishes a place in one display, and in the next the script that fills it: they are put together
 * again here. Source: bokeh, *bokeh.io.notebook.show_doc* and *publish_display_data*.
 */
export function bokeh(drawing: Valued): Drawn | null {
  const source = sourceOf(drawing.output, "application/javascript");
  if (source === null) return null;
  return whenHere(source, (data) => {
    const script = textOf(data);
    return frame({ ...drawing, data: null }, () => ({ html: placesIn(script), script, libraries: BOKEH }));
  });
}

/** What Bokeh shows while it loads its script, and the place that it fills later: nothing, here. */
export function isBokehPlace(source: string): boolean {
  return /bk-notebook-logo/.test(source) || /^\s*<div id="[\w-]+" data-root-id="[\w-]+"[^>]*><\/div>\s*$/.test(source);
}

/** An element for each root that the script is going to look for. */
function placesIn(script: string): string {
  const roots = /"roots":(\{[^{}]*\})/.exec(script)?.[1] ?? "{}";
  const ids = [...roots.matchAll(/"([\w-]+)":"([\w-]+)"/g)];
  return ids.map(([, model, place]) => `<div id="${place}" data-root-id="${model}" style="display: contents"></div>`).join("");
}

function value(data: unknown): object | null {
  if (typeof data === "object" && data !== null) return data;
  try {
    const read = JSON.parse(textOf(data)) as unknown;
    return typeof read === "object" ? read : null;
  } catch {
    return null;
  }
}
