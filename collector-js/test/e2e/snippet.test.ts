/** What leaves a real browser, and when? */
import assert from "node:assert/strict";
import { after, afterEach, before, test } from "node:test";
import { SITE, World } from "./world.js";

let world: World;
before(async () => {
  world = await World.create();
});
after(() => world?.close());
afterEach(() => assert.deepEqual(world.contractErrors(), []));

test("a page load is one view, sent without preflight, with cookies, and without the page's address as referrer", async () => {
  const page = await world.visitor();
  await page.goto(`${world.origin}/tariffs?utm_source=letter&token=secret#top`);
  await world.until(() => world.received.length === 1);
  const [first] = world.received;
  assert.deepEqual(world.events, [{ type: "view", at: 0, url: `${world.origin}/tariffs?utm_source=letter` }]);
  assert.equal(first?.beacon.site, SITE);
  assert.equal(first?.beacon.seq, 0);
  assert.equal(first?.headers["content-type"], "text/plain;charset=UTF-8");
  assert.equal(first?.headers.origin, world.origin);
  assert.equal(first?.headers.referer, undefined);
  assert.equal(first?.headers.cookie, undefined);

  await page.goto(`${world.origin}/about`);
  await world.until(() => world.of("view").length === 2);
  assert.equal(world.received.at(-1)?.headers.cookie, "tamga-test=1", "the collector's cookie comes back");
  assert.notEqual(world.received.at(-1)?.beacon.view, first?.beacon.view);
});

test("the referrer keeps its path on the same site and only its origin elsewhere; reloading brings none", async () => {
  const page = await world.visitor();
  world.pages["/"] = { body: '<a href="/tariffs?q=me">Tariffs</a>' };
  await page.goto(`${world.elsewhere}/`);
  await page.evaluate((url) => {
    location.href = url;
  }, `${world.origin}/`);
  await world.until(() => world.of("view").length === 1);
  await page.getByText("Tariffs").click();
  await world.until(() => world.of("view").length === 2);
  await page.reload();
  await world.until(() => world.of("view").length === 3);
  assert.deepEqual(
    world.of("view").map(({ referrer }) => referrer),
    [`${world.elsewhere}/`, `${world.origin}/`, undefined],
  );
});

test("an application that moves makes views, each referring to the one before, and old views keep their time", async () => {
  const page = await world.visitor();
  await page.goto(`${world.origin}/catalog`);
  await world.until(() => world.of("view").length === 1);
  await page.waitForTimeout(200);
  await page.evaluate(() => history.pushState({}, "", "/catalog/tea"));
  await page.evaluate(() => history.replaceState({}, "", "/catalog/tea?sort=price"));
  await page.evaluate(() => history.replaceState({}, "", "/catalog/felt"));
  await page.evaluate(() => history.pushState({}, "", "/catalog/felt#details"));
  await page.goBack();
  await page.goBack();
  await world.until(() => world.of("view").length === 4);
  await world.quiet(300);
  assert.deepEqual(
    world
      .of("view")
      .map(({ url, referrer }) => [new URL(url).pathname, referrer && new URL(referrer).pathname]),
    [
      ["/catalog", undefined],
      ["/catalog/tea", "/catalog"],
      ["/catalog/felt", "/catalog/tea"],
      ["/catalog", "/catalog/felt"],
    ],
  );
  const first = world.received[0]?.beacon.view;
  const ofFirst = world.received.filter(({ beacon }) => beacon.view === first).map(({ beacon }) => beacon);
  assert.deepEqual(
    ofFirst.map(({ seq, events }) => [seq, events.map(({ type }) => type)]),
    [
      [0, ["view"]],
      [1, ["engage"]],
    ],
  );
  assert.equal(new Set(world.received.map(({ beacon }) => beacon.view)).size, 4);
});

test("browsers without the Navigation API are followed through history, whose functions still work", async () => {
  const page = await world.visitor((context) =>
    context.addInitScript(() => {
      Object.defineProperty(window, "navigation", { value: undefined });
    }),
  );
  await page.goto(`${world.origin}/a`);
  await world.until(() => world.of("view").length === 1);
  await page.evaluate(() => history.pushState({ kept: 7 }, "", "/b"));
  assert.deepEqual(await page.evaluate(() => [history.state.kept, location.pathname]), [7, "/b"]);
  await page.evaluate(() => history.replaceState({}, "", "/c"));
  await page.goBack();
  await world.until(() => world.of("view").length === 4);
  assert.deepEqual(
    world.of("view").map(({ url }) => new URL(url).pathname),
    ["/a", "/b", "/c", "/a"],
  );
});

