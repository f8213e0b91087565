/**
 * A visit to the demo shop by a real Chromium, for people and for other tests:
 *
 *     node test/browse.mjs [--dwell SECONDS] [--linger SECONDS] [--gpc] [--phone] [--unautomated] URL…
 *
 * Each URL is the base of a shop. The visit goes home → catalog → a filter → a product → cart → checkout → payment → a
 * link to another site, and stays `--dwell` seconds (default 1) on each page, on the first one `--linger` seconds if
 * given. Several URLs are visited one after another by the same browser, so that cookies come back. Nothing but
 * loopback is reached: other hosts are answered with an empty page, and self-signed certificates are accepted.
 *
 * Prints one line of JSON per request to the collector, when its answer is known:
 *
 *     {"kind":"beacon","method":"POST","url":…,"status":202,"outcome":"accepted","view":…,"seq":0,"events":["view"]}
 *     {"kind":"script","method":"GET","url":…,"status":200}
 *     {"kind":"done","pages":8,"beacons":13,"failed":0}
 *
 * With `--unautomated` the browser looks as if no program controlled it, and first prints what it knows of its device:
 * `{"kind":"device",…}`.
 *
 * `status` is 0 when no answer came, and `error` then says why. Over https, requests that
 * continue after their page is closed are not seen, although the collector counts them; over http all are. Exits with 1 if a page of the walk is
 * missing, the snippet did not load, or no beacon was answered with 2xx; with 2 if it was called wrongly.
 */
import { parseArgs } from "node:util";
import { launchChromium } from "./lib/chromium.mjs";
import { isLoopback, startProxy } from "./lib/proxy.mjs";

const USAGE =
  "usage: node test/browse.mjs [--dwell SECONDS] [--linger SECONDS] [--gpc] [--phone] [--unautomated] URL…";
/**
 * When the walk has ended: how long nothing must happen before the browser is closed, and how long to wait at most. A
 * page that is left for another site may send its last beacon after the other page has appeared, and late on a busy
 * machine.
 */
const QUIET_MS = 3_000;
const LONGEST_DRAIN_MS = 12_000;
/** How long a page that is to be left waits for the answer to its view. */
const LONGEST_ANSWER_MS = 5_000;

/** @param {object} line */
const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
/** @param {string} why @param {number} code @returns {never} */
const fail = (why, code) => {
  process.stderr.write(`${why}\n`);
  process.exit(code);
};

function options() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        dwell: { type: "string", default: "1" },
        linger: { type: "string" },
        gpc: { type: "boolean" },
        phone: { type: "boolean" },
        unautomated: { type: "boolean" },
      },
    });
    const dwell = Number(values.dwell) * 1_000;
    const linger = Number(values.linger ?? values.dwell) * 1_000;
    const bases = positionals.map((url) => new URL(url));
    if (!bases.length || !(dwell >= 0) || !(linger >= 0)) {
      throw new Error("no URL, or a time that is not a number");
    }
    const stranger = bases.find(({ hostname }) => !isLoopback(hostname));
    if (stranger)
      throw new Error(`${stranger.hostname} is not on this machine; this tool only visits loopback`);
    const { gpc, phone, unautomated } = values;
    return { bases, dwell, linger, gpc, phone, unautomated };
  } catch (error) {
    return fail(`${error instanceof Error ? error.message : error}\n${USAGE}`, 2);
  }
}

