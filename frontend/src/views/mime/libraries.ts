/** Libraries that draw in the frame: our server has them, a worksheet that needs none loads none. */

import bokeh from "../../../node_modules/@bokeh/bokehjs/build/js/bokeh.min.js?url";
import bokehTables from "../../../node_modules/@bokeh/bokehjs/build/js/bokeh-tables.min.js?url";
import bokehWidgets from "../../../node_modules/@bokeh/bokehjs/build/js/bokeh-widgets.min.js?url";
import plotly from "../../../node_modules/plotly.js-dist-min/plotly.min.js?url";
import vegaEmbed from "../../../node_modules/vega-embed/build/vega-embed.min.js?url";
import vegaLite from "../../../node_modules/vega-lite/build/vega-lite.min.js?url";
import vega from "../../../node_modules/vega/build/vega.min.js?url";

import widgets from "../../frame/main.ts?worker&url";

const ADDRESSES = {
  widgets,
  plotly,
  vega,
  "vega-lite": vegaLite,
  "vega-embed": vegaEmbed,
  bokeh,
  "bokeh-widgets": bokehWidgets,
  "bokeh-tables": bokehTables,
} as const;

export type Library = keyof typeof ADDRESSES;

const loaded = new Map<Library, Promise<string>>();

/**
 * The sources of libraries, in the order in which they must run.
 *
 * @throws TypeError or Error when one cannot be had; a later call tries again
 */
export function load(names: readonly Library[]): Promise<readonly string[]> {
  return Promise.all(names.map(one));
}

function one(name: Library): Promise<string> {
  let source = loaded.get(name);
  if (source === undefined) {
    source = fetch(ADDRESSES[name]).then((response) => {
      if (!response.ok) throw new Error(`${name} cannot be loaded: ${response.status}`);
      return response.text();
    });
    source.catch(() => loaded.delete(name));
    loaded.set(name, source);
  }
  return source;
}
