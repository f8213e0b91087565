/**
 * Visitors who go from page to page, in a real Chromium on a real collector:
 *
 *     node test/navigate.mjs COLLECTOR SITE VISITORS PAGES
 *
 * COLLECTOR and SITE are origins on loopback, such as `http://t.shop.localhost:8080` and `http://shop.localhost:9000`; the
 * collector runs, and this program is the site's server. Each visitor has a fresh profile, opens PAGES pages through
 * links, and leaves each one once the collector has answered its view. The last beacon of a page that is left and the
 * view of the next one then travel side by side. The first page sets a cookie of the whole domain, `city=Алматы`, which
 * Chromium also sends to the collector, as raw UTF-8.
 *
 * At the end the last visitor objects, loses the snippet's mirror of the objection, and opens one more page. Then come two
 * more who are counted on a page, and change their mind on the next: one refuses, one switches Global Privacy Control on.
 *
 * Prints `{"views":…,"objected":"off","afterwards":"off","city":true,"refused":[1,0],"gpc":[1,0]}`: the views of the first
 * visitors that were answered, what the collector said of the objection and of the page after it, whether the site's
 * cookie travelled, and how many cookies of the collector the last two had before and after.
 */
import { createServer } from "node:http";
import { launchChromium } from "./lib/chromium.mjs";

const [collector = "", site = "", visitors = "1", pages = "10"] = process.argv.slice(2);
const domain = new URL(site).hostname;
const PAGE = `<!doctype html><title>Shop</title><script defer src="${collector}/tamga.js" data-site="${domain}"></script>
<a href="/next">Next</a>`;
const server = createServer((_, response) => {
  response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
  response.end(PAGE);
});
await new Promise((listening) =>
  server.listen(Number(new URL(site).port), "127.0.0.1", () => listening(null)),
);
const browser = await launchChromium();

/** @param {import("playwright-core").Page} page @param {string} type */
const answer = async (page, type) => {
  const response = await page.waitForResponse(
    (response) =>
      response.url() === `${collector}/v1/beacon` &&
      (response.request().postData() ?? "").includes(`"type":"${type}"`),
  );
  city ||= `${(await response.request().allHeaders()).cookie}`.includes("city=");
  return response.headers()["tamga-outcome"];
};

let views = 0;
let city = false;
let objected;
let afterwards;
for (let visitor = 1; visitor <= Number(visitors); visitor++) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const viewed = answer(page, "view");
  await page.goto(site);
  await viewed;
  views++;
  await page.evaluate((domain) => {
    // biome-ignore lint/suspicious/noDocumentCookie: pages of real sites write it so, in any encoding.
    document.cookie = `city=Алматы; Domain=${domain}; Path=/`;
  }, domain);
  for (let number = 1; number < Number(pages); number++) {
    const next = answer(page, "view");
    await page.getByText("Next").click();
    await next;
    views++;
  }
  if (visitor === Number(visitors)) {
    const objection = answer(page, "object");
    await page.evaluate("tamga.object()");
    objected = await objection;
    await context.clearCookies({ domain, name: "tamga-off" });
    const last = answer(page, "view");
    await page.goto(site);
    afterwards = await last;
  }
  await context.close();
}
/** @param {string} name @param {string} type @param {(page: import("playwright-core").Page) => Promise<unknown>} change */
async function changesMind(name, type, change) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const cookies = async () =>
    (await context.cookies(collector)).filter(({ domain }) => domain.includes(new URL(collector).hostname))
      .length;
  const first = answer(page, "view");
  await page.goto(site);
  await first;
  const before = await cookies();
  const said = answer(page, type);
  await change(page);
  await said;
  changed[name] = [before, await cookies()];
  await context.close();
}
/** @type {Record<string, number[]>} */
const changed = {};
await changesMind("refused", "consent", async (page) => {
  const next = answer(page, "view");
  await page.getByText("Next").click();
  await next;
  await page.evaluate('tamga.consent("denied")');
});
await changesMind("gpc", "view", async (page) => {
  await page.context().setExtraHTTPHeaders({ "Sec-GPC": "1" });
  await page.addInitScript(() => Object.defineProperty(navigator, "globalPrivacyControl", { value: true }));
  await page.getByText("Next").click();
});
await browser.close();
server.close();
process.stdout.write(`${JSON.stringify({ views, objected, afterwards, city, ...changed })}\n`);
