/**
 * Is the npm package what a good one is? Packs it, and uses it as others do: from strict TypeScript in three kinds of
 * module resolution, and from Node without a browser by `import` and `require`. Needs `dist`.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = mkdtempSync(join(tmpdir(), "tamga-package-"));
const run = (/** @type {string} */ program, /** @type {string[]} */ ...args) =>
  execFileSync(program, args, { cwd: folder, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });

/** What pages write, with options that may be absent. */
const USE = `
import { type BeaconEvent, type Options, start, type Tamga } from "@tamga/collector-js";
declare const maybe: boolean | undefined;
declare const variant: string | undefined;
const options: Options = { site: "jetpay.kz", endpoint: "https://t.jetpay.kz/v1/beacon", hash: maybe, errors: maybe };
const tamga: Tamga = start(options);
tamga.event("pay", { variant });
tamga.event("pay", { callback: () => {} });
tamga.q.push(["event", "pay", { variant: "b" }]);
const state: "full" | "count" | "wait" | "object" | "off" | undefined = window.tamga?.state;
start({ ...options, beforeSend: (event) => (event.type === "exit" ? null : { ...event, referrer: undefined }) });
// @ts-expect-error the state is for reading
tamga.state = "full";
window.tamga?.q.push(["view", "/order/:id"]);
const event: BeaconEvent = { type: "consent", at: 0, state: "granted" };
// @ts-expect-error a site has a name
start({ endpoint: "https://t.jetpay.kz/v1/beacon" });
export { event, state };
`;
const NODE = `
tamga.event("pay");
tamga.consent("granted");
if (Object.getOwnPropertyNames(globalThis).some((name) => /tamga/i.test(name))) throw new Error("a global name");
`;

try {
  const [packed] = JSON.parse(run("npm", "pack", "--json", "--silent", "--ignore-scripts", root));
  const files = packed.files.map((/** @type {{ path: string }} */ { path }) => path);
  assert.deepEqual(
    files.filter((/** @type {string} */ path) => path.endsWith(".d.ts")),
    ["dist/index.d.ts"],
    "one file of declarations",
  );
  for (const needed of ["LICENSE", "README.md", "package.json", "dist/esm/index.js"])
    assert.ok(files.includes(needed), `${needed} is not in the package`);
  const module = join(folder, "node_modules/@tamga/collector-js");
  mkdirSync(module, { recursive: true });
  run("tar", "xzf", packed.filename, "-C", module, "--strip-components=1");
  assert.doesNotMatch(readFileSync(join(module, "dist/index.d.ts"), "utf8"), /from "/, "nothing is imported");

  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  writeFileSync(join(folder, "use.ts"), USE);
  for (const kind of [
    ["--module", "node16"],
    ["--module", "nodenext"],
    ["--module", "esnext", "--moduleResolution", "bundler"],
  ]) {
    const strict = [
      "--strict",
      "--exactOptionalPropertyTypes",
      "--noUncheckedIndexedAccess",
      "--skipLibCheck",
      "false",
    ];
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    run(
      process.execPath,
      tsc,
      "--noEmit",
      "--types",
      "",
      "--lib",
      "ES2022,DOM",
      ...strict,
      ...kind,
      "use.ts",
    );
  }
  const start = `start({ site: "jetpay.kz", endpoint: "https://t.jetpay.kz/v1/beacon" })`;
  writeFileSync(
    join(folder, "use.mjs"),
    `import { start } from "@tamga/collector-js";\nconst tamga = ${start};${NODE}`,
  );
  run(process.execPath, "use.mjs");
  // Node from 20.19 and 22.12 on loads modules by require, too.
  if (/** @type {{ require_module?: boolean }} */ (process.features).require_module) {
    writeFileSync(
      join(folder, "use.cjs"),
      `const { start } = require("@tamga/collector-js");\nconst tamga = ${start};${NODE}`,
    );
    run(process.execPath, "use.cjs");
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
