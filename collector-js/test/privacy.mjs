/**
 * Visitors who look at their own rows, in a real Chromium and a real Firefox, on a real collector:
 *
 *     node test/privacy.mjs COLLECTOR SITE
 *
 * COLLECTOR and SITE are origins on loopback, such as `http://t.shop.localhost:8080` and `http://shop.localhost:9000`; this
 * program is the site's server. In each browser two visitors are there at once, and each opens a page of its own. Each must see its
 * own rows and none of the other's, on the page and as JSON, also when the page is opened from another site. Then the first has its rows
 * erased and the second objects, takes that back, and comes again. In Chromium axe-core looks at the page in all languages and themes.
 *
 * Prints the pages whose rows must be gone and those whose rows must be there: `{"gone":[…],"there":[…]}`.
 */
import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";
import { launchChromium } from "./lib/chromium.mjs";

const [collector = "", site = ""] = process.argv.slice(2);
const domain = new URL(site).hostname;
const privacy = `${collector}/privacy`;
const docs = site.replace(domain, `docs.${domain}`);
const mail = site.replace(domain, "mail.localhost");
const PATIENCE_MS = 120_000;
const axe = readFileSync(
  createRequire(new URL("../../stats-page/package.json", import.meta.url)).resolve("axe-core/axe.min.js"),
  "utf8",
);

/** The pages that were served, and a mail with a link. */
const server = createServer((request, response) => {
  response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
  response.end(
    request.headers.host?.startsWith("mail")
      ? `<!doctype html><title>Mail</title><a id="link" href="${privacy}?lang=en">Your data</a>`
      : `<!doctype html><title>Shop</title><script defer src="${collector}/tamga.js" data-site="${domain}"></script>`,
  );
});
await new Promise((listening) =>
  server.listen(Number(new URL(site).port), "127.0.0.1", () => listening(null)),
);

/**
 * A tab of one visitor: goes to a page, and runs a function in it.
 * @typedef {{ goto(url: string): Promise<unknown>, evaluate<R, A>(run: (arg: A) => R, arg?: A): Promise<Awaited<R>> }} Tab
 */

/** @template T @param {() => Promise<T | undefined | false | null | "">} look @param {string} what @returns {Promise<T>} */
async function until(look, what) {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    // A document that is being replaced answers with an error.
    const found = await look().catch(() => undefined);
    if (found) return found;
    if (performance.now() > end) throw new Error(`not in time: ${what}`);
    await new Promise((later) => setTimeout(later, 200));
  }
}

/** @param {Tab} tab */
const text = (tab) => tab.evaluate(() => document.querySelector("main")?.textContent ?? "");
/** What the page says of the rows. @param {Tab} tab */
const rows = (tab) => tab.evaluate(() => document.querySelector("#held")?.textContent ?? "");
/** @param {Tab} tab @param {string} path */
const visit = async (tab, path) => {
  await tab.goto(`${site}${path}`);
  await until(async () => {
    await tab.goto(`${privacy}?lang=en`);
    return (await rows(tab)).includes(path);
  }, `the row of ${path}`);
};
/** @param {Tab} tab @param {string} action @param {string} state */
const press = async (tab, action, state) => {
  await tab.goto(`${privacy}?lang=en`);
  await tab.evaluate(
    ({ action, state }) =>
      /** @type {HTMLElement} */ (
        document.querySelector(`form[action$="${action}"] [value="${state}"]`)
      ).click(),
    { action, state },
  );
  await until(async () => tab.evaluate(() => document.querySelector("[role=status]")?.textContent), state);
};

/**
 * A page of a browser that objected. Its cookie says that the collector has answered so.
 * @param {Tab} tab @param {string} url
 */
const silent = async (tab, url) => {
  await tab.goto(url);
  await until(() => tab.evaluate(() => document.cookie.includes("tamga-off=1")), `silence on ${url}`);
};

/**
 * `further` opens other tabs of the second visitor's browser, also of one that was started again.
 * @param {string} name @param {Tab} one @param {Tab} other @param {() => Promise<Tab[]>} further
 */
