/**
 * Measures how soon the page is there, in a real Chromium: `node test/paint.mjs ORIGIN PASSWORD DAYS`.
 *
 * ORIGIN is a collector with DAYS days of the numbers of `tests/fixtures/stats/made_up.sql`. Each load has an empty cache. It prints
 * the medians of twenty loads in milliseconds since the begin of the load: of the first paint, and of the moment when tiles and graph
 * are there; for the last thirty days, and for all days.
 */
import { chromium } from "playwright-core";

const LOADS = 20;
const [origin = "", password = "", days = ""] = process.argv.slice(2);

/** @param {number[]} values */
const median = (values) => Math.round(values.sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN);

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
const first = await browser.newContext();
const door = await first.newPage();
await door.goto(`${origin}/stats`);
await door.fill("#name", "aigerim");
await door.fill("#password", password);
await door.click("button[type=submit]");
await door.waitForSelector(".controls");
const storageState = await first.storageState();
const day = (/** @type {number} */ ago) => new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 10);

for (const [period, query] of [
  ["the last thirty days", ""],
  [`all ${days} days`, `&from=${day(Number(days))}&to=${day(0)}&compare=no`],
]) {
  /** @type {[number[], number[]]} */
  const [painted, shown] = [[], []];
  for (let at = 0; at < LOADS; at++) {
    const context = await browser.newContext({ storageState, viewport: { width: 1440, height: 900 } });
    const page = await context.newPage();
    await page.goto(`${origin}/stats?site=s9.kz${query}`);
    const numbers = await page.waitForFunction(
      () =>
        Boolean(document.querySelector(".tile") && document.querySelector(".graph canvas")) &&
        performance.now(),
      undefined,
      { polling: "raf" },
    );
    shown.push(Number(await numbers.jsonValue()));
    painted.push(
      await page.evaluate(
        () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? Number.NaN,
      ),
    );
    await context.close();
  }
  console.log(`${period}: painted after ${median(painted)} ms, tiles and graph after ${median(shown)} ms`);
}
await browser.close();
