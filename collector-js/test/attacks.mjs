/**
 * What a script on the site's own pages can try to learn who the visitor is, in a real Chromium:
 *
 *     node test/attacks.mjs COLLECTOR SITE
 *
 * Both are origins on loopback, such as `http://t.shop.localhost:8080` and `http://shop.localhost:9000`; the collector
 * runs, and this program is the site's server. The script of the page is hostile: it runs every attack below and
 * reports all that it could see. An attack succeeds if that contains the visitor's identifier, as text, base64 or hex.
 *
 * The site sets a cookie for the whole domain, so browsers also send it to the collector. Its value
 * is printed, so that the caller can look for it where it must not be.
 *
 * Prints one line of JSON per attack, `{"attack":…,"succeeded":false,"seen":123}`, `seen` being the characters that the
 * script could see, and a last one with `attacks`, `succeeded`, how often the site's server received the collector's
 * cookie, and whether the control, a cookie that scripts may read, was found. Exits with 1 if anything is not as it
 * should be.
 */
import { createServer } from "node:http";
import { BY_PAGE } from "./lib/attacks_by_page.mjs";
import { BY_REQUEST } from "./lib/attacks_by_request.mjs";
import { launchChromium } from "./lib/chromium.mjs";

/** How long an attack may take; what hangs has seen nothing. */
const PATIENCE_MS = 3_000;
const CANARY = "sitesecret7f3a9c";

const [collector, site] = process.argv.slice(2).map((url) => new URL(url ?? "").origin);
if (!collector || !site) {
  process.stderr.write("usage: node test/attacks.mjs COLLECTOR SITE\n");
  process.exit(2);
}
const domain = new URL(site).hostname;

/** @param {object} line */
const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

// --- the site's own server -------------------------------------------------------------------------------------------

/** All heads that the site's server received. @type {string[]} */
const received = [];
const PAGE = `<!doctype html><title>Shop</title><script defer src="${collector}/tamga.js" data-site="${domain}"></script>`;
const FETCHER = `const run = async (c) => { const out = []; for (const path of c.paths) for (const credentials of ["include", "omit"]) {
  try { const r = await fetch(c.collector + path, { credentials }); out.push([...r.headers], await r.text()); } catch (e) { out.push(String(e)); } }
  try { const r = await fetch(c.collector + "/v1/beacon", { method: "POST", credentials: "include", body: c.body }); out.push([...r.headers], await r.text()); } catch (e) { out.push(String(e)); }
  return out; };`;
/** @type {Record<string, string>} */
const SCRIPTS = {
  "/worker.js": `${FETCHER} onmessage = async (e) => postMessage(await run(e.data));`,
  "/shared.js": `${FETCHER} onconnect = (e) => { const p = e.ports[0]; p.onmessage = async (m) => p.postMessage(await run(m.data)); };`,
  "/sw.js": `oninstall = () => skipWaiting(); onactivate = (e) => e.waitUntil(clients.claim());
    onfetch = (e) => { if (!e.request.url.includes("/v1/")) return;
      e.respondWith((async () => { const r = await fetch(e.request); const all = await clients.matchAll();
        const seen = [[...e.request.headers], [...r.headers], r.type, await r.clone().text().catch(String)];
        for (const c of all) c.postMessage(seen); return r; })()); };`,
};
const server = createServer((request, response) => {
  received.push(`${request.url} ${request.rawHeaders.join(" ")}`);
  const path = (request.url ?? "/").split("?", 1)[0] ?? "/";
  if (path === "/redirect") {
    response.writeHead(307, {
      location: `${collector}/v1/beacon`,
      "access-control-allow-origin": site,
      "access-control-allow-credentials": "true",
    });
    response.end();
    return;
  }
  const script = SCRIPTS[path];
  response.writeHead(200, { "content-type": script ? "text/javascript" : "text/html" });
  response.end(script ?? PAGE);
});
await new Promise((listening) =>
  server.listen(Number(new URL(site).port), "127.0.0.1", () => listening(null)),
);

