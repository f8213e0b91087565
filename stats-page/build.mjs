/**
 * Builds the page that the collector compiles in: `dist/index.html`, `dist/page.js` and `dist/page.css`. No file refers to
 * another host.
 */
import { copyFileSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const at = (/** @type {string} */ path) => join(here, path);

export async function buildAll() {
  rmSync(at("dist"), { recursive: true, force: true });
  mkdirSync(at("dist"));
  await build({
    bundle: true,
    target: ["es2022"],
    format: "esm",
    minify: true,
    // Words in their own letters are a third as long as in escapes.
    charset: "utf8",
    legalComments: "none",
    logLevel: "warning",
    entryPoints: [at("src/page.ts"), at("src/page.css")],
    outdir: at("dist"),
  });
  copyFileSync(at("src/index.html"), at("dist/index.html"));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildAll();
