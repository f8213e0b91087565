/** What counts as a view, as time and as an exit, and what is sent of it? */
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
  // The first view may send its last beacon after the second has begun.
  const second = world.received.find(({ beacon }) => beacon.view !== first?.beacon.view);
  assert.equal(second?.headers.cookie, "tamga-test=1", "the collector's cookie comes back");
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
  // Reloading a page that is still loading is a navigation to the browser, not a reload.
  await page.waitForURL("**/tariffs?q=me");
  await page.reload();
  await world.until(() => world.of("view").length === 3);
  assert.deepEqual(
    world.of("view").map(({ referrer }) => referrer),
    [`${world.elsewhere}/`, `${world.origin}/`, undefined],
  );
});

test("a paid click is reported as one bit, and its value stays on the page", async () => {
  const page = await world.visitor();
  await page.goto(`${world.origin}/?utm_source=a&gclid=secret`);
  await world.until(() => world.of("view").length === 1);
  await page.goto(`${world.origin}/?q=gclid`);
  await world.until(() => world.of("view").length === 2);
  assert.deepEqual(
    world.of("view").map(({ url, paid }) => [url.slice(world.origin.length), paid]),
    [
      ["/?utm_source=a", true],
      ["/", undefined],
    ],
  );
  assert.ok(!JSON.stringify(world.received).includes("secret"));
});

test("an application that moves makes views, each referring to the one before, and old views keep their time", async () => {
  const page = await world.visitor();
  await page.goto(`${world.origin}/catalog`);
  await world.until(() => world.of("view").length === 1);
  await page.evaluate(() => history.pushState({}, "", "/catalog/tea"));
  await world.until(() => world.of("view").length === 2);
  await page.evaluate(() => history.replaceState({}, "", "/catalog/tea?sort=price"));
  await page.evaluate(() => history.replaceState({}, "", "/catalog/felt"));
  await world.until(() => world.of("view").length === 3);
  await page.evaluate(() => history.pushState({}, "", "/catalog/felt?page=2#details"));
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
  await world.until(() => world.of("view").length === 2);
  await page.evaluate(() => history.replaceState({}, "", "/c"));
  await world.until(() => world.of("view").length === 3);
  await page.goBack();
  await world.until(() => world.of("view").length === 4);
  assert.deepEqual(
    world.of("view").map(({ url }) => new URL(url).pathname),
    ["/a", "/b", "/c", "/a"],
  );
});

test("the path of a hash route is a part of the path, where the tag says so, and no other fragment leaves", async () => {
  const page = await world.visitor();
  const open = (fragment: string) =>
    page.evaluate((fragment) => {
      location.hash = fragment;
    }, fragment);
  world.pages["/app"] = { attributes: "data-hash" };
  await page.goto(`${world.origin}/app?utm_source=a&x=1#/tariffs`);
  await world.until(() => world.of("view").length === 1);
  await open("#/pay/42?token=secret");
  await world.until(() => world.of("view").length === 2);
  await open("#access_token=secret");
  await world.until(() => world.of("view").length === 3);
  await page.goto(`${world.origin}/other#/secret`);
  await world.until(() => world.of("view").length === 4);
  const [source, app] = ["?utm_source=a", `${world.origin}/app`];
  assert.deepEqual(
    world.of("view").map(({ url }) => url),
    [`${app}/tariffs${source}`, `${app}/pay/42${source}`, app + source, `${world.origin}/other`],
  );
  assert.doesNotMatch(JSON.stringify(world.events), /secret/);
});

for (const [what, before, after] of [
  ["a slash at the end", "/x/", "/x"],
  ["two slashes", "/a//x", "/a/x"],
  ["an encoded character", "/o%27clock", "/o'clock"],
  ["a small hexadecimal digit", "/%d0%b0", "/%D0%B0"],
  ["a redirect", "/old", "/about"],
] as const) {
  test(`an address that its application corrects at once is one view, of where that ends: ${what}`, async () => {
    const page = await world.visitor();
    world.pages[before] = { body: `<script type="module">history.replaceState({}, "", "${after}")</script>` };
    await page.goto(`${world.origin}${before}?utm_source=letter`);
    await world.until(() => world.of("view").length === 1);
    await world.quiet();
    assert.deepEqual(
      world.of("view").map(({ at: _, ...view }) => view),
      [{ type: "view", url: `${world.origin}${after}?utm_source=letter` }],
    );
  });
}

test("a correction that comes late is no other view, and a page that the visitor asks for at once is one", async () => {
  const page = await world.visitor();
  world.pages["/x/"] = {
    body: `<button onclick="history.pushState({}, '', '/next')">Next</button>
      <script type="module">document.querySelector("button").click()</script>`,
  };
  await page.goto(`${world.origin}/x/`);
  await world.until(() => world.of("view").length === 2);
  await page.evaluate(() => history.replaceState({}, "", "/next/"));
  await world.quiet();
  assert.deepEqual(
    world.of("view").map(({ url }) => new URL(url).pathname),
    ["/x/", "/next"],
  );
});

test("a page that comes back from the back/forward cache is a new view without referrer", async () => {
  const page = await world.visitor();
  await page.addInitScript(() => {
    addEventListener("pageshow", ({ persisted }) => {
      (window as { restored?: boolean }).restored = persisted;
      // Time between becoming visible and being restored is no time of the page that was left.
      const begun = performance.now();
      while (performance.now() - begun < 50);
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
  await page.close({ runBeforeUnload: true });
  await world.until(() => world.of("engage").length === 2);
  await world.quiet(300);
  const ofFirst = world.received.filter(({ beacon }) => beacon.view === first?.beacon.view);
  assert.deepEqual(
    ofFirst.map(({ beacon }) => beacon.events.map(({ type }) => type)),
    [["view"], ["engage"]],
    "the first view was over when it was left",
  );
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

test("a hidden page stands still, and sends nothing when nothing grew", async () => {
  const page = await world.visitor();
  await page.goto(`${world.origin}/`);
  await world.until(() => world.of("view").length === 1);
  // When the page's clock stood before and after.
  const turn = (state: "hidden" | "visible") =>
    page.evaluate((hidden) => {
      const before = performance.now();
      Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
      document.dispatchEvent(new Event("visibilitychange"));
      return [before, performance.now()] as const;
    }, state === "hidden");
  await turn("hidden");
  await world.until(() => world.of("engage").length === 1);
  await page.waitForTimeout(1_000);
  await turn("hidden");
  const seen = await turn("visible");
  await page.waitForTimeout(200);
  const left = await turn("hidden");
  await world.until(() => world.of("engage").length === 2);
  const [first, second] = world.of("engage");
  const grown = (second?.engaged_ms ?? 0) - (first?.engaged_ms ?? 0);
  // Both figures are whole milliseconds.
  const [least, most] = [left[0] - seen[1] - 1, left[1] - seen[0] + 1];
  assert.ok(grown >= least && grown <= most, `grew by ${grown} ms, not by ${least} to ${most}`);
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
  for (const id of ["here", "mail", "sub"]) await page.locator(`#${id}`).click();
  await page.locator("#out").click({ button: "right" });
  await world.quiet();
  assert.deepEqual(world.of("exit"), []);
  await page.locator("#out b").click();
  await page.locator("#out").click({ button: "middle" });
  await page.locator("#out").press("Enter");
  await page.locator("#area").dispatchEvent("click");
  await page.locator("#svg").click();
  await page.getByText("Shadow").click();
  await world.until(() => world.of("exit").length === 6);
  assert.deepEqual([...new Set(world.of("exit").map(({ url }) => url))], [world.elsewhere]);
});
