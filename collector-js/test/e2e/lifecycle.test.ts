/** Whatever becomes of a page: is each event there exactly once? */
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

/** What a collector would have stored, as `view /path` or `event name`, in order. */
const story = () =>
  world.stored.flatMap((event) => {
    if (event.type === "view") return [`view ${new URL(event.url).pathname}`];
    return event.type === "event" ? [`event ${event.name}`] : [];
  });
const send = (page: Page, ...names: string[]) =>
  page.evaluate((names) => {
    for (const name of names) (window as { tamga?: { event(name: string): void } }).tamga?.event(name);
  }, names);
const open = async (path = "/", attributes = "") => {
  const page = await world.visitor();
  world.pages[path] = { attributes };
  await page.goto(world.origin + path);
  await world.until(() => world.of("view").length === 1);
  return page;
};

test("reloading twice in a row: three views", async () => {
  const page = await open("/");
  await send(page, "a");
  await page.reload();
  await send(page, "b");
  await page.reload();
  await world.until(() => story().length === 5);
  await world.quiet();
  assert.deepEqual(story().sort(), ["event a", "event b", "view /", "view /", "view /"]);
});

test("a tab whose process is killed has reported its view, and reloading it begins another", async () => {
  const page = await open("/");
  await send(page, "reported");
  await world.until(() => story().length === 2);
  const session = await page.context().newCDPSession(page);
  session.send("Page.crash").catch(() => {});
  await new Promise((crashed) => page.once("crash", crashed));
  const again = await page.context().newPage();
  await again.goto(`${world.origin}/`);
  await world.until(() => story().length === 3);
  await world.quiet();
  assert.deepEqual(story(), ["view /", "event reported", "view /"]);
});

test("what happens offline arrives when the network is back", async () => {
  const page = await open("/");
  await page.context().setOffline(true);
  await send(page, "a");
  await page.evaluate(() => history.pushState({}, "", "/next"));
  await send(page, "b");
  await world.quiet();
  assert.deepEqual(story(), ["view /"]);
  await page.context().setOffline(false);
  await world.until(() => story().length === 4);
  await world.quiet();
  assert.deepEqual(story(), ["view /", "event a", "view /next", "event b"]);
  assert.equal(
    world.received.length,
    new Set(world.received.map(({ beacon }) => JSON.stringify(beacon))).size,
  );
});

test("with data-offline it outlives its page, and the next one brings it", async () => {
  const page = await open("/", "data-offline");
  await world.extras(page);
  await page.context().setOffline(true);
  await send(page, "a");
  const stored = (page: Page) => page.evaluate(() => Object.entries(localStorage));
  assert.deepEqual(await stored(page), [], "not while the page is there");
  const closed = new Promise((closed) => page.once("close", closed));
  await page.close({ runBeforeUnload: true });
  await closed;
  // Storage travels from process to process; a page that opens at once may be too early for it, and leaves it to the
  // next.
  await world.quiet(1_000);
  const context = world.browser.contexts()[0];
  await context?.setOffline(false);
  const next = await context?.newPage();
  world.pages["/next"] = { attributes: "data-offline" };
  await next?.goto(`${world.origin}/next`);
  await world.until(() => story().length === 3);
  await world.quiet();
  assert.deepEqual(story().sort(), ["event a", "view /", "view /next"]);
  assert.deepEqual(await stored(next as Page), []);
});

test("without data-offline nothing is ever stored", async () => {
  const page = await open("/");
  await page.context().setOffline(true);
  await send(page, "a");
  await page.context().setOffline(false);
  await page.goto(`${world.origin}/next`);
  await world.until(() => world.of("view").length === 2);
  assert.deepEqual(
    await page.evaluate(async () => [
      { ...localStorage },
      { ...sessionStorage },
      await indexedDB.databases(),
    ]),
    [{}, {}, []],
  );
});

test("leaving while a beacon is under way loses neither it nor what waits behind it", async () => {
  const page = await world.visitor();
  world.answers = [{ delayMs: 1_500 }];
  await page.goto(`${world.origin}/slow`);
  await world.until(() => world.received.length === 1);
  await send(page, "behind");
  await page.goto(`${world.origin}/next`);
  await world.until(() => story().length === 3);
  await world.quiet();
  assert.deepEqual(story().sort(), ["event behind", "view /next", "view /slow"]);
});

test("a hundred events at once are a hundred events, and so are a hundred before the page is left", async () => {
  const page = await open("/");
  const names = Array.from({ length: 100 }, (_, index) => `e${index}`);
  await send(page, ...names);
  await world.until(() => story().length === 101);
  await send(page, ...names);
  await page.close({ runBeforeUnload: true });
  await world.until(() => story().length === 201);
  await world.quiet(500);
  assert.deepEqual(
    story(),
    ["view /", ...names, ...names].map((name) => name.replace(/^e/, "event e")),
  );
});

test("a collector that was away gets everything when it is back, once", async () => {
  const page = await world.visitor();
  await page.route("**/v1/beacon", (route) => route.abort("connectionrefused"), { times: 2 });
  await page.goto(`${world.origin}/`);
  await send(page, "a");
  await world.until(() => story().length === 2, 20_000);
  await world.quiet();
  assert.deepEqual(story(), ["view /", "event a"]);
});

