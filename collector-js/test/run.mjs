/**
 * `npm test`: lint, types, build, size, package, unit tests, and tests in a real Chromium and Firefox. Prints a summary
 * with times at the end. Exits with 1 if any step failed. Later steps run even if an earlier one failed, except after a
 * failed build.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { buildAll, buildTests } from "../build.mjs";
import { findChromium, findFirefox, MISSING, NO_FIREFOX } from "./lib/chromium.mjs";

/**
 * The largest sizes after compression, in bytes: of the snippet, of the device part, which is loaded once a session, and
 * of account protection, which only signed-in areas load.
 */
const MAX_GZIP_BYTES = {
  "tamga.js": 3_686,
  "tamga-extras.js": 2_048,
  "tamga-device.js": 6_144,
  "tamga-ports.js": 4_096,
};

/** The demo shop's script and style sheet, which follow the same lint rules. */
const SHOP = ["../crates/demo/shop/shop.js", "../crates/demo/shop/shop.css"];
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const spawned = (/** @type {string} */ program, /** @type {string[]} */ args) => {
  const { status, error } = spawnSync(program, args, { cwd: root, stdio: "inherit" });
  if (error) throw error;
  if (status !== 0) throw new Error(`exit code ${status}`);
  return "";
};
const run = (/** @type {string[]} */ ...args) => spawned(process.execPath, args);
// Browser tests mostly wait, so four files can run at once even on one processor.
const nodeTest = (/** @type {string} */ folder) => {
  const dir = `.test-build/${folder}`;
  const files = readdirSync(join(root, dir)).map((name) => `${dir}/${name}`);
  return run("--test", "--test-concurrency=4", "--test-reporter=spec", ...files);
};

/** @type {[string, () => string | Promise<string>][]} */
const steps = [
  ["lint", () => run("node_modules/@biomejs/biome/bin/biome", "check", "--error-on-warnings", ".", ...SHOP)],
  ["types", () => run("node_modules/typescript/bin/tsc", "--noEmit")],
  ["build", () => Promise.all([buildAll(), buildTests()]).then(() => "")],
  [
    "size",
    () => {
      const sizes = Object.entries(MAX_GZIP_BYTES).map(([name, most]) => {
        const bytes = gzipSync(readFileSync(join(root, "dist", name)), { level: 9 }).length;
        return { text: `${name} ${bytes} of ${most} bytes`, fits: bytes <= most };
      });
      const text = sizes.map(({ text }) => text).join(", ");
      if (!sizes.every(({ fits }) => fits)) throw new Error(`${text}: leave something out`);
      return text;
    },
  ],
  ["package", () => spawned("npm", ["run", "--silent", "package"])],
  ["unit", () => nodeTest("unit")],
  [
    "browsers",
    () => {
      if (!findChromium()) throw new Error(MISSING);
      if (!findFirefox()) throw new Error(NO_FIREFOX);
      return nodeTest("e2e");
    },
  ],
];

const summary = [];
for (const [name, step] of steps) {
  const began = performance.now();
  let outcome = "ok";
  try {
    outcome = (await step()) || "ok";
  } catch (error) {
    process.exitCode = 1;
    outcome = `FAILED: ${error instanceof Error ? error.message : error}`;
  }
  summary.push(
    `${name.padEnd(10)}${((performance.now() - began) / 1000).toFixed(1).padStart(5)} s  ${outcome}`,
  );
  if (name === "build" && outcome.startsWith("FAILED")) break;
}
console.log(`\n${summary.join("\n")}`);
