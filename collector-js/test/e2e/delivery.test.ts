/** Does what happened arrive: while the page is left, when the collector is down, from several tabs at once? */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { Page } from "playwright-core";
import { World } from "./world.js";

let world: World;
before(async () => {
  world = await World.create();
});
after(() => world?.close());
afterEach(() => assert.deepEqual(world.contractErrors(), []));

/** Opens the page for a while and closes it. Returns what it reported. */
async function visit(page: Page, ms = 0) {
  await page.goto(`${world.origin}/`);
  await world.until(() => world.of("view").length === 1);
  await page.waitForTimeout(ms);
  await page.close({ runBeforeUnload: true });
  await world.until(() => world.of("engage").length === 1);
  return world.of("engage")[0];
}

test("closing the page sends the engaged time", async () => {
  const page = await world.visitor();
  const engage = await visit(page, 500);
  assert.ok(engage && engage.engaged_ms >= 450 && engage.engaged_ms <= engage.at, JSON.stringify(engage));
  const { headers, beacon } = world.received.at(-1) ?? {};
  assert.equal(headers?.["sec-fetch-mode"], "cors");
  assert.equal(headers?.["content-type"], "text/plain;charset=UTF-8");
  assert.equal(beacon?.seq, 1);
  assert.equal(beacon?.view, world.received[0]?.beacon.view);
});

test("no view has engaged more time than has passed, however slowly its beginning runs", async () => {
  const page = await world.visitor((context) =>
    context.addInitScript(() => {
      const now = performance.now.bind(performance);
      let late = 0;
      // Until the page is loaded, the machine is taken away between any two readings of the clock.
      performance.now = () => {
        if (document.readyState !== "complete") late += 20;
        return now() + late;
      };
    }),
  );
  const engage = await visit(page, 100);
  assert.ok(engage && engage.engaged_ms >= 50 && engage.engaged_ms <= engage.at, JSON.stringify(engage));
});

test("leaving a page whose referrer policy is no-referrer still names its origin", async () => {
  const page = await world.visitor();
  world.pages["/"] = { headers: { "Referrer-Policy": "no-referrer" } };
  await visit(page);
  assert.deepEqual(
    world.received.map(({ headers }) => headers.origin),
    [world.origin, world.origin],
  );
});

test("an exit by which the page is left arrives", async () => {
  const page = await world.visitor();
  world.pages["/"] = { body: `<a href="${world.elsewhere}/">Away</a>` };
  await page.goto(`${world.origin}/`);
  await world.until(() => world.of("view").length === 1);
  await page.getByText("Away").click();
  await world.until(() => world.of("exit").length === 1 && world.of("engage").length === 1);
  assert.equal(world.received.length, 2, "exit and engaged time share a beacon");
});

test("503 is retried after Retry-After with the same view and seq, and each beacon is accepted exactly once", async () => {
  const page = await world.visitor();
  world.answers = [{ status: 503, headers: { "Retry-After": "1" } }];
  await page.goto(`${world.origin}/`);
  await world.until(() => world.received.length === 2);
  await page.evaluate(() => (window as { tamga?: { event(name: string): void } }).tamga?.event("pay"));
  await world.until(() => world.received.length === 3);
  assert.deepEqual(
    world.received.map(({ beacon, status }) => [beacon.seq, status]),
    [
      [0, 503],
      [0, 202],
      [1, 202],
    ],
  );
  assert.equal(new Set(world.received.slice(0, 2).map(({ beacon }) => JSON.stringify(beacon))).size, 1);
  assert.ok((world.received[1]?.ms ?? 0) - (world.received[0]?.ms ?? 0) >= 1_000);
});

test("parallel tabs of a new visitor wait for the first answer, so that one cookie is given", async () => {
  const page = await world.visitor();
  world.answers = [{ delayMs: 400 }];
  const tabs = await Promise.all([page.context().newPage(), page.context().newPage()]);
  await Promise.all([page, ...tabs].map((tab) => tab.goto(`${world.origin}/`)));
  await world.until(() => world.of("view").length === 3);
  assert.deepEqual(
    world.received.map(({ headers }) => headers.cookie),
    [undefined, "tamga-test=1", "tamga-test=1"],
  );
});

test("a collector that hangs in one tab holds the others up for three seconds only", async () => {
  const page = await world.visitor();
  world.answers = [{ delayMs: 8_000 }];
  await page.goto(`${world.origin}/one`);
  await world.until(() => world.received.length === 1);
  const other = await page.context().newPage();
  await other.goto(`${world.origin}/two`);
  await world.until(() => world.of("view").some(({ url }) => url.endsWith("/two")), 4_500);
});
