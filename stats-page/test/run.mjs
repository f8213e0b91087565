/** `npm test`: lint, types, build, size and unit tests. `tests/it/stats_page.rs` shows the page to browsers. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { buildAll } from "../build.mjs";

/** The largest size of all files together, as they are sent: without compression. */
const MAX_BYTES = 150_000;

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const run = (/** @type {string[]} */ ...args) => {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
  if (status !== 0) throw new Error(`${args[0]}: exit code ${status}`);
};

run("node_modules/@biomejs/biome/bin/biome", "check", "--error-on-warnings", ".");
run("node_modules/typescript/bin/tsc", "--noEmit");
await buildAll();
const files = readdirSync(join(root, "dist")).map((name) => readFileSync(join(root, "dist", name)));
const bytes = files.reduce((sum, file) => sum + file.length, 0);
console.log(`the page: ${bytes} of ${MAX_BYTES} bytes`);
if (bytes > MAX_BYTES) throw new Error("leave something out");
if (files.some((file) => /https?:\/\/(?!www\.w3\.org\/2000\/svg)/.test(file.toString())))
  throw new Error("a file names another host");
await build({
  bundle: true,
  platform: "node",
  format: "esm",
  packages: "external",
  entryPoints: [join(root, "test/unit.test.ts")],
  outfile: join(root, ".test-build/unit.mjs"),
});
run("--test", ".test-build/unit.mjs");
