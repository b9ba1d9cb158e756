// One page, one script, one style sheet: the daemon serves the folder as it is, under a strict policy
// (no inline script, no inline style), so nothing may be inlined here.
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

export default defineConfig({
  base: "./",
  plugins: [svelte()],
  build: {
    outDir: "../src/locald/daemon/dashboard/page",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    modulePreload: false,
    reportCompressedSize: true,
  },
  test: { include: ["test/**/*.test.ts"] },
});