test("the fragment is a page only where the tag says so", async () => {
  const page = await world.visitor();
  world.pages["/app"] = { attributes: "data-hash" };
  await page.goto(`${world.origin}/app#/one`);
  await page.evaluate(() => {
    location.hash = "#/two";
  });
  await world.until(() => world.of("view").length === 2);
  assert.deepEqual(
    world.of("view").map(({ url }) => url),
    [`${world.origin}/app#/one`, `${world.origin}/app#/two`],
  );
});

test("a page that comes back from the back/forward cache is a new view without referrer", async () => {
  const page = await world.visitor();
  await page.addInitScript(() => {
    addEventListener("pageshow", ({ persisted }) => {
      (window as { restored?: boolean }).restored = persisted;
    });
  });
  await page.goto(`${world.origin}/a`);
  await world.until(() => world.of("view").length === 1);
  // Leaving through a link that the page follows keeps it eligible; the other site runs no snippet.
  await page.evaluate((url) => {
    location.href = url;
  }, `${world.elsewhere}/`);
  await page.waitForURL(`${world.elsewhere}/`);
  await page.goBack({ waitUntil: "commit" });
  await world.until(() => world.of("view").length === 2);
  assert.equal(
    await page.evaluate(() => (window as { restored?: boolean }).restored),
    true,
    "restored, not reloaded",
  );
  const [first, second] = world.received.filter(({ beacon }) => beacon.events[0]?.type === "view");
  assert.notEqual(first?.beacon.view, second?.beacon.view);
  assert.equal(second?.beacon.seq, 0);
  assert.equal(world.of("view")[1]?.referrer, undefined);
});

test("a page that is prerendered is not counted until it is opened", async () => {
  const page = await world.visitor((context) =>
    context.addInitScript(() => {
      let prerendering = true;
      Object.defineProperty(document, "prerendering", { get: () => prerendering });
      Object.assign(window, {
        activate() {
          prerendering = false;
          document.dispatchEvent(new Event("prerenderingchange"));
        },
      });
    }),
  );
  await page.goto(`${world.origin}/guessed`);
  await page.evaluate(() => (window as { tamga?: { event(name: string): void } }).tamga?.event("early"));
  await world.quiet();
  assert.deepEqual(world.events, []);
  await page.evaluate(() => (window as { activate?: () => void }).activate?.());
  await world.until(() => world.events.length === 2);
  assert.deepEqual(
    world.events.map(({ type }) => type),
    ["view", "event"],
  );
});

for (const how of ["fetch", "sendBeacon"]) {
  test(`closing the page sends the engaged time by ${how}`, async () => {
    const page = await world.visitor(async (context) => {
      if (how === "sendBeacon")
        await context.addInitScript(() => delete (Request.prototype as { keepalive?: unknown }).keepalive);
    });
    await page.goto(`${world.origin}/`);
    await world.until(() => world.of("view").length === 1);
    await page.waitForTimeout(500);
    await page.close({ runBeforeUnload: true });
    await world.until(() => world.of("engage").length === 1);
    const [engage] = world.of("engage");
    assert.ok(engage && engage.engaged_ms >= 450 && engage.engaged_ms <= engage.at, JSON.stringify(engage));
    const { headers, beacon } = world.received.at(-1) ?? {};
    assert.equal(headers?.["sec-fetch-mode"], how === "fetch" ? "cors" : "no-cors");
    assert.equal(headers?.["content-type"], "text/plain;charset=UTF-8");
    assert.equal(beacon?.seq, 1);
    assert.equal(beacon?.view, world.received[0]?.beacon.view);
  });
}

test("leaving a page whose referrer policy is no-referrer still names its origin", async () => {
  const page = await world.visitor();
  world.pages["/"] = { headers: { "Referrer-Policy": "no-referrer" } };
  await page.goto(`${world.origin}/`);
  await world.until(() => world.of("view").length === 1);
  await page.close({ runBeforeUnload: true });
  await world.until(() => world.of("engage").length === 1);
  assert.deepEqual(
    world.received.map(({ headers }) => headers.origin),
    [world.origin, world.origin],
  );
});

