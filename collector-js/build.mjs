/**
 * Builds what is shipped, and with `--tests` what is run to check it.
 *
 * - `dist/tamga.js`: one classic script, minified; the collector embeds this file and serves it as `/tamga.js`.
 * - `dist/esm/index.js` and `dist/types/`: the npm package.
 * - `.test-build/`: the TypeScript tests as modules that `node --test` can run.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const at = (/** @type {string} */ path) => join(here, path);

/**
 * `_name` is private to this code base by convention, so such names are shortened; public names and wire fields never
 * begin with an underscore. Chrome 80, Firefox 74 and Safari 13.1 (all of early 2020) read ES2020 as it is.
 *
 * @type {import("esbuild").BuildOptions}
 */
const common = {
  bundle: true,
  target: "es2020",
  legalComments: "none",
  mangleProps: /^_[a-z]/,
  logLevel: "warning",
};

export async function buildAll() {
  rmSync(at("dist"), { recursive: true, force: true });
  await Promise.all([
    build({
      ...common,
      entryPoints: [at("src/snippet.ts")],
      outfile: at("dist/tamga.js"),
      format: "iife",
      minify: true,
    }),
    build({ ...common, entryPoints: [at("src/index.ts")], outfile: at("dist/esm/index.js"), format: "esm" }),
  ]);
  execFileSync(process.execPath, [at("node_modules/typescript/bin/tsc"), "-p", at("tsconfig.types.json")], {
    stdio: "inherit",
  });
}

export async function buildTests() {
  rmSync(at(".test-build"), { recursive: true, force: true });
  const tests = ["unit", "e2e"].flatMap((folder) =>
    readdirSync(at(`test/${folder}`))
      .filter((name) => name.endsWith(".test.ts"))
      .map((name) => at(`test/${folder}/${name}`)),
  );
  // Without mangling: tests read private state by its own name.
  await build({
    bundle: true,
    target: "node20",
    platform: "node",
    packages: "external",
    format: "esm",
    logLevel: "warning",
    entryPoints: tests,
    outbase: at("test"),
    outdir: at(".test-build"),
    outExtension: { ".js": ".mjs" },
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await buildAll();
  if (process.argv.includes("--tests")) await buildTests();
}