test("the words of a search are sent once per search, and only where the tag names their parameter", async () => {
  const page = await world.visitor();
  world.pages["/find"] = { attributes: 'data-search="q,query"' };
  await page.goto(`${world.origin}/find?q=${encodeURIComponent("төлем картасы")}&token=secret`);
  await world.until(() => world.of("search").length === 1);
  await page.evaluate(() => history.pushState({}, "", "/find?q=tea"));
  await page.evaluate(() => history.pushState({}, "", "/find?q=tea&page=2"));
  await page.evaluate(() => history.pushState({}, "", "/find"));
  await page.goto(`${world.origin}/other?q=ignored`);
  await world.until(() => world.of("view").some(({ url }) => url.endsWith("/other")));
  await world.quiet();
  assert.deepEqual(
    world.of("search").map(({ query }) => query),
    ["төлем картасы", "tea"],
  );
  assert.doesNotMatch(JSON.stringify(world.of("view")), /secret|ignored|tea/);
});

test("errors of the page are reported once each and five at most, and only where the tag asks", async () => {
  // In the page's own script, because browsers report no rejection of code that a debugger brings in. Some fail before
  // the snippet is there, and the page's own lines catch them.
  const head = `<script>
    window.tamga = { q: [], errors: [] };
    for (const type of ["error", "unhandledrejection"])
      addEventListener(type, (event) => window.tamga?.errors?.push(event));
  </script>`;
  const body = `<script>
    setTimeout(() => {
    for (let turn = 0; turn < 3; turn++) setTimeout(() => { throw new TypeError("cart is undefined"); });
    new ResizeObserver(([{ target }]) => { target.style.width = target.offsetWidth + 1 + "px"; }).observe(document.body);
    Promise.reject(new DOMException("The user aborted a request.", "AbortError"));
    Promise.reject({ code: 7 });
    Promise.reject(new Error("payment failed \\ud83d"));
    Promise.reject("a plain text");
    Promise.reject();
    document.body.append(Object.assign(new Image(), { src: "data:,none" }));
  });
  addEventListener("flood", () => {
    for (let turn = 0; turn < 20; turn++)
      setTimeout(() => { throw new Error("flood " + turn + "x".repeat(5000)); });
  })</script>`;
  const page = await world.visitor();
  world.pages["/quiet"] = { head, body };
  world.pages["/"] = { head, body, attributes: "data-errors" };
  await page.goto(`${world.origin}/quiet`);
  await world.quiet();
  assert.deepEqual(world.of("error"), []);
  await page.goto(`${world.origin}/`);
  await world.until(() => world.of("error").length === 3);
  await world.extras(page);
  await page.evaluate(() => dispatchEvent(new Event("flood")));
  await world.until(() => world.of("error").length === 5);
  await world.quiet();
  const messages = world.of("error").map(({ message }) => message);
  assert.equal(messages.length, 5);
  assert.deepEqual(messages.slice(0, 3).sort(), [
    "Uncaught TypeError: cart is undefined",
    "a plain text",
    // Half a pair is taken out, because it is not Unicode.
    "payment failed ",
  ]);
  assert.ok(messages.slice(3).every((message) => message.length === 1_024 && message.includes("flood")));
});

test("a form that leads to another site is an exit, one of the own site is none", async () => {
  const page = await world.visitor();
  world.pages["/"] = {
    body: `
      <form id="own" action="/pay"><input name="action" value="x"></form>
      <form id="bank" action="${world.elsewhere}/3ds?pan=4111" method="post" target="_blank"><input name="action"><button>Pay</button></form>
      <form id="two"><button formaction="${world.elsewhere}/second" formtarget="_blank">Other</button></form>
      <form id="letter" action="mailto:aral@example.kz"><button>Mail</button></form>`,
  };
  await page.goto(`${world.origin}/`);
  await page.evaluate(() => addEventListener("submit", (event) => event.preventDefault()));
  await page.evaluate(() => (document.getElementById("own") as HTMLFormElement).requestSubmit());
  await page.getByText("Mail").click();
  await world.quiet();
  assert.deepEqual(world.of("exit"), []);
  await page.getByText("Pay").click();
  await page.getByText("Other").press("Enter");
  await world.until(() => world.of("exit").length === 2);
  assert.deepEqual(
    world.of("exit").map(({ url }) => url),
    [world.elsewhere, world.elsewhere],
  );
});

test("a page within a frame reports nothing by itself, only what it calls", async () => {
  const page = await world.visitor();
  world.pages["/"] = { body: '<iframe src="/inner"></iframe>' };
  await page.goto(`${world.origin}/`);
  const frame = page.frames().find((frame) => frame.url().endsWith("/inner"));
  await frame?.waitForFunction(() => "tamga" in window);
  await frame?.evaluate(() => (window as { tamga?: { event(name: string): void } }).tamga?.event("inner"));
  await world.until(() => story().length === 2);
  await world.quiet();
  assert.deepEqual(story().sort(), ["event inner", "view /"]);
});

test("a page whose names hide the browser's own is counted", async () => {
  const page = await world.visitor();
  world.pages["/"] = {
    body: '<form id="tamga" name="tamga"></form><img name="cookie"><a id="navigation"></a><form name="forms"></form>',
  };
  await page.goto(`${world.origin}/`);
  await world.until(() => story().length === 1);
});
