/** Are pages counted that change the browser under a script, and applications that do what applications do? */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
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
const send = (page: Page, name: string) =>
  page.evaluate((name) => (window as unknown as Counted).tamga.event(name), name);
const paths = () => world.of("view").map(({ url }) => url.slice(world.origin.length));

for (const [what, script] of [
  ["a variable called navigation", "var navigation = {}"],
  ["a variable called URL", "var URL = function () { throw new Error('not yours') }"],
  ["the arrays of an old library", "Array.prototype.toJSON = () => 'text'"],
  ["more arrays of an old library", "Array.prototype.each = function () {}; Array.prototype.first = () => 7"],
  ["a toJSON on all objects", "Object.prototype.toJSON = () => 7"],
  [
    "a Promise of its own",
    "window.Promise = function () { this.then = this.catch = () => this }; Promise.resolve = () => new Promise()",
  ],
  ["a state on all objects", "Object.prototype.state = function () {}"],
  ["a clock without time", "performance.now = () => NaN"],
  [
    "a performance that only has a clock",
    "Object.defineProperty(window, 'performance', { value: { now: () => 7 } })",
  ],
  ["a date a year ahead", "Date.now = () => 4e12"],
  ["a date without a number", "Date.now = () => NaN"],
  [
    "options on all objects",
    `Object.assign(Object.prototype, { views: "manual", consent: "wait", hash: true, search: "q", errors: true,
       endpoint: "/elsewhere", site: "other", offline: true })`,
  ],
  [
    "options of requests on all objects",
    `Object.assign(Object.prototype, { mode: "no-cors", cache: "only-if-cached", window: 7, signal: 7, headers: 7 })`,
  ],
  [
    "a fetch that adds headers of its own",
    `const { fetch: before } = window;
     window.fetch = (target, init) => before(target, { ...init, priority: "low" }).then((answer) => answer)`,
  ],
  [
    "a fetch that asks for a promise of the page's own",
    `const { fetch: before } = window;
     window.fetch = (...all) => ({ then: (done, failed) => before(...all).then(done, failed) })`,
  ],
  [
    "an addEventListener that is wrapped",
    `const before = EventTarget.prototype.addEventListener;
     EventTarget.prototype.addEventListener = function (...all) { return before.apply(this, all) }`,
  ],
  [
    "a history that is wrapped",
    `const before = history.pushState;
     history.pushState = function (...all) { return before.apply(this, all) }`,
  ],
  ["no locks", "Object.defineProperty(navigator, 'locks', { value: undefined })"],
  [
    "no cookies",
    `Object.defineProperty(Document.prototype, "cookie", {
     get() { throw new DOMException("no", "SecurityError") }, set() { throw new DOMException("no", "SecurityError") } })`,
  ],
] as const) {
  test(`a page is counted, moves and reports in spite of ${what}`, async () => {
    const page = await world.visitor();
    const errors: string[] = [];
    page.on("pageerror", ({ message }) => errors.push(message));
    world.pages["/a"] = {
      head: `<script>${script}</script>`,
    };
    await page.goto(`${world.origin}/a?q=secret`);
    await world.until(() => world.of("view").length === 1);
    await page.evaluate(() => history.pushState({}, "", "/b"));
    await world.until(() => world.of("view").length === 2);
    await send(page, "done");
    await world.until(() => world.of("event").length === 1);
    assert.deepEqual(paths(), ["/a", "/b"]);
    assert.deepEqual(world.of("search"), []);
    assert.deepEqual(errors, []);
  });
}

test("the browser says wrongly that it is offline: one attempt is made, and what it brings is counted", async () => {
  const page = await world.visitor((context) =>
    context.addInitScript(() => Object.defineProperty(navigator, "onLine", { value: false })),
  );
  await page.goto(`${world.origin}/`);
  await world.until(() => world.of("view").length === 1);
  await send(page, "next");
  await world.until(() => world.of("event").length === 1);
});

test("storage that the browser blocks costs nothing but what is kept there", async () => {
  const page = await world.visitor((context) =>
    context.addInitScript(() =>
      Object.defineProperty(window, "localStorage", {
        get() {
          throw new DOMException("no", "SecurityError");
        },
      }),
    ),
  );
  const errors: string[] = [];
  page.on("pageerror", ({ message }) => errors.push(message));
  world.pages["/"] = { attributes: "data-offline" };
  await page.goto(`${world.origin}/`);
  await world.until(() => world.of("view").length === 1);
  await world.extras(page);
  await page.close({ runBeforeUnload: true });
  await world.until(() => world.of("engage").length === 1);
  assert.deepEqual(errors, []);
});

