/**
 * Builds the small applications. Those of one library are one file each of `.test-build/apps`. Those of a framework, which
 * builds a site by itself, are folders of `.stacks` with a package of their own; only the long run builds them. Packages are
 * installed when their lock has changed.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { FRAMEWORKS } from "./routes.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../..");

/** None of them reports its use to its makers. */
const SILENT = {
  ASTRO_TELEMETRY_DISABLED: "1",
  DO_NOT_TRACK: "1",
  NEXT_TELEMETRY_DISABLED: "1",
  NG_CLI_ANALYTICS: "false",
  NUXT_TELEMETRY_DISABLED: "1",
};

/** Prebuilt programs are packages of their own, so nothing has to be run at the installation. @param {string} folder */
function install(folder) {
  const [lock, installed] = [
    join(folder, "package-lock.json"),
    join(folder, "node_modules/.installed-lock.json"),
  ];
  if (existsSync(installed) && readFileSync(installed).equals(readFileSync(lock))) return;
  const how = ["ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  execFileSync("npm", how, { cwd: folder, stdio: "inherit" });
  copyFileSync(lock, installed);
}

export function buildApps() {
  install(here);
  const apps = readdirSync(here).filter((name) => name.endsWith(".mjs") && !/^(build|routes)\./.test(name));
  return build({
    entryPoints: apps.map((name) => join(here, name)),
    outdir: join(root, ".test-build/apps"),
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

/** Each ends in `.stacks/NAME/dist`. @param {string[] | undefined} names those that are wanted; all by default */
export function buildFrameworks(names = FRAMEWORKS) {
  for (const name of FRAMEWORKS.filter((name) => names.includes(name))) {
    const folder = join(root, ".stacks", name);
    cpSync(join(here, name), folder, { recursive: true });
    copyFileSync(join(here, "routes.mjs"), join(folder, "routes.mjs"));
    install(folder);
    execFileSync("npm", ["run", "--silent", "build"], {
      cwd: folder,
      stdio: "inherit",
      env: { ...process.env, ...SILENT },
    });
  }
}