async function visitors(name, one, other, further) {
  const [first, second, again] = [`/${name}-first`, `/${name}-second`, `/${name}-again`];
  await Promise.all([visit(one, first), visit(other, second)]);
  for (const [tab, own, foreign] of /** @type {[Tab, string, string][]} */ ([
    [one, first, second],
    [other, second, first],
  ])) {
    assert.ok(!(await text(tab)).includes(foreign), `${name}: rows of another visitor`);
    // The page's policy allows no request of a script; another document of this host has none.
    await tab.goto(`${collector}/privacy.css`);
    const json = await tab.evaluate(() => fetch("/v1/privacy/me").then((answer) => answer.text()));
    const said = JSON.parse(json);
    assert.equal(said.complete, true);
    assert.ok(json.includes(own) && !json.includes(foreign), json);
    const tables = new Set(said.rows.map((/** @type {{ table: string }} */ row) => row.table));
    // A headless Chromium is suspect: of it only events are kept.
    assert.ok(tables.has("events") && tables.has("attributes") === (name === "firefox"), json);
    assert.ok(!/"(visitor|visit|view|batch|digest)"/.test(json.replaceAll('"type":"view"', "")), json);
  }
  // From a mail the cookie is withheld; one step brings it.
  await one.goto(mail);
  await one.evaluate(() => /** @type {HTMLElement} */ (document.querySelector("#link")).click());
  await until(async () => (await rows(one)).includes(first), `${name}: from a mail`);
  // Another site gets nothing.
  await one.goto(mail);
  const stolen = await one.evaluate(
    (url) =>
      fetch(url, { credentials: "include" }).then(
        (answer) => answer.text(),
        () => "refused",
      ),
    `${collector}/v1/privacy/me`,
  );
  assert.equal(stolen, "refused");

  await press(one, "erase", "all");
  await one.goto(`${privacy}?lang=en`);
  assert.match(await rows(one), /finds nothing/);
  await press(other, "object", "made");
  await silent(other, `${site}/${name}-silent`);
  const tabs = await further();
  for (const tab of tabs) await silent(tab, `${docs}/${name}-silent`);
  for (const tab of [other, ...tabs]) {
    await tab.goto(`${privacy}?lang=en`);
    assert.match(await text(tab), /You have objected/);
  }
  await press(other, "object", "withdrawn");
  // The site's page remembers the objection for a day in a cookie of its own.
  await other.goto(site);
  await other.evaluate(() => {
    // biome-ignore lint/suspicious/noDocumentCookie: as a visitor deletes it.
    document.cookie = "tamga-off=; Max-Age=0; Path=/";
  });
  await visit(other, again);
  return { gone: [first, second, `/${name}-silent`], there: [again] };
}

const chromium = await launchChromium();
const [one, other] = await Promise.all(
  [0, 1].map(() => chromium.newContext().then((context) => context.newPage())),
);
if (!one || !other) throw new Error("two pages were opened");
const errors = /** @type {string[]} */ ([]);
for (const page of [one, other]) page.on("pageerror", (error) => errors.push(String(error)));

/** axe-core comes through the debugger, which the page's policy does not bind. */
await visit(/** @type {Tab} */ (/** @type {unknown} */ (other)), "/audited");
for (const lang of ["kk", "ru", "en"]) {
  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    await other.emulateMedia({ colorScheme });
    await other.goto(`${privacy}?lang=${lang}`);
    assert.equal(
      await other
        .locator("#held td")
        .count()
        .then((cells) => cells > 0),
      true,
    );
    await other.evaluate(axe);
    /** @type {{ violations: any[] }} */
    const { violations } = await other.evaluate(() => /** @type {any} */ (globalThis).axe.run());
    const found = violations.map((/** @type {any} */ { id, nodes }) => `${id}: ${nodes[0].html}`);
    assert.deepEqual(found, [], `${lang}, ${colorScheme}`);
  }
}
await other.setViewportSize({ width: 320, height: 700 });
for (const lang of ["kk", "ru", "en"]) {
  await other.goto(`${privacy}?lang=${lang}`);
  const [page, table, card] = await other.evaluate(() => {
    const right = (/** @type {string} */ selector) =>
      document.querySelector(selector)?.getBoundingClientRect().right ?? Number.NaN;
    return [document.documentElement.scrollWidth, right("#held table"), right("#held")];
  });
  assert.ok(page <= 320 && table < card, `${lang} at 320 px: ${page}, ${table}, ${card}`);
}
await other.context().clearCookies();

const inChromium = await visitors(
  "chromium",
  /** @type {Tab} */ (/** @type {unknown} */ (one)),
  /** @type {Tab} */ (/** @type {unknown} */ (other)),
  async () => {
    // A restart forgets what has no end of its own.
    const kept = (await other.context().cookies(collector)).filter(({ expires }) => expires > 0);
    const again = await chromium.newContext();
    await again.addCookies(kept);
    const pages = [await other.context().newPage(), await again.newPage()];
    return /** @type {Tab[]} */ (/** @type {unknown} */ (pages));
  },
);
assert.deepEqual(errors, []);
await chromium.close();

const outfile = new URL(`../.test-build/firefox-${process.pid}.mjs`, import.meta.url).pathname;
await build({
  entryPoints: [new URL("lib/firefox.ts", import.meta.url).pathname],
  bundle: true,
  format: "esm",
  platform: "node",
  packages: "external",
  outfile,
  logLevel: "error",
});
const { Firefox } = await import(pathToFileURL(outfile).href);
rmSync(outfile);
const firefoxes = await Promise.all([0, 1].map(() => Firefox.launch()));
const tabs = await Promise.all(firefoxes.map((firefox) => firefox.tab()));
const inFirefox = await visitors("firefox", tabs[0], tabs[1], async () => [await firefoxes[1].tab()]);
await Promise.all(firefoxes.map((firefox) => firefox.close()));

server.close();
const all = [inChromium, inFirefox];
process.stdout.write(
  `${JSON.stringify({ gone: all.flatMap(({ gone }) => gone), there: all.flatMap(({ there }) => there) })}\n`,
);
