/** Does the page keep working, whatever it does and whatever goes wrong? */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { World } from "./world.js";

let world: World;
before(async () => {
  world = await World.create();
});
after(() => world?.close());
afterEach(() => assert.deepEqual(world.contractErrors(), []));

test("pages call view, event, and the queue before the script is there", async () => {
  const page = await world.visitor();
  world.pages["/order/77"] = {
    attributes: 'data-views="manual"',
    head: `<script>
      window.tamga = window.tamga || { q: [] };
      tamga.q.push(["view", "/order/:id"]);
      tamga.q.push(["event", "pay.started", { variant: "b" }]);
      tamga.q.push(["event", "Not A Name"], ["event", "x", { variant: "ы" }], ["nothing"], null);
    </script>`,
  };
  await page.goto(`${world.origin}/order/77`);
  await world.until(() => world.received.length === 1);
  assert.deepEqual(
    world.events.map(({ at: _, ...rest }) => rest),
    [
      { type: "view", url: `${world.origin}/order/:id` },
      { type: "event", name: "pay.started", variant: "b" },
    ],
  );
  await page.evaluate(() =>
    (window as unknown as { tamga: { q: unknown[] } }).tamga.q.push(["event", "late"]),
  );
  await world.until(() => world.of("event").length === 2);
});

test("a strict content security policy with a nonce and Trusted Types is kept without a violation", async () => {
  const page = await world.visitor();
  const origin = new URL(world.scriptUrl).origin;
  world.pages["/"] = {
    attributes: 'nonce="r4nd0m"',
    headers: {
      "Content-Security-Policy": `default-src 'none'; script-src 'nonce-r4nd0m' 'strict-dynamic'; connect-src ${origin}; require-trusted-types-for 'script'; trusted-types 'none'`,
    },
  };
  const complaints: string[] = [];
  page.on("console", (message) => complaints.push(message.text()));
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", ({ violatedDirective }) =>
      console.log(`violated ${violatedDirective}`),
    );
  });
  await page.goto(`${world.origin}/`);
  await world.until(() => world.of("view").length === 1);
  await page.evaluate(() => history.pushState({}, "", "/next"));
  await world.until(() => world.of("view").length === 2);
  assert.deepEqual(
    complaints.filter((text) => !text.includes("favicon")),
    [],
  );
});

test("two tags on a page are one snippet", async () => {
  const page = await world.visitor();
  world.pages["/"] = { tags: 2 };
  await page.goto(`${world.origin}/`);
  await world.until(() => world.of("view").length > 0);
  await world.quiet();
  assert.equal(world.of("view").length, 1);
});

test("nothing reaches the page: not from broken browser functions, nor from nonsense in calls", async () => {
  const page = await world.visitor((context) =>
    context.addInitScript(() => {
      const broken = () => {
        throw new Error("broken");
      };
      Object.defineProperty(document, "cookie", { get: broken, set: broken });
      Object.defineProperty(performance, "getEntriesByType", { value: broken });
      Object.defineProperty(navigator, "locks", { value: { request: broken } });
    }),
  );
  const errors: string[] = [];
  page.on("pageerror", ({ message }) => errors.push(message));
  await page.goto(`${world.origin}/`);
  const threw = await page.evaluate(async () => {
    const { tamga } = window as unknown as {
      tamga: Record<string, (...args: unknown[]) => void> & { q: unknown[] };
    };
    try {
      tamga.view?.(Symbol("x"));
      tamga.view?.({});
      tamga.event?.(null, 7);
      tamga.consent?.("perhaps");
      tamga.q.push(7, null, ["constructor"], ["q"], ["event", "survives"]);
      history.pushState({}, "", "/next");
      tamga.object?.();
      await Promise.resolve();
      return "";
    } catch (error) {
      return String(error);
    }
  });
  assert.equal(threw, "");
  // What can be done is done.
  await world.until(() => world.of("object").length > 0);
  await world.quiet();
  assert.deepEqual(errors, []);
  assert.equal(world.of("object").length, 1);
});

test("a page whose own script fails is counted all the same", async () => {
  const page = await world.visitor();
  world.pages["/"] = { head: "<script>throw new Error('the page is broken')</script>" };
  await page.goto(`${world.origin}/`);
  await world.until(() => world.of("view").length === 1);
});

test("with the collector down the page is what it is without us: loaded, quiet, nothing moved, nobody else asked", async () => {
  const page = await world.visitor((context) =>
    context.addInitScript(() => {
      const moved: unknown[] = [];
      new PerformanceObserver((list) => moved.push(...list.getEntries())).observe({
        type: "layout-shift",
        buffered: true,
      });
      Object.assign(window, { moved });
    }),
  );
  const [errors, hosts]: [string[], Set<string>] = [[], new Set()];
  page.on("pageerror", ({ message }) => errors.push(message));
  // The browser itself reports a failed request on the console, and no page can prevent that.
  page.on("console", (message) => {
    if (!message.text().includes("net::ERR_")) errors.push(message.text());
  });
  page.on("request", (request) => hosts.add(new URL(request.url()).hostname));
  for (const [down, device] of [
    [false, "10,13,14,15,16,17,18,19,20,22,23"],
    [true, ""],
  ] as const) {
    world.device = device;
    world.down = down;
    await page.goto(`${world.origin}/`, { waitUntil: "load" });
    await page.evaluate(() => history.pushState({}, "", "/next"));
    if (device) await world.until(() => world.devices.length === 1, 20_000);
    await world.quiet();
    assert.deepEqual(await page.evaluate(() => (window as unknown as { moved: unknown[] }).moved), []);
  }
  assert.deepEqual(errors, []);
  assert.deepEqual([...hosts].sort(), ["shop.localhost", "t.shop.localhost"]);
});

test("a refusing or absent collector disturbs nothing", async () => {
  const page = await world.visitor();
  const errors: string[] = [];
  page.on("pageerror", ({ message }) => errors.push(message));
  world.pages["/"] = { attributes: 'data-endpoint="http://127.0.0.1:1/v1/beacon"' };
  await page.goto(`${world.origin}/`);
  await page.evaluate(() => history.pushState({}, "", "/next"));
  world.answers = [{ status: 403 }];
  await page.goto(`${world.origin}/refused`);
  await world.until(() => world.received.length === 1);
  await world.quiet();
  assert.deepEqual(errors, []);
});
