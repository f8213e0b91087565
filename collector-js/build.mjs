/**
 * Builds the served files and the npm package. With `--tests` it also builds the tests, and with `--stacks` the
 * applications of frameworks too; with `--only-tests` the tests alone.
 *
 * - `dist/tamga.js`: a classic script, minified. The collector embeds it and serves it as `/tamga.js`.
 * - `dist/tamga-device.js`: the device part, a minified module that the snippet imports on request.
 * - `dist/tamga-extras.js`: what few pages ask for, a minified module that the snippet imports then.
 * - `dist/tamga-ports.js`: account protection, a classic script for signed-in areas, served as `/tamga-ports.js`.
 * - `dist/tamga-check.js`: the snippet with a panel for the site's developer, served as `/tamga.js?check`.
 * - `dist/esm/index.js` and `dist/index.d.ts`: the npm package.
 * - `.test-build/`: the TypeScript tests as modules that `node --test` can run, and the small applications of `test/apps`.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { minify } from "terser";

const here = dirname(fileURLToPath(import.meta.url));
const at = (/** @type {string} */ path) => join(here, path);

/**
 * Reads a list of `schema/lists` as a text: its entries, without comments.
 *
 * @type {import("esbuild").Plugin}
 */
const lists = {
  name: "lists",
  setup({ onLoad }) {
    onLoad({ filter: /\.txt$/ }, ({ path }) => ({
      loader: "text",
      contents: readFileSync(path, "utf8")
        .split("\n")
        .filter((line) => line && !line.startsWith("#"))
        .join("\n"),
    }));
  },
};

/**
 * Names like `_name` are private to this code base, so they are shortened. Public names and wire fields never begin
 * with an underscore. Chrome 80, Firefox 74 and Safari 13.1 (all of early 2020) run ES2020 unchanged.
 *
 * @type {import("esbuild").BuildOptions}
 */
export const common = {
  bundle: true,
  target: "es2020",
  legalComments: "none",
  mangleProps: /^_[a-z]/,
  logLevel: "warning",
  plugins: [lists],
};

/**
 * Says to the browser's compiler that all functions are called while the page loads, so that it parses none of them
 * twice. Chromium from 136 uses it and saves a millisecond. For other browsers it is a comment.
 */
const AT_ONCE = "//# allFunctionsCalledOnLoad\n";

/**
 * Builds one file that the collector serves. esbuild shortens the properties. Terser then saves another twentieth.
 *
 * @param {string} source @param {string} name @param {import("esbuild").Format} format
 * @param {string} [hint]
 */
async function served(source, name, format, hint = "") {
  const isSnippet = source === "snippet.ts";
  const { outputFiles } = await build({
    ...common,
    entryPoints: [at(`src/${source}`)],
    format,
    // What is served runs in pages only.
    define: { "globalThis.window": "window" },
    // Terser does the rest, and finds more in the snippet's longer code.
    minify: !isSnippet,
    minifySyntax: true,
    write: false,
  });
  const { code } = await minify(outputFiles[0]?.text ?? "", {
    ecma: 2020,
    // The snippet is one function, in which code means the same as in a module.
    module: true,
    // "Unsafe" only if a page replaces built-in functions, or calls these functions as constructors. The browser tests
    // run the result.
    compress: {
      passes: 10,
      // Only there: functions of browsers that the other parts call distinguish `true` from `1`.
      booleans_as_integers: isSnippet,
      inline: 1,
      unsafe: true,
      unsafe_comps: true,
      unsafe_arrows: true,
      unsafe_methods: true,
    },
  });
  writeFileSync(at(`dist/${name}`), hint + code);
}

export async function buildAll() {
  rmSync(at("dist"), { recursive: true, force: true });
  mkdirSync(at("dist"));
  await Promise.all([
    served("snippet.ts", "tamga.js", "iife", AT_ONCE),
    served("device.ts", "tamga-device.js", "esm"),
    served("extras.ts", "tamga-extras.js", "esm"),
    served("ports.ts", "tamga-ports.js", "iife"),
    served("check.ts", "tamga-check.js", "iife"),
    build({ ...common, entryPoints: [at("src/index.ts")], outfile: at("dist/esm/index.js"), format: "esm" }),
  ]);
  execFileSync(process.execPath, [at("node_modules/typescript/bin/tsc"), "-p", at("tsconfig.types.json")], {
    stdio: "inherit",
  });
  writeFileSync(at("dist/index.d.ts"), declarations());
  rmSync(at(".types"), { recursive: true, force: true });
  copyFileSync(at("../LICENSE"), at("LICENSE"));
}

/**
 * The declarations of the package in one file: those of `index.ts`, after those of the files that it needs. Only the
 * names of `index.ts` are exported.
 */
function declarations() {
  /** @type {Map<string, string>} */
  const texts = new Map();
  const add = (/** @type {string} */ file) => {
    if (texts.has(file)) return;
    const text = readFileSync(file, "utf8");
    texts.set(file, "");
    for (const [, other] of text.matchAll(/ from "(\.[^"]+)\.js";/g))
      add(join(dirname(file), `${other}.d.ts`));
    texts.delete(file);
    texts.set(file, text);
  };
  const index = at(".types/index.d.ts");
  add(index);
  const exported = [...(texts.get(index) ?? "").matchAll(/^export (type )?\{([^}]+)\}/gm)];
  const own = [...texts].map(([file, text]) =>
    // The comment at the head of a file is about the file.
    (file === index ? text : text.replace(/^\/\*\*[\s\S]*?\*\/\n/, ""))
      .replace(/^import [^;]+;\n/gm, "")
      .replace(/^export (type )?\{[^}]*\}[^;]*;\n/gm, "")
      .replace(/^export (?=declare|interface|type|const|function|class)/gm, "")
      .replace(/^\/\/# .*\n/gm, "")
      .trim(),
  );
  const names = exported.map(([, type = "", names]) => `export ${type}{${names}};`);
  return `${[...own, ...names].filter(Boolean).join("\n")}\n`;
}

export async function buildTests() {
  rmSync(at(".test-build"), { recursive: true, force: true });
  const tests = ["unit", "e2e"].flatMap((folder) =>
    readdirSync(at(`test/${folder}`))
      .filter((name) => name.endsWith(".test.ts"))
      .map((name) => at(`test/${folder}/${name}`)),
  );
  // Its libraries are not there where only the snippet is built.
  const { buildApps } = await import("./test/apps/build.mjs");
  await buildApps();
  // Names are not shortened, because tests read private state by name.
  await build({
    bundle: true,
    target: "node20",
    platform: "node",
    packages: "external",
    format: "esm",
    logLevel: "warning",
    plugins: [lists],
    entryPoints: tests,
    outbase: at("test"),
    outdir: at(".test-build"),
    outExtension: { ".js": ".mjs" },
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const asked = new Set(process.argv.slice(2));
  if (!asked.has("--only-tests")) await buildAll();
  if (asked.size) await buildTests();
  if (asked.has("--stacks"))
    (await import("./test/apps/build.mjs")).buildFrameworks(process.env.STACKS?.split(","));
}
