/** Bundles `firefox.ts` and runs it: `node test/firefox.mjs ORIGIN PASSWORD`. */
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const outfile = join(root, ".test-build/firefox.cjs");
await build({
  bundle: true,
  platform: "node",
  format: "cjs",
  external: ["playwright-core"],
  entryPoints: [join(root, "test/firefox.ts")],
  outfile,
});
const { status } = spawnSync(process.execPath, [outfile, ...process.argv.slice(2)], { stdio: "inherit" });
process.exitCode = status ?? 1;