const { bases, dwell, linger, gpc, phone, unautomated } = options();
const proxy = await startProxy((exchange) => report(exchange));
const browser = await launchChromium(proxy.url, { unautomated: unautomated ?? false });
const major = browser.version().split(".")[0];
const context = await browser.newContext({
  ignoreHTTPSErrors: true,
  viewport: phone ? { width: 390, height: 844 } : { width: 1280, height: 800 },
  // A headless browser names itself so, and nothing else would tell it from others.
  ...(unautomated
    ? {
        userAgent: `Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/${major}.0.0.0 Safari/537.36`,
      }
    : {}),
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
let opened = 0;
let views = 0;

/** @param {import("./lib/proxy.mjs").Exchange} exchange */
function report({ body, ...exchange }) {
  const { pathname } = new URL(exchange.url);
  const succeeded = exchange.status >= 200 && exchange.status < 300;
  if (/\/tamga[^/]*\.js$/.test(pathname)) {
    // 304 is a success too: the second visit of a browser that remembers.
    if (succeeded || exchange.status === 304) scripts++;
    print({ kind: "script", ...exchange });
  } else if (exchange.method === "POST" && pathname.endsWith("/beacon")) {
    if (succeeded) counts.beacons++;
    else counts.failed++;
    /** @type {{ view?: string, seq?: number, events?: { type: string }[] }} */
    let beacon = {};
    try {
      beacon = JSON.parse(body);
    } catch {
      // Not JSON: printed without its parts.
    }
    const events = beacon.events?.map(({ type }) => type);
    if (events?.includes("view")) views++;
    print({ kind: "beacon", ...exchange, view: beacon.view, seq: beacon.seq, events });
  }
}

context.on("response", (response) => {
  const request = response.request();
  // The proxy has already reported what goes over http.
  if (!request.url().startsWith("https:")) return;
  const outcome = response.headers()["tamga-outcome"];
  report({
    method: request.method(),
    url: request.url(),
    body: request.postData() ?? "",
    status: response.status(),
    outcome,
  });
});

let problem = "";
try {
  for (const base of bases) await walk(base);
  // The last page's requests may set out a little after it is closed.
  const end = performance.now() + LONGEST_DRAIN_MS;
  let quietSince = performance.now();
  while (performance.now() < Math.min(end, quietSince + QUIET_MS)) {
    if (proxy.pending()) quietSince = performance.now();
    await new Promise((later) => setTimeout(later, 20));
  }
  if (!scripts) problem = "the snippet was not loaded by any page";
  else if (!counts.beacons) problem = "no beacon was answered with 2xx";
} catch (error) {
  problem = error instanceof Error ? error.message : String(error);
}
print({ kind: "done", ...counts });
await browser.close();
proxy.close();
// Playwright adds its call log below the first line.
if (problem) fail(problem.split("\n", 1)[0] ?? "", 1);

/** @param {URL} base */
async function walk(base) {
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const stay = async (time = dwell) => {
    counts.pages++;
    await page.waitForTimeout(time);
  };
  // The cookie that comes with the answer says how many pages there were; who leaves before it stays on the same step.
  const stayInShop = async (time = dwell) => {
    opened++;
    await stay(time);
    const end = performance.now() + LONGEST_ANSWER_MS;
    while (views < opened && performance.now() < end) await page.waitForTimeout(20);
  };
  /** @param {string} selector @param {RegExp} path */
  const follow = async (selector, path) => {
    await page.locator(selector).first().click();
    await page.waitForURL(({ pathname }) => path.test(pathname));
    await stayInShop();
  };
  const home = await page.goto(base.href);
  if (!home?.ok()) throw new Error(`${base.href} answered ${home?.status()}`);
  if (unautomated) print({ kind: "device", ...(await page.evaluate(device)) });
  await stayInShop(linger);
  await follow('nav a[href="/catalog"]', /^\/catalog$/);
  await follow('[data-filter="tea"]', /^\/catalog\/tea$/);
  await follow('main a[href^="/product/"]:visible', /^\/product\//);
  await follow('[data-walk="add"]', /^\/cart$/);
  await follow('[data-walk="checkout"]', /^\/checkout$/);
  await follow('[data-walk="pay"]', /^\/pay\//);
  await page.locator('main a[href^="https://"]').first().click();
  await page.waitForURL(({ hostname }) => !isLoopback(hostname));
  await stay();
  await page.close({ runBeforeUnload: true });
}

/** The browser's own words, by other ways than the snippet's where there are any. */
async function device() {
  const kinds = (await navigator.mediaDevices.enumerateDevices()).map(({ kind }) => kind);
  const hints = await /** @type {any} */ (navigator).userAgentData.getHighEntropyValues([
    "architecture",
    "bitness",
  ]);
  return {
    time_zone: new Intl.DateTimeFormat().resolvedOptions().timeZone,
    languages: navigator.languages.map((tag) => new Intl.Locale(tag).language),
    cpu: `${hints.architecture} ${hints.bitness}`,
    pdf: navigator.pdfViewerEnabled,
    active_x: "ActiveXObject" in window,
    size: [screen.width, screen.height].sort((a, b) => b - a).join("x"),
    depth: screen.colorDepth,
    media_devices: ["audioinput", "audiooutput", "videoinput"].map(
      (kind) => kinds.filter((found) => found === kind).length,
    ),
  };
}