test("a sandboxed frame, and a page that is sandboxed itself, are left in peace", async () => {
  const page = await world.visitor();
  const errors: string[] = [];
  page.on("pageerror", ({ message }) => errors.push(message));
  world.pages["/"] = { body: '<iframe sandbox="allow-scripts" src="/inner"></iframe>' };
  world.pages["/alone"] = { headers: { "Content-Security-Policy": "sandbox allow-scripts" } };
  await page.goto(`${world.origin}/`);
  await world.until(() => world.of("view").length === 1);
  await world.quiet();
  assert.deepEqual(paths(), ["/"]);
  await page.goto(`${world.origin}/alone`);
  await page.waitForFunction(() => "tamga" in window);
  await send(page, "x");
  await world.quiet();
  assert.deepEqual(errors, []);
});

test("the extras are loaded under a strict policy with a nonce and Trusted Types", async () => {
  const page = await world.visitor();
  const origin = new URL(world.scriptUrl).origin;
  world.pages["/"] = {
    attributes: 'nonce="r4nd0m" data-search="q, s"',
    headers: {
      "Content-Security-Policy": `default-src 'none'; script-src 'nonce-r4nd0m' 'strict-dynamic'; connect-src ${origin}; require-trusted-types-for 'script'; trusted-types 'none'`,
    },
  };
  await page.goto(`${world.origin}/?s=felt`);
  await world.until(() => world.of("search").length === 1);
  assert.deepEqual(
    world.of("search").map(({ query }) => query),
    ["felt"],
  );
});

test("an application's page is a source", async () => {
  const page = await world.visitor((context) =>
    context.addInitScript(() =>
      Object.defineProperty(document, "referrer", { value: "android-app://org.telegram.messenger/" }),
    ),
  );
  await page.goto(`${world.origin}/`);
  await world.until(() => world.of("view").length === 1);
  assert.equal(world.of("view")[0]?.referrer, "android-app://org.telegram.messenger/");
});

test("a query that changes is no view, and words that are typed are one search", async () => {
  const page = await world.visitor();
  world.pages["/find"] = { attributes: 'data-search="text, q"' };
  await page.goto(`${world.origin}/find`);
  await world.until(() => world.of("view").length === 1);
  await world.extras(page);
  for (const typed of ["t", "te", "tea"])
    await page.evaluate((typed) => history.pushState({}, "", `?q=${typed}`), typed);
  await page.evaluate(() => history.pushState({}, "", "?q=tea&page=2"));
  await world.until(() => world.of("search").length === 1);
  await world.quiet();
  assert.deepEqual(paths(), ["/find"]);
  assert.deepEqual(
    world.of("search").map(({ query }) => query),
    ["tea"],
  );
});

test("a base at another host makes no click an exit; forms lead where the browser sends them", async () => {
  const page = await world.visitor();
  world.pages["/"] = {
    head: `<base href="${world.elsewhere}/">`,
    body: `<button>Nothing</button><form><button>Here</button></form><a name="x">No link</a>
      <form method="dialog" action="${world.elsewhere}/"><button>Close</button></form>
      <a href="there" target="_blank">There</a>`,
  };
  await page.goto(`${world.origin}/`);
  await world.until(() => world.of("view").length === 1);
  await page.evaluate(() => addEventListener("submit", (event) => event.preventDefault()));
  for (const text of ["Nothing", "No link", "Here", "Close"])
    await page.getByText(text, { exact: true }).click();
  await world.quiet();
  assert.deepEqual(world.of("exit"), []);
  await page.getByText("There", { exact: true }).click();
  await world.until(() => world.of("exit").length === 1);
  assert.equal(world.of("exit")[0]?.url, world.elsewhere);
});

test("a form that is called tamga, with fields of any name, hides nothing", async () => {
  const page = await world.visitor();
  world.pages["/"] = { body: '<form id="tamga"><input name="state"><input name="q"></form>' };
  await page.goto(`${world.origin}/`);
  await world.until(() => world.of("view").length === 1);
  await send(page, "done");
  await world.until(() => world.of("event").length === 1);
});

