import { readFileSync } from "node:fs";
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

export default defineConfig({
  plugins: [fontLicences()],
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
