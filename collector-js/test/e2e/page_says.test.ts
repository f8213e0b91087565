/** What a page may ask and decide: its hook before an event is sent, whether it is counted, and when an event has gone. */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import type { Page } from "playwright-core";
import type { Tamga } from "../../src/config.js";
import { World } from "./world.js";

let world: World;
before(async () => {
  world = await World.create();
});
after(() => world?.close());
afterEach(() => assert.deepEqual(world.contractErrors(), []));

type Counted = { tamga: Tamga };
const state = (page: Page) => page.evaluate(() => (window as { tamga?: Tamga }).tamga?.state);
const reaches = (page: Page, wanted: string) =>
  page.waitForFunction((wanted) => (window as { tamga?: Tamga }).tamga?.state === wanted, wanted);
const paths = () => world.of("view").map(({ url }) => url.slice(world.origin.length));
const hook = (body: string) => `<script>window.tamga = { q: [], beforeSend(event) { ${body} } }</script>`;

test("beforeSend drops an event and blanks properties, and can add and change nothing", async () => {
  const page = await world.visitor();
  world.pages["/"] = { body: '<a href="/a?gclid=1">A</a>' };
  world.pages["/a"] = {
    head: hook(`
      if (event.name === "secret") return null;
      if (event.name === "broken") throw new Error("no");
      if (event.name === "changed") return { ...event, name: "signup", variant: "other", user: 7 };
      delete event.referrer;
      return { ...event, paid: undefined, user: 7, extra: { a: 1 } };`),
  };
  await page.goto(`${world.origin}/`);
  await world.until(() => world.of("view").length === 1);
  await page.getByText("A").click();
  await world.until(() => world.of("view").length === 2);
  await page.evaluate(() => {
    const { tamga } = window as unknown as Counted;
    for (const name of ["secret", "broken", "kept"]) tamga.event(name, { variant: "b" });
  });
  await world.until(() => world.of("event").length === 1);
  await world.quiet();
  const { at: _, ...view } = world.of("view")[1] ?? {};
  assert.deepEqual(view, { type: "view", url: `${world.origin}/a` });
  const [{ at, ...event } = { at: 0 }] = world.of("event");
  assert.deepEqual(event, { type: "event", name: "kept", variant: "b" });
});

test("a view that beforeSend drops takes along what happens on that page, and the next page is counted", async () => {
  const page = await world.visitor();
  world.pages["/admin"] = {
    head: hook('return event.type === "view" && event.url.includes("/admin") ? false : event;'),
    body: `<a href="${world.elsewhere}/" target="_blank">Out</a>`,
  };
  await page.goto(`${world.origin}/admin`);
  await page.waitForFunction(() => (window as { tamga?: Tamga }).tamga?.state);
  await page.evaluate(() => (window as unknown as Counted).tamga.event("signup"));
  await page.getByText("Out").click();
  await page.bringToFront();
  await world.quiet();
  assert.deepEqual(world.events, []);
  await page.evaluate(() => history.pushState({}, "", "/shop"));
  await world.until(() => world.of("view").length === 1);
  await page.evaluate(() => (window as unknown as Counted).tamga.event("signup"));
  await world.until(() => world.of("event").length === 1);
  assert.deepEqual(paths(), ["/shop"]);
  assert.equal(world.of("view")[0]?.referrer, undefined, "the dropped page is not named either");
});

test("beforeSend decides about no objection and no consent, and not about what a page gave all objects", async () => {
  const page = await world.visitor();
  world.pages["/"] = {
    head: hook("return null;"),
    attributes: 'data-consent="wait"',
  };
  world.pages["/polluted"] = { head: "<script>Object.prototype.beforeSend = () => null</script>" };
  await page.goto(`${world.origin}/`);
  await reaches(page, "wait");
  await page.evaluate(() => {
    const { tamga } = window as unknown as Counted;
    tamga.consent("granted");
    tamga.consent("denied");
  });
  await world.until(() => world.of("consent").length === 1);
  await page.evaluate(() => (window as unknown as Counted).tamga.object());
  await world.until(() => world.of("object").length === 1);
  assert.deepEqual(world.of("view"), []);
  await page.context().clearCookies();
  await page.goto(`${world.origin}/polluted`);
  await world.until(() => world.of("view").length === 1);
});