test("the device part comes whole in spite of a toJSON on all objects", async () => {
  const page = await world.visitor();
  world.pages["/"] = { head: "<script>Object.prototype.toJSON = () => 7</script>" };
  world.device = "10,13,16,17,22";
  await page.goto(`${world.origin}/`);
  await world.until(() => world.devices.length === 1);
  assert.deepEqual(Object.keys(world.devices[0] ?? {}).length, 5);
});

test("a link of a framed page is no exit", async () => {
  const page = await world.visitor();
  world.pages["/"] = { body: '<iframe src="/inner"></iframe>' };
  world.pages["/inner"] = { body: `<a href="${world.elsewhere}/" target="_blank">Away</a>` };
  await page.goto(`${world.origin}/`);
  await world.until(() => world.of("view").length === 1);
  const frame = page.frameLocator("iframe");
  const inner = page.frames().find((frame) => frame.url().endsWith("/inner"));
  await inner?.waitForFunction(() => "tamga" in window);
  await frame.getByText("Away").click();
  await world.quiet();
  assert.deepEqual(world.of("exit"), []);
});

/** The lines of the README, for pages that call early: its second block of HTML. */
const README = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
const STUB = [...README.matchAll(/^```html\n([\s\S]*?)^```$/gm)][1]?.[1] ?? "";

test("with the lines of the README a call may come before the script, and where it is blocked", async () => {
  const page = await world.visitor();
  const errors: string[] = [];
  page.on("pageerror", ({ message }) => errors.push(message));
  const body = '<script>tamga.event("early", { variant: "b" }); tamga.event()</script>';
  world.pages["/blocked"] = { head: STUB, body, tag: "<i></i>" };
  world.pages["/"] = { head: STUB, body };
  await page.goto(`${world.origin}/blocked`);
  await page.goto(`${world.origin}/`);
  await world.until(() => world.of("event").length === 1);
  await send(page, "late");
  await world.until(() => world.of("event").length === 2);
  assert.deepEqual(
    world.of("event").map(({ name, variant }) => [name, variant]),
    [
      ["early", "b"],
      ["late", undefined],
    ],
  );
  assert.deepEqual(errors, []);
});

test("a tag that is a module, or that a loader runs, is found; one without its site says so once", async () => {
  const page = await world.visitor();
  const said: string[] = [];
  page.on("console", (message) => message.type() === "warning" && said.push(message.text()));
  world.pages["/module"] = { attributes: 'type="module"' };
  world.pages["/loader"] = {
    tag: `<script type="text/held" src="${world.scriptUrl}" data-site="shop.localhost"></script>
      <script type="module">import "${world.scriptUrl}"</script>`,
  };
  world.pages["/stripped"] = { tag: `<script src="${world.scriptUrl}"></script>` };
  await page.goto(`${world.origin}/module`);
  await world.until(() => world.of("view").length === 1);
  await page.goto(`${world.origin}/loader`);
  await world.until(() => world.of("view").length === 2);
  assert.deepEqual(said, []);
  await page.goto(`${world.origin}/stripped`);
  await world.quiet();
  assert.deepEqual(said, ["tamga: no data-site"]);
  assert.deepEqual(paths(), ["/module", "/loader"]);
});

test("a view that is named before the consent is kept, and a consent that comes back is no other view", async () => {
  const page = await world.visitor();
  const consent = (state: "granted" | "denied") =>
    page.evaluate((state) => (window as unknown as Counted).tamga.consent(state), state);
  world.pages["/order/7"] = { attributes: 'data-consent="wait" data-views="manual"' };
  world.pages["/"] = { attributes: 'data-consent="wait"' };
  await page.goto(`${world.origin}/order/7`);
  await page.evaluate(() => (window as unknown as Counted).tamga.view("/order/:id"));
  await world.quiet(500);
  assert.deepEqual(world.events, []);
  await consent("granted");
  await world.until(() => world.of("view").length === 1);
  assert.deepEqual(paths(), ["/order/:id"]);

  await page.goto(`${world.origin}/`);
  await consent("granted");
  await world.until(() => world.of("view").length === 2);
  await consent("denied");
  await consent("granted");
  await world.until(() => world.of("consent").length === 4);
  await world.quiet();
  assert.deepEqual(paths(), ["/order/:id", "/"]);
});
