/** Is nothing sent that the visitor has not agreed to, or has objected to? */
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

/** Until the page knows that a collector has heard the objection. */
const confirmed = (page: Page) => page.waitForFunction(() => document.cookie.includes("tamga-off=1"));

test("objecting says so once, forgets what waited, and keeps later pages silent", async () => {
  const page = await world.visitor();
  await page.goto(`${world.origin}/`);
  await world.until(() => world.received.length === 1);
  world.answers = [{ headers: { "Tamga-Outcome": "off" } }];
  await page.evaluate(() => {
    const { tamga } = window as unknown as { tamga: { event(name: string): void; object(): void } };
    tamga.event("waits");
    tamga.object();
    tamga.event("ignored");
    history.pushState({}, "", "/next");
  });
  await confirmed(page);
  await page.goto(`${world.origin}/later`);
  await world.quiet();
  assert.deepEqual(
    world.events.map(({ type }) => type),
    ["view", "object"],
  );
  const [mirror] = await page.context().cookies(world.origin);
  assert.deepEqual([mirror?.name, mirror?.value, mirror?.sameSite], ["tamga-off", "1", "Strict"]);
  const days = ((mirror?.expires ?? 0) - Date.now() / 1_000) / 86_400;
  assert.ok(days > 0.9 && days < 1.1, `${days} days`);
});

test("an objection that no collector has heard is repeated by the next page, which sends nothing else", async () => {
  const page = await world.visitor();
  world.answers = [{}, { status: 400 }];
  await page.goto(`${world.origin}/`);
  await world.until(() => world.received.length === 1);
  await page.evaluate(() => (window as unknown as { tamga: { object(): void } }).tamga.object());
  await world.until(() => world.received.length === 2);
  world.answers = [{ headers: { "Tamga-Outcome": "off" } }];
  await page.goto(`${world.origin}/next`);
  await confirmed(page);
  await page.goto(`${world.origin}/last`);
  await world.quiet();
  assert.deepEqual(
    world.events.map(({ type }) => type),
    ["view", "object", "object"],
  );
});

test("outcome off, from an objection made elsewhere, silences this page and the next", async () => {
  const page = await world.visitor();
  world.answers = [{ headers: { "Tamga-Outcome": "off" } }];
  await page.goto(`${world.origin}/`);
  await confirmed(page);
  await page.evaluate(() => history.pushState({}, "", "/next"));
  await page.evaluate(() =>
    (window as unknown as { tamga: { consent(s: string): void } }).tamga.consent("granted"),
  );
  await page.goto(`${world.origin}/later`);
  await world.quiet();
  assert.equal(world.received.length, 1);
});

test("Global Privacy Control leaves the bare view: no referrer, no time, no exit, no event", async () => {
  const page = await world.visitor((context) =>
    context.addInitScript(() => {
      Object.defineProperty(navigator, "globalPrivacyControl", { value: true });
    }),
  );
  world.pages["/"] = { body: `<a href="/next">Next</a>` };
  world.pages["/next"] = { body: `<a href="${world.elsewhere}/">Away</a>` };
  await page.goto(`${world.origin}/`);
  await world.until(() => world.received.length === 1);
  await page.getByText("Next").click();
  await world.until(() => world.received.length === 2);
  await page.evaluate(() => (window as { tamga?: { event(name: string): void } }).tamga?.event("pay"));
  await page.getByText("Away").click();
  await world.quiet();
  assert.deepEqual(world.events, [
    { type: "view", at: 0, url: `${world.origin}/` },
    { type: "view", at: 0, url: `${world.origin}/next` },
  ]);
});

test("data-consent=wait says nothing but a refusal until consent, then reports the open page, and falls silent when it is denied", async () => {
  const page = await world.visitor();
  world.pages["/"] = { attributes: 'data-consent="wait"' };
  const call = (...entry: unknown[]) =>
    page.evaluate((entry) => (window as unknown as { tamga: { q: unknown[] } }).tamga.q.push(entry), entry);
  await page.goto(`${world.origin}/`);
  await call("event", "before");
  await world.quiet();
  assert.equal(world.received.length, 0);
  assert.deepEqual(await page.context().cookies(), []);
  // A consent of an earlier day may have left a cookie: the refusal takes it back.
  await call("consent", "denied");
  await world.until(() => world.received.length === 1);
  await call("consent", "granted");
  await world.until(() => world.received.length === 2);
  await call("consent", "denied");
  await call("event", "after");
  await world.until(() => world.received.length === 3);
  await world.quiet();
  assert.deepEqual(
    world.events.map((event) => (event.type === "consent" ? event.state : event.type)),
    ["denied", "view", "granted", "denied"],
  );
});
