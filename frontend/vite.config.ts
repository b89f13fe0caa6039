import { defineConfig } from "vite";

export default defineConfig({
  build: {
    outDir: "../webserver/antiphon_webserver/static",
    emptyOutDir: true,
    // Fonts stay files: the page's content security policy allows fonts from its own origin only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900,
  },
  server: { proxy: { "/rpc": { target: "http://127.0.0.1:8888", ws: true }, "/login": "http://127.0.0.1:8888" } },
});
