/**
 * Bundles the small applications, each into one file of `.test-build/apps`. Their libraries are a package of their own,
 * which is installed when its lock has changed.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const [lock, installed] = [join(here, "package-lock.json"), join(here, "node_modules/.installed-lock.json")];

function isInstalled() {
  try {
    return readFileSync(installed).equals(readFileSync(lock));
  } catch {
    return false;
  }
}

export function buildApps() {
  if (!isInstalled()) {
    const how = ["ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    execFileSync("npm", how, { cwd: here, stdio: "inherit" });
    copyFileSync(lock, installed);
  }
  const apps = readdirSync(here).filter((name) => name.endsWith(".mjs") && !/^(build|routes)\./.test(name));
  return build({
    entryPoints: apps.map((name) => join(here, name)),
    outdir: join(here, "../../.test-build/apps"),
    bundle: true,
    format: "esm",
    minify: true,
    logLevel: "warning",
    define: {
      "process.env.NODE_ENV": '"production"',
      __VUE_OPTIONS_API__: "true",
      __VUE_PROD_DEVTOOLS__: "false",
    },
  });
}
