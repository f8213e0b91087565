/** Are tabs in the background and prerendered pages counted as what they are, in a Chromium that is left alone? */
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { BareChromium } from "../lib/bare-chromium.js";
import { Site } from "./site.js";

const site = new Site();
let chromium: BareChromium;
before(async () => {
  await site.open();
  chromium = await BareChromium.launch();
});
after(async () => {
  await chromium?.close();
  await site.close();
});
beforeEach(() => site.reset());
afterEach(() => assert.deepEqual(site.contractErrors(), []));

const pause = (ms: number) => new Promise((later) => setTimeout(later, ms));
const paths = () =>
  site.stored.flatMap((event) => (event.type === "view" ? [new URL(event.url).pathname] : []));
const tell = (name: string) => (window as { tamga?: { event(name: string): void } }).tamga?.event(name);

test("a page that the browser prerenders is a view when it is opened, and was none before", async () => {
  const rules = JSON.stringify({ prerender: [{ source: "list", urls: ["/next"], eagerness: "immediate" }] });
  site.pages["/"] = { body: `<a href="/next">Next</a><script type="speculationrules">${rules}</script>` };
  const tab = await chromium.tab();
  await tab.goto(`${site.origin}/`);
  await site.until(() => site.requests.includes("shop.localhost/next"), 10_000);
  await pause(1_500);
  assert.deepEqual(paths(), ["/"]);
  await tab.evaluate(() => document.querySelector("a")?.click());
  await site.until(() => paths().length === 2);
  await pause(1_000);
  assert.deepEqual(paths(), ["/", "/next"]);
  assert.equal(site.of("view")[1]?.referrer, `${site.origin}/`);
  assert.equal(
    site.requests.filter((path) => path === "shop.localhost/next").length,
    1,
    "it was prerendered",
  );
  await tab.close();
  // What the pages say when they are left belongs to this test and must not come during the next one.
  await site.until(() => site.of("engage").length >= 2);
});

test("a tab in the background pauses and goes on, and an event of the pause is counted once", async () => {
  const tab = await chromium.tab();
  await tab.goto(`${site.origin}/`);
  await site.until(() => paths().length === 1);
  await tab.evaluate(tell, "before");
  await pause(1_000);
  const other = await chromium.tab();
  await site.until(() => site.of("engage").length === 1);
  const [first] = site.of("engage");
  assert.equal(await tab.evaluate(() => document.visibilityState), "hidden");
  await tab.evaluate(tell, "behind");
  await pause(2_000);
  await other.close();
  await tab.front();
  await tab.evaluate(tell, "after");
  await pause(1_000);
  await tab.close();
  await site.until(() => site.of("engage").length >= 2);
  await pause(500);
  assert.deepEqual(
    site.stored.flatMap((event) => (event.type === "event" ? [event.name] : [])),
    ["before", "behind", "after"],
  );
  const last = site.of("engage").at(-1);
  assert.ok(first && last && last.at - last.engaged_ms >= 2_000, `${JSON.stringify([first, last])}`);
});
