import { readdirSync, readFileSync } from "node:fs";
import { defineConfig, type Plugin } from "vite";

/** The letters are files of others too: their licences go where the page goes. */
const FONTS = ["newsreader", "jetbrains-mono"];

function fontLicences(): Plugin {
  return {
    name: "font-licences",
    generateBundle() {
      for (const font of FONTS) {
        const source = readFileSync(new URL(`node_modules/@fontsource-variable/${font}/LICENSE`, import.meta.url), "utf8");
        this.emitFile({ type: "asset", fileName: `licences/${font}.txt`, source });
      }
    },
  };
}

/** KaTeX names each of its letters in three formats; every browser that can run the page reads the first. */
function oneFontFormat(): Plugin {
  return {
    name: "one-font-format",
    enforce: "pre",
    transform(code, id) {
      if (!id.includes("katex") || !id.endsWith(".css")) return null;
      return code.replace(/,url\([^)]*\.(?:woff|ttf)\) format\("(?:woff|truetype)"\)/g, "");
    },
  };
}

/** What draws in the frame is handed over as it is, so the bundler does not see whose licence it needs. */
const HANDED_OVER = ["plotly.js-dist-min", "vega", "vega-lite", "vega-embed", "@bokeh/bokehjs",
  // What draws widgets is bundled apart from the page.
  "@jupyter-widgets/base", "@jupyter-widgets/controls", "@lumino/widgets", "backbone", "underscore", "jquery", "lodash", "nouislider"];

function handedOverLicences(): Plugin {
  return {
    name: "handed-over-licences",
    generateBundle() {
      for (const name of HANDED_OVER) {
        const folder = new URL(`node_modules/${name}/`, import.meta.url);
        const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
        const { license } = JSON.parse(readFileSync(new URL("package.json", folder), "utf8")) as { license: string };
        const source = file === undefined ? `${name}: ${license}\n` : readFileSync(new URL(file, folder), "utf8");
        this.emitFile({ type: "asset", fileName: `licences/${name.replace(/\W+/g, "-").replace(/^-/, "")}.txt`, source });
      }
    },
  };
}

export default defineConfig({
  plugins: [fontLicences(), handedOverLicences(), oneFontFormat()],
  build: {
    outDir: "../webserver/antiphon_webserver/static",
    emptyOutDir: true,
    // Fonts stay files: the page's content security policy allows fonts from its own origin only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: "licences/libraries.md" },
    chunkSizeWarningLimit: 900,
  },
});