test("a hidden page stands still, and sends nothing when nothing grew", async () => {
  const page = await world.visitor();
  await page.goto(`${world.origin}/`);
  await world.until(() => world.of("view").length === 1);
  const turn = (state: string) =>
    page.evaluate((state) => {
      Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
      document.dispatchEvent(new Event("visibilitychange"));
    }, state);
  await turn("hidden");
  await world.until(() => world.of("engage").length === 1);
  await page.waitForTimeout(1_000);
  await turn("hidden");
  await turn("visible");
  await page.waitForTimeout(200);
  await turn("hidden");
  await world.until(() => world.of("engage").length === 2);
  const [first, second] = world.of("engage");
  const grown = (second?.engaged_ms ?? 0) - (first?.engaged_ms ?? 0);
  assert.ok(grown >= 180 && grown < 1_000, `grew by ${grown} ms`);
});

test("following a link to another site is an exit, by mouse, middle button and keyboard, in shadow trees too", async () => {
  const page = await world.visitor();
  world.pages["/"] = {
    body: `
      <a id="here" href="/about" target="_blank">About</a>
      <a id="mail" href="mailto:aral@example.kz">Mail</a>
      <a id="sub" href="http://docs.${SITE}:${world.port}/" target="_blank">Docs</a>
      <a id="out" href="${world.elsewhere}/order/77?mail=a@b.kz" target="_blank"><b>Post</b></a>
      <map name="m"><area id="area" href="${world.elsewhere}/map" alt="map" shape="default"></map>
      <svg><a id="svg" href="${world.elsewhere}/svg"><text y="20">S</text></a></svg>
      <div id="host"></div>`,
  };
  await page.goto(`${world.origin}/`);
  await page.evaluate((url) => {
    addEventListener("click", (event) => event.preventDefault());
    const root = document.getElementById("host")?.attachShadow({ mode: "open" });
    if (root) root.innerHTML = `<a href="${url}/shadow">Shadow</a>`;
  }, world.elsewhere);
  for (const id of ["here", "mail", "sub", "svg"]) await page.locator(`#${id}`).click();
  await page.locator("#out").click({ button: "right" });
  await world.quiet();
  assert.deepEqual(world.of("exit"), []);
  await page.locator("#out b").click();
  await page.locator("#out").click({ button: "middle" });
  await page.locator("#out").press("Enter");
  await page.locator("#area").dispatchEvent("click");
  await page.getByText("Shadow").click();
  await world.until(() => world.of("exit").length === 5);
  assert.deepEqual([...new Set(world.of("exit").map(({ url }) => url))], [world.elsewhere]);
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
  await world.until(() => world.of("object").length === 1);
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
  await world.until(() => world.received.length === 3);
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
  await world.until(() => world.received.length === 1);
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

test("data-consent=wait is silent until consent, then reports the open page, and falls silent when it is denied", async () => {
  const page = await world.visitor();
  world.pages["/"] = { attributes: 'data-consent="wait"' };
  const call = (...entry: unknown[]) =>
    page.evaluate((entry) => (window as unknown as { tamga: { q: unknown[] } }).tamga.q.push(entry), entry);
  await page.goto(`${world.origin}/`);
  await call("event", "before");
  await call("consent", "denied");
  await world.quiet();
  assert.equal(world.received.length, 0);
  assert.deepEqual(await page.context().cookies(), []);
  await call("consent", "granted");
  await world.until(() => world.received.length === 1);
  await call("consent", "denied");
  await call("event", "after");
  await world.until(() => world.received.length === 2);
  await world.quiet();
  assert.deepEqual(
    world.events.map((event) => (event.type === "consent" ? event.state : event.type)),
    ["view", "granted", "denied"],
  );
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
  await world.quiet();
  assert.equal(threw, "");
  assert.deepEqual(errors, []);
  assert.ok(world.of("object").length === 1, "and what can be done is done");
});

test("a page whose own script fails is counted all the same", async () => {
  const page = await world.visitor();
  world.pages["/"] = { head: "<script>throw new Error('the page is broken')</script>" };
  await page.goto(`${world.origin}/`);
  await world.until(() => world.of("view").length === 1);
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
