/**
 * What the snippet costs a page, by the browser's own trace:
 *
 *     node test/measure.mjs [LOADS]
 *
 * A page is loaded (10 times of each kind, alternating) without the snippet, with it, with it and the device part, and
 * with it and a collector that refuses connections; each time by a new browser with a new profile, as by a visitor who
 * has never been there. No program controls the browser: remote control makes it collect stacks, which takes more of
 * the main thread than the snippet.
 *
 * Prints a table: milliseconds of the processor that the main thread spent in the snippet at load (its evaluation and
 * the tasks that follow from it within half a second), in everything (so that what the device part costs is the
 * difference between two lines), in its longest task, and the time from the page's arrival to its load event. It
 * measures only, and passes no verdict.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FLAGS, findChromium, MISSING } from "./lib/chromium.mjs";

const LOADS = Number(process.argv[2] ?? 10);
/** Of the start of the browser, the page, and the device part, which is read to its end. */
const TRACED_S = 5;
const AT_LOAD_US = 500_000;
const ITEMS = "10,13,14,15,16,17,18,19,20,22,23";
const KINDS = /** @type {const} */ (["none", "snippet", "device", "down"]);

/** @param {string} name */
const dist = (name) => readFileSync(new URL(`../dist/${name}`, import.meta.url));
const FILES = /** @type {Record<string, Buffer>} */ ({
  "/tamga.js": dist("tamga.js"),
  "/tamga-device.js": dist("tamga-device.js"),
  "/tamga-extras.js": dist("tamga-extras.js"),
});
let kind = /** @type {typeof KINDS[number]} */ ("none");
const server = createServer((request, response) => {
  const { hostname, pathname } = new URL(`http://${request.headers.host}${request.url}`);
  if (hostname !== "t.shop.localhost") {
    const collector = `http://t.shop.localhost:${port()}`;
    const endpoint = kind === "down" ? 'data-endpoint="http://127.0.0.1:1/v1/beacon"' : "";
    const tag = `<script defer src="${collector}/tamga.js" data-site="shop.localhost" ${endpoint}></script>`;
    response.writeHead(200, { "Content-Type": "text/html" });
    response.end(`<!doctype html><title>Shop</title>${kind === "none" ? "" : tag}<h1>Felt and tea</h1>`);
  } else if (request.method === "GET") {
    response.writeHead(200, { "Content-Type": "text/javascript", "Access-Control-Allow-Origin": "*" });
    response.end(FILES[pathname]);
  } else {
    response.writeHead(202, {
      "Access-Control-Allow-Origin": `http://shop.localhost:${port()}`,
      "Access-Control-Allow-Credentials": "true",
      "Access-Control-Expose-Headers": "Tamga-Device",
      ...(kind === "device" ? { "Tamga-Device": ITEMS } : {}),
    });
    response.end();
  }
});
await new Promise((ready) => server.listen(0, "127.0.0.1", () => ready(null)));
const port = () => /** @type {import("node:net").AddressInfo} */ (server.address()).port;

/**
 * @typedef {{ name: string, ph: string, ts: number, dur?: number, tdur?: number, pid: number, tid: number, args?: any
 * }} Slice
 * @param {Slice[]} trace
 */
function costOf(trace) {
  const cpu = (/** @type {Slice} */ { tdur = 0 }) => tdur / 1_000;
  const sum = (/** @type {Slice[]} */ some) => some.reduce((total, slice) => total + cpu(slice), 0);
  // The process that parsed the page is its own; a spare one may be there as well.
  const page = trace.find(
    ({ name, args }) => name === "ParseHTML" && args?.beginData?.url?.includes("//shop."),
  );
  const main = trace.filter(({ pid, tid, ph }) => ph === "X" && pid === page?.pid && tid === page?.tid);
  // The script's evaluation and all that it causes: what it waits for comes in later tasks. The page has no other
  // script.
  const slices = main.filter(({ name }) =>
    /^(EvaluateScript|v8\.compile|FunctionCall|TimerFire|RunMicrotasks)$/.test(name),
  );
  const within = (/** @type {Slice} */ inner, /** @type {Slice} */ outer) =>
    inner !== outer && inner.ts >= outer.ts && inner.ts + (inner.dur ?? 0) <= outer.ts + (outer.dur ?? 0);
  const began = page?.ts ?? 0;
  const atLoad = slices.filter(
    (slice) => slice.ts < began + AT_LOAD_US && !slices.some((other) => within(slice, other)),
  );
  const tasks = main.filter(({ name }) => /RunTask$/.test(name));
  const loaded = trace.find(({ name, pid }) => name === "MarkLoad" && pid === page?.pid);
  return {
    atLoad: sum(atLoad),
    inAll: sum(tasks),
    longest: Math.max(0, ...tasks.map(cpu)),
    loaded: ((loaded?.ts ?? Number.NaN) - began) / 1_000,
  };
}

/** The trace of a browser that opens the page and nothing else. */
async function load() {
  const executable = findChromium();
  if (!executable) throw new Error(MISSING);
  const folder = mkdtempSync(join(tmpdir(), "tamga-measure-"));
  const file = join(folder, "trace.json");
  const tracing = ["devtools.timeline,toplevel", file, "json", `${TRACED_S}`];
  const options = ["", "-file", "-format", "-duration"].map(
    (of, at) => `--trace-startup${of}=${tracing[at]}`,
  );
  const own = ["--headless", `--user-data-dir=${join(folder, "profile")}`, ...options];
  const browser = spawn(executable, [...FLAGS, ...own, `http://shop.localhost:${port()}/`], {
    stdio: "ignore",
    detached: true,
  });
  const gone = once(browser, "exit");
  try {
    for (let waited = 0; waited < 60; waited++) {
      await sleep(500);
      try {
        return costOf(JSON.parse(readFileSync(file, "utf8")).traceEvents);
      } catch {
        // Not there yet, or not whole.
      }
    }
    throw new Error("The browser wrote no trace within half a minute.");
  } finally {
    // With its helpers, which would go on writing into the profile. It may have ended by itself.
    try {
      process.kill(-Number(browser.pid), "SIGKILL");
    } catch {}
    await gone;
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

/** @param {number[]} all @param {number} share */
const quantile = (all, share) => [...all].sort((a, b) => a - b)[Math.floor((all.length - 1) * share)] ?? 0;
/** @type {Record<string, ReturnType<typeof costOf>[]>} */
const results = Object.fromEntries(KINDS.map((name) => [name, []]));
for (let turn = 0; turn < LOADS; turn++) {
  for (kind of KINDS) results[kind]?.push(await load());
  if (process.stderr.isTTY) process.stderr.write(`\r${turn + 1} of ${LOADS}\r`);
}
server.close();

console.log("ms, median (95 %)   snippet        main thread    longest task   load event");
for (const [name, all] of Object.entries(results)) {
  const cell = (/** @type {"atLoad" | "inAll" | "longest" | "loaded"} */ key) => {
    const values = all.map((one) => one[key]);
    return `${quantile(values, 0.5).toFixed(1)} (${quantile(values, 0.95).toFixed(1)})`.padEnd(15);
  };
  console.log(name.padEnd(20) + cell("atLoad") + cell("inAll") + cell("longest") + cell("loaded"));
}