const PATHS = [
  "/",
  "/tamga.js",
  "/v1/beacon",
  `/v1/count.gif?site=${domain}&url=${encodeURIComponent(site)}`,
  "/privacy",
  "/v1/privacy/me",
  "/v1/verdict",
  "/.well-known/gpc.json",
  "/healthz",
  "/metrics",
  "/stats",
  "/openapi.json",
  "/nothing-here",
];

const ATTACKS = [...BY_REQUEST, ...BY_PAGE];

// --- the run
// -----------------------------------------------------------------------------------------------------------

const browser = await launchChromium();
const context = await browser.newContext();
let number = 0;
function beacon() {
  const view = Buffer.alloc(16);
  view.writeUInt32LE(++number, 0);
  const events = [{ type: "view", at: 0, url: `${site}/` }];
  return JSON.stringify({ v: 1, site: domain, view: view.toString("base64url"), seq: 0, events });
}

const page = await context.newPage();
await page.goto(site);
// The site's own secret, for the whole domain, out of reach of scripts; and the control, which is not.
await context.addCookies([
  { name: "session", value: CANARY, domain: `.${domain}`, path: "/", httpOnly: true },
  { name: "control", value: `control${CANARY}`, domain: `.${domain}`, path: "/" },
]);
for (let turn = 0; turn < 2; turn++) {
  await page.reload();
  await page.waitForTimeout(400);
}
const name = `tamga-${domain}`;
const held = async () => (await context.cookies(collector)).find((cookie) => cookie.name === name);
const cookie = await held();
let problem =
  cookie?.httpOnly && cookie.sameSite === "Strict" ? "" : "the collector set no cookie, or one within reach";

/** Everything of the cookies in every form in which it could leak. It is encrypted, and changes with the visit. */
const needles = new Set();
const remember = async () => {
  const value = (await held())?.value ?? "";
  if (!value) problem ||= "the browser lost its cookie during the run";
  const bytes = Buffer.from(value, "base64url");
  needles.add(value.slice(4, 20));
  needles.add(bytes.toString("hex").slice(8, 40));
  needles.add(bytes.toString("base64").slice(0, 20));
};
await remember();
/** @param {string} text */
const leaks = (text) => [...needles].some((needle) => text.toLowerCase().includes(needle.toLowerCase()));

/** @type {{ attack: string, seen: string }[]} */
const results = [];
for (const [attack, act] of ATTACKS) {
  const target = await context.newPage();
  await target.goto(site);
  const given = { collector, site, domain, paths: PATHS, body: beacon(), long: "x".repeat(70_000) };
  const seen = await Promise.race([
    target.evaluate(/** @type {any} */ (act), given).then(
      (result) => JSON.stringify(result) ?? "",
      (error) => String(error),
    ),
    new Promise((late) => setTimeout(late, PATIENCE_MS, "")),
  ]);
  results.push({ attack, seen });
  await target.close();
  await remember();
}
let succeeded = 0;
for (const { attack, seen } of results) {
  const success = leaks(seen);
  succeeded += Number(success);
  print({ attack, succeeded: success, seen: seen.length });
}
const control = (await page.evaluate(() => document.cookie)).includes(`control${CANARY}`);
if (!control) problem ||= "the control was not found, so the search proves nothing";
const leaked = received.filter((head) => head.includes(name) || leaks(head)).length;
const own = received.filter((head) => head.includes(CANARY)).length;
if (!own) problem ||= "the site's server did not even get its own cookie";
print({
  attacks: ATTACKS.length,
  succeeded,
  leaked,
  requests: received.length,
  control,
  canary: CANARY,
  cookie: cookie?.value,
});
await browser.close();
server.close();
if (succeeded || leaked) problem ||= "the identifier was seen";
if (problem) {
  process.stderr.write(`${problem}\n`);
  process.exit(1);
}
