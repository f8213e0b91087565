/**
 * A visit to the demo shop by a real Chromium, for people and for other tests:
 *
 *     node test/browse.mjs [--dwell SECONDS] [--gpc] [--phone] URL…
 *
 * Each URL is the base of a shop. The visit goes home → catalog → a filter → a product → cart → checkout → payment →
 * a link to another site, and stays `--dwell` seconds (default 1) on each page. Several URLs are visited one after another
 * by the same browser, so that cookies come back. Nothing but loopback is reached: other hosts are answered with an
 * empty page, and self-signed certificates are accepted.
 *
 * Prints one line of JSON per request to the collector, when its answer is known:
 *
 *     {"kind":"beacon","method":"POST","url":…,"status":202,"outcome":"accepted","view":…,"seq":0,"events":["view"]}
 *     {"kind":"script","method":"GET","url":…,"status":200}
 *     {"kind":"done","pages":8,"beacons":13,"failed":0}
 *
 * `status` is 0 when no answer came (`error` says why, in the browser's words). Exits with 1 if a page of the walk is
 * missing, the snippet did not load, or no beacon was answered with 2xx; with 2 if it was called wrongly.
 */
import { parseArgs } from "node:util";
import { launchChromium } from "./lib/chromium.mjs";

const USAGE = "usage: node test/browse.mjs [--dwell SECONDS] [--gpc] [--phone] URL…";
/** How long answers to the last beacons may take after the walk has ended. */
const DRAIN_MS = 5_000;

/** @param {object} line */
const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
/** @param {string} why @param {number} code @returns {never} */
const fail = (why, code) => {
  process.stderr.write(`${why}\n`);
  process.exit(code);
};

/** @param {string} host */
const isLoopback = (host) => /(^|\.)localhost$|^127\.|^\[::1\]$/.test(host);

function options() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        dwell: { type: "string", default: "1" },
        gpc: { type: "boolean" },
        phone: { type: "boolean" },
      },
    });
    const dwell = Number(values.dwell) * 1_000;
    const bases = positionals.map((url) => new URL(url));
    if (!bases.length || !(dwell >= 0)) throw new Error("no URL, or a dwell that is not a number");
    const stranger = bases.find(({ hostname }) => !isLoopback(hostname));
    if (stranger)
      throw new Error(`${stranger.hostname} is not on this machine; this tool only visits loopback`);
    return { bases, dwell, gpc: values.gpc, phone: values.phone };
  } catch (error) {
    return fail(`${error instanceof Error ? error.message : error}\n${USAGE}`, 2);
  }
}

const { bases, dwell, gpc, phone } = options();
const browser = await launchChromium();
const context = await browser.newContext({
  ignoreHTTPSErrors: true,
  viewport: phone ? { width: 390, height: 844 } : { width: 1280, height: 800 },
  // The header is what the collector sees, the property below what the snippet sees.
  ...(gpc ? { extraHTTPHeaders: { "Sec-GPC": "1" } } : {}),
});
if (gpc) {
  await context.addInitScript(() =>
    Object.defineProperty(navigator, "globalPrivacyControl", { value: true }),
  );
}
await context.route(
  ({ hostname }) => !isLoopback(hostname),
  (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html><title>Another site</title>" }),
);

const counts = { pages: 0, beacons: 0, failed: 0 };
let scripts = 0;
let waiting = 0;

/** @param {import("playwright-core").Request} request */
const kindOf = (request) => {
  const { pathname } = new URL(request.url());
  if (request.method() === "POST" && pathname.endsWith("/beacon")) return "beacon";
  return /\/tamga[^/]*\.js$/.test(pathname) ? "script" : undefined;
};

/** @param {import("playwright-core").Request} request @param {object} answer */
const report = (request, answer) => {
  const kind = kindOf(request);
  const line = { kind, method: request.method(), url: request.url(), ...answer };
  if (kind === "script") return print(line);
  /** @type {{ view?: string, seq?: number, events?: { type: string }[] }} */
  let body = {};
  try {
    body = request.postDataJSON() ?? {};
  } catch {
    // Not JSON: printed without its parts.
  }
  print({ ...line, view: body.view, seq: body.seq, events: body.events?.map(({ type }) => type) });
};

context.on("request", (request) => {
  if (kindOf(request)) waiting++;
});
context.on("response", async (response) => {
  const kind = kindOf(response.request());
  if (!kind) return;
  const ok = response.ok();
  if (kind === "beacon") ok ? counts.beacons++ : counts.failed++;
  else if (ok) scripts++;
  report(response.request(), { status: response.status(), outcome: response.headers()["tamga-outcome"] });
  waiting--;
});
context.on("requestfailed", async (request) => {
  // A request whose answer has come may still be told as failed when its page is gone.
  if (!kindOf(request) || (await request.response().catch(() => null))) return;
  if (kindOf(request) === "beacon") counts.failed++;
  report(request, { status: 0, error: request.failure()?.errorText });
  waiting--;
});

let problem = "";
try {
  for (const base of bases) await walk(base);
  const end = performance.now() + DRAIN_MS;
  while (waiting > 0 && performance.now() < end) await new Promise((later) => setTimeout(later, 20));
  if (!scripts) problem = "the snippet was not loaded by any page";
  else if (!counts.beacons) problem = "no beacon was answered with 2xx";
} catch (error) {
  problem = error instanceof Error ? error.message : String(error);
}
print({ kind: "done", ...counts });
await browser.close();
if (problem) fail(problem, 1);

/** @param {URL} base */
async function walk(base) {
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const stay = async () => {
    counts.pages++;
    await page.waitForTimeout(dwell);
  };
  /** @param {string} selector @param {RegExp} path */
  const follow = async (selector, path) => {
    await page.locator(selector).first().click();
    await page.waitForURL(({ pathname }) => path.test(pathname));
    await stay();
  };
  const home = await page.goto(base.href);
  if (!home?.ok()) throw new Error(`${base.href} answered ${home?.status()}`);
  await stay();
  await follow('nav a[href="/catalog"]', /^\/catalog$/);
  await follow('[data-filter="tea"]', /^\/catalog\/tea$/);
  await follow('main a[href^="/product/"]:visible', /^\/product\//);
  await follow('[data-walk="add"]', /^\/cart$/);
  await follow('[data-walk="checkout"]', /^\/checkout$/);
  await follow('[data-walk="pay"]', /^\/pay\//);
  await page.locator('main a[href^="https://"]').first().click();
  await page.waitForURL(({ hostname }) => !isLoopback(hostname));
  counts.pages++;
  await page.close({ runBeforeUnload: true });
}
