/**
 * What the snippet costs a page, by the browser's own trace:
 *
 *     node test/measure.mjs [LOADS]
 *
 * A page is loaded again and again (default 30 times each, by turns) without the snippet, with it, with it and the device part, and
 * with it and a collector that refuses connections. Prints a table: milliseconds of the processor that the main thread spent in the
 * snippet at load (its evaluation and the turns that follow from it within half a second), in everything (so that what the device
 * part costs is the difference between two lines), in its longest task, and the time from the page's arrival to its load event.
 * It measures and judges nothing.
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { launchChromium } from "./lib/chromium.mjs";

const LOADS = Number(process.argv[2] ?? 30);
/** Long enough for the device part to be read to its end. */
const AFTER_MS = 2_500;
const AT_LOAD_US = 500_000;
const ITEMS = "10,13,14,15,16,17,18,19,20,22,23";
const KINDS = /** @type {const} */ (["none", "snippet", "device", "down"]);

/** @param {string} name */
const dist = (name) => readFileSync(new URL(`../dist/${name}`, import.meta.url));
const FILES = /** @type {Record<string, Buffer>} */ ({
  "/tamga.js": dist("tamga.js"),
  "/tamga-device.js": dist("tamga-device.js"),
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
 * @typedef {{ name: string, ph: string, ts: number, dur?: number, tdur?: number, pid: number, tid: number, args?: any }} Slice
 * @param {Slice[]} trace
 */
function ours(trace) {
  const cpu = (/** @type {Slice} */ { tdur = 0 }) => tdur / 1_000;
  const sum = (/** @type {Slice[]} */ some) => some.reduce((total, slice) => total + cpu(slice), 0);
  // The process that parsed the page is its own; a spare one may be there as well.
  const page = trace.find(
    ({ name, args }) => name === "ParseHTML" && args?.beginData?.url?.includes("//shop."),
  );
  const main = trace.filter(({ pid, tid, ph }) => ph === "X" && pid === page?.pid && tid === page?.tid);
  // The script's evaluation and all that it causes: what it waits for comes in later turns. The page has no other script, but
  // Playwright has; hence by the file's name.
  const turns = main.filter(({ name }) =>
    /^(EvaluateScript|v8\.compile|FunctionCall|TimerFire|RunMicrotasks)$/.test(name),
  );
  const within = (/** @type {Slice} */ inner, /** @type {Slice} */ outer) =>
    inner !== outer && inner.ts >= outer.ts && inner.ts + (inner.dur ?? 0) <= outer.ts + (outer.dur ?? 0);
  const outermost = turns.filter((turn) => !turns.some((other) => within(turn, other)));
  const named = turns.filter(({ args }) => /\/tamga\.js/.test(JSON.stringify(args)));
  const atLoad = outermost.filter(
    (turn) =>
      (turn.name === "RunMicrotasks" && turn.ts < (page?.ts ?? 0) + AT_LOAD_US) ||
      named.some((one) => one === turn || within(one, turn)),
  );
  const tasks = main.filter(({ name }) => /RunTask$/.test(name));
  return { atLoad: sum(atLoad), inAll: sum(tasks), longest: Math.max(0, ...tasks.map(cpu)) };
}

/** @param {number[]} all @param {number} share */
const quantile = (all, share) => [...all].sort((a, b) => a - b)[Math.floor((all.length - 1) * share)] ?? 0;
const browser = await launchChromium();
/** @type {Record<string, { atLoad: number, inAll: number, longest: number, loaded: number }[]>} */
const results = Object.fromEntries(KINDS.map((name) => [name, []]));
for (let turn = 0; turn <= LOADS; turn++) {
  for (kind of KINDS) {
    const context = await browser.newContext();
    const page = await context.newPage();
    await browser.startTracing(page, {
      categories: ["devtools.timeline", "toplevel"],
    });
    await page.goto(`http://shop.localhost:${port()}/`);
    const loaded = await page.evaluate(() => {
      const [entry] = /** @type {PerformanceNavigationTiming[]} */ (
        performance.getEntriesByType("navigation")
      );
      return (entry?.loadEventEnd ?? 0) - (entry?.responseEnd ?? 0);
    });
    await page.waitForTimeout(kind === "device" ? AFTER_MS : 300);
    const trace = JSON.parse((await browser.stopTracing()).toString()).traceEvents;
    await context.close();
    // The first round warms the caches.
    if (turn) results[kind]?.push({ ...ours(trace), loaded });
  }
}
await browser.close();
server.close();

console.log("ms, median (95 %)   snippet        main thread    longest task   load event");
for (const [name, all] of Object.entries(results)) {
  const cell = (/** @type {"atLoad" | "inAll" | "longest" | "loaded"} */ key) => {
    const values = all.map((one) => one[key]);
    return `${quantile(values, 0.5).toFixed(1)} (${quantile(values, 0.95).toFixed(1)})`.padEnd(15);
  };
  console.log(name.padEnd(20) + cell("atLoad") + cell("inAll") + cell("longest") + cell("loaded"));
}