test("a page reads whether it is counted and why not, and nothing else", async () => {
  const page = await world.visitor();
  world.pages["/wait"] = { attributes: 'data-consent="wait"' };
  await page.goto(`${world.origin}/`);
  await reaches(page, "full");
  await page.goto(`${world.origin}/wait`);
  await reaches(page, "wait");
  const consent = (state: "granted" | "denied") =>
    page.evaluate((state) => (window as unknown as Counted).tamga.consent(state), state);
  await consent("granted");
  assert.equal(await state(page), "full");
  await consent("denied");
  assert.equal(await state(page), "wait");
  await world.until(() => world.of("consent").length >= 1);
  world.answers = [{ status: 400 }, { headers: { "Tamga-Outcome": "off" } }];
  await page.goto(`${world.origin}/wait`);
  await reaches(page, "wait");
  await page.evaluate(() => (window as unknown as Counted).tamga.object());
  await world.until(() => world.of("object").length === 1);
  assert.equal(await state(page), "off");
  await page.goto(`${world.origin}/`);
  // The objection that no collector has heard is repeated, and this one hears it.
  await reaches(page, "off");
  const private_ = await world.visitor((context) =>
    context.addInitScript(() => Object.defineProperty(navigator, "globalPrivacyControl", { value: true })),
  );
  await private_.goto(`${world.origin}/`);
  await reaches(private_, "count");
  await private_.evaluate(() => {
    const { tamga } = window as unknown as Counted;
    try {
      (tamga as { state?: unknown }).state = "full";
    } catch {}
    tamga.event("signup");
  });
  assert.equal(await state(private_), "count", "it is for reading");
  await private_.evaluate(() => (window as unknown as Counted).tamga.stop());
  assert.equal(await state(private_), undefined);
});

test("a callback comes once: when the collector has answered, and when nothing can be sent", async () => {
  const page = await world.visitor();
  world.pages["/"] = { attributes: 'data-consent="wait"' };
  await page.goto(`${world.origin}/`);
  await reaches(page, "wait");
  const ask = (name: string) =>
    page.evaluate(
      (name) =>
        new Promise<number>((resolve) => {
          let times = 0;
          (window as unknown as Counted).tamga.event(name, {
            callback() {
              times++;
              setTimeout(() => resolve(times), 300);
            },
          });
        }),
      name,
    );
  assert.equal(await ask("unheard"), 1, "before the consent");
  await page.evaluate(() => (window as unknown as Counted).tamga.consent("granted"));
  await world.until(() => world.of("consent").length === 1);
  assert.equal(await ask("not a name"), 1);
  const slow = 700;
  world.answers = [{ delayMs: slow }];
  const asked = ask("signup");
  await world.until(() => world.of("event").length === 1);
  assert.equal(await asked, 1);
  world.answers = [{ status: 503 }];
  assert.equal(await ask("refused"), 1, "the first attempt is over; the event is sent again");
  assert.deepEqual(
    new Set(world.of("event").map(({ name }) => name)),
    new Set(["signup", "refused"]),
    "the name that is none is not sent",
  );
  const errors: string[] = [];
  page.on("pageerror", ({ message }) => errors.push(message));
  await page.evaluate(() => {
    const { tamga } = window as unknown as Counted;
    tamga.event("signup", {
      callback() {
        throw new Error("the page's own");
      },
    });
    tamga.event("signup", { callback: 7 as never });
  });
  await world.quiet();
  assert.deepEqual(errors, []);
});
