/** Does `tamga.protect` give the page the collector's token, and the collector what the contract allows, and no more? */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { after, afterEach, before, test } from "node:test";
import type { BrowserContext, Page } from "playwright-core";
import { SERVICES } from "../../src/protect/remote.js";
import { Firefox } from "../lib/firefox.js";
import { type Call, Site } from "./site.js";
import { SITE, World } from "./world.js";

const NONCE = "a-nonce-of-the-application_1";
type Protecting = { tamga?: { protect?(nonce: string, how?: { consent?: boolean }): Promise<string> } };
/** Calls it in a page, and says how the promise ended. */
const protect = ({ nonce, consent }: { nonce: string; consent?: boolean | undefined }) =>
  (window as Protecting).tamga?.protect?.(nonce, consent === undefined ? undefined : { consent }).then(
    (token) => ({ token, error: "" }),
    (error: Error) => ({ token: "", error: error.message }),
  );
const tag = (site: Site, attributes = "") =>
  `<script defer src="${site.portsUrl}" data-site="${SITE}" ${attributes}></script>`;

let world: World;
before(async () => {
  world = await World.create();
});
after(() => world?.close());
afterEach(() => assert.deepEqual(world.contractErrors(), []));

/** A visitor on a page that asks for verdicts. */
async function open(
  attributes = "",
  prepare?: (context: BrowserContext) => Promise<unknown>,
  head = "",
): Promise<Page> {
  const page = await world.visitor(prepare);
  world.pages["/"] = { tag: head + tag(world, attributes), body: "<input id='in'>" };
  await page.goto(`${world.origin}/`);
  return page;
}

test("the page gets the token as the collector gave it, and the collector gets the page's nonce and no cookie", async () => {
  const page = await open();
  await page.evaluate(`document.cookie = "session=secret"`);
  assert.deepEqual(await page.evaluate(protect, { nonce: NONCE }), { token: "a.signed.token", error: "" });
  const [call] = world.calls;
  assert.equal(world.calls.length, 1);
  const { evidence, ...rest } = { ...call?.body } as { evidence: Record<string, unknown> };
  assert.deepEqual(rest, { v: 1, site: SITE, nonce: NONCE });
  assert.equal(call?.headers.cookie, undefined);
  assert.equal(call?.headers.referer, undefined);
  assert.equal(call?.headers["content-type"], "text/plain;charset=UTF-8");
  const { automation, input, screen, window: sizes, ...facts } = evidence;
  assert.deepEqual(facts, {
    engine: "blink",
    zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    languages: ["en-US", "en"],
    touch: 0,
  });
  assert.deepEqual(input, { moves: "none", presses: "none", keys: "none", touches: "none" });
  assert.deepEqual(
    [screen, sizes].map((all) => (all as number[]).length),
    [4, 4],
  );
  assert.ok((automation as string[]).includes("webdriver"), `${automation}`);
});

test("hands are counted in buckets from the load on, and what scripts of the page pretend is not", async () => {
  const page = await open();
  await page.evaluate(() => {
    for (let turn = 0; turn < 50; turn++) dispatchEvent(new KeyboardEvent("keydown", { key: "a" }));
  });
  await page.mouse.move(5, 5);
  await page.mouse.move(400, 300, { steps: 30 });
  await page.click("#in");
  await page.keyboard.type("abc");
  await page.evaluate(protect, { nonce: NONCE });
  const evidence = world.calls[0]?.body.evidence as { input: object };
  assert.deepEqual(evidence.input, { moves: "some", presses: "few", keys: "few", touches: "none" });
});

test("of a visitor who objects to being counted, the call says so", async () => {
  for (const mirror of ["0", "1"]) {
    const page = await open();
    await page.evaluate(`document.cookie = "tamga-off=${mirror}"`);
    await page.evaluate(protect, { nonce: NONCE });
    assert.equal(world.calls[0]?.body.objection, true);
  }
});

test("beside the snippet, in either order, both work", async () => {
  for (const order of [(a: string, b: string) => a + b, (a: string, b: string) => b + a]) {
    const page = await world.visitor();
    const snippet = `<script defer src="${world.scriptUrl}" data-site="${SITE}"></script>`;
    world.pages["/"] = { tag: order(snippet, tag(world)) };
    await page.goto(`${world.origin}/`);
    assert.deepEqual(await page.evaluate(protect, { nonce: NONCE }), {
      token: "a.signed.token",
      error: "",
    });
    await world.until(() => world.of("view").length === 1);
  }
});

for (const [what, prepare, nonce, error] of [
  ["a nonce that is none", () => {}, "short", "tamga: a nonce has 16 to 128 letters, digits, _ or -"],
  ["a refusal", () => world.verdicts.push({ status: 403 }), NONCE, "tamga: the collector refuses, 403"],
  [
    "a collector that is away",
    () => {
      world.down = true;
    },
    NONCE,
    "tamga: no answer of the collector",
  ],
] as [string, () => void, string, string][]) {
  test(`${what} rejects the promise with its reason`, async () => {
    const page = await open();
    prepare();
    assert.deepEqual(await page.evaluate(protect, { nonce }), { token: "", error });
  });
}

test("a page that has broken what it can still gets its verdict, and hears nothing", async () => {
  const errors: string[] = [];
  const page = await open("", async (context) => {
    context.on("weberror", (error) => errors.push(error.error().message));
    await context.addInitScript(() => {
      const broken = () => {
        throw new Error("broken");
      };
      for (const [of, name] of [
        [Navigator.prototype, "languages"],
        [Navigator.prototype, "plugins"],
        [Navigator.prototype, "maxTouchPoints"],
        [Screen.prototype, "width"],
        [window, "outerWidth"],
      ] as const)
        Object.defineProperty(of, name, { get: broken });
      Object.assign(Object, { getOwnPropertyNames: broken });
      Object.assign(Intl, { DateTimeFormat: broken });
      Object.assign(Array.prototype, { toJSON: () => "text" });
      Object.assign(Object.prototype, { toJSON: undefined, signal: "a text" });
    });
  });
  assert.deepEqual(await page.evaluate(protect, { nonce: NONCE }), { token: "a.signed.token", error: "" });
  const evidence = world.calls[0]?.body.evidence as Record<string, unknown>;
  assert.deepEqual(
    Object.keys(evidence).sort(),
    ["automation", "engine", "input", "zone"].filter((name) => name in evidence),
  );
  assert.deepEqual(errors, []);
});

test("a proxy that hides what was replaced is found, and stays as it was; one that hides nothing is none", async () => {
  const look = async (prepare: () => void) => {
    const page = await open("", (context) => context.addInitScript(prepare));
    await page.evaluate(protect, { nonce: NONCE });
    const isWhole = await page.evaluate(() =>
      [Function.prototype.toString, Permissions.prototype.query].every(
        (one) => Object.getPrototypeOf(one) === Function.prototype && `${one}`.includes("[native code]"),
      ),
    );
    assert.ok(isWhole);
    assert.equal(await page.evaluate(() => document.querySelectorAll("iframe").length), 0);
    const evidence = world.calls[0]?.body.evidence as { automation: string[] };
    return evidence.automation.includes("proxied_functions");
  };
  const hidden = await look(() => {
    Object.assign(Function.prototype, { toString: new Proxy(Function.prototype.toString, {}) });
  });
  const plain = await look(() => {
    Permissions.prototype.query = new Proxy(Permissions.prototype.query, {});
  });
  assert.deepEqual([hidden, plain], [true, false]);
});

test("a program that listens to the console is found, and one that presses on the exact middle", async () => {
  const page = await open();
  world.pages["/b"] = {
    tag: tag(world),
    body: "<button style='width: 200px; height: 60px'>Sign in</button>",
  };
  await page.evaluate(protect, { nonce: NONCE });
  await page.goto(`${world.origin}/b`);
  await page.click("button");
  await page.evaluate(protect, { nonce: NONCE });
  await page.goto(`${world.origin}/b`);
  await page.click("button", { position: { x: 70, y: 20 } });
  await page.evaluate(protect, { nonce: NONCE });
  const [before, middle, aside] = world.calls.map(({ body }) => {
    const { automation } = body.evidence as { automation: string[] };
    return ["driver_console", "centred_press"].filter((name) => automation.includes(name));
  });
  assert.deepEqual(
    [before, middle, aside],
    [["driver_console"], ["driver_console", "centred_press"], ["driver_console"]],
  );
});

/** A program that accepts connections and says nothing, as some of those for remote control do. */
const silent = (port: number) =>
  new Promise<Server>((ready, failed) => {
    const server = createServer().listen(port, "127.0.0.1", () => ready(server));
    server.on("error", failed);
  });
/** What this machine says itself: a port that takes a connection is open. */
const truth = async (all: Record<string, number[]>) => {
  const isOpen = (port: number) =>
    new Promise<boolean>((answer) => {
      const socket = connect(port, "127.0.0.1", () => answer(true)).on("error", () => answer(false));
      socket.unref().setTimeout(5_000, () => socket.destroy());
    });
  const states = Object.entries(all).map(async ([name, ports]) => [
    name,
    (await Promise.all(ports.map(isOpen))).includes(true) ? "open" : "closed",
  ]);
  return Object.fromEntries(await Promise.all(states));
};
const BLOCKED = Object.fromEntries(Object.keys(SERVICES).map((name) => [name, "blocked"]));
const seen = (site: Site) => site.calls[0]?.body.ports as Record<string, string> | undefined;

test("ports are looked at only with the tag's leave and the visitor's consent, and never by a prompt", async () => {
  for (const [attributes, consent, expected] of [
    ["", true, undefined],
    ["data-ports", undefined, undefined],
    ["data-ports", false, undefined],
    // Chromium would ask the visitor.
    ["data-ports", true, BLOCKED],
  ] as [string, boolean | undefined, object | undefined][]) {
    const page = await open(attributes);
    await page.evaluate(protect, { nonce: NONCE, consent });
    assert.deepEqual(seen(world), expected, `${attributes} ${consent}`);
    assert.equal(world.calls[0]?.body.consent, consent ? "given" : undefined);
  }
});

test("with the browser's permission, a program that holds the connection is open, and others are as they are", async () => {
  const server = await silent(7070);
  try {
    const page = await open("data-ports", (context) => context.grantPermissions(["local-network-access"]));
    await page.evaluate(protect, { nonce: NONCE, consent: true });
    const expected = await truth(SERVICES);
    assert.equal(expected.anydesk, "open");
    assert.deepEqual(seen(world), expected);
  } finally {
    server.close();
  }
});

test("where the page's policy forbids it, ports are blocked", async () => {
  const policy = `connect-src ${new URL(world.scriptUrl).origin}`;
  const page = await world.visitor((context) => context.grantPermissions(["local-network-access"]));
  world.pages["/"] = { tag: tag(world, "data-ports"), headers: { "Content-Security-Policy": policy } };
  await page.goto(`${world.origin}/`);
  await page.evaluate(protect, { nonce: NONCE, consent: true });
  assert.deepEqual(seen(world), BLOCKED);
});

test("the page of docs/account-protection.md sends its form with the token", async () => {
  const text = readFileSync(new URL("../../../docs/account-protection.md", import.meta.url), "utf8");
  const [, html = ""] = /^```html\n([\s\S]*?)^```$/m.exec(text) ?? [];
  const page = await world.visitor();
  const collector = new URL(world.scriptUrl).origin;
  world.pages["/"] = {
    tag: "",
    body: html.replaceAll("https://t.jetpay.kz", collector).replaceAll("jetpay.kz", SITE),
  };
  await page.goto(`${world.origin}/`);
  const sent = page.waitForRequest((request) => request.method() === "POST" && request.isNavigationRequest());
  await page.click("button");
  const fields = new URLSearchParams((await sent).postData() ?? "");
  assert.deepEqual(
    [fields.get("verdict"), fields.get("nonce")],
    ["a.signed.token", world.calls[0]?.body.nonce],
  );
});

test("Firefox gives its verdict too, without a cookie, and is known by its engine", async () => {
  const site = await new Site().open();
  const firefox = await Firefox.launch({ "intl.accept_languages": "kk-KZ, ru" });
  try {
    const tab = await firefox.tab();
    site.pages["/"] = { tag: tag(site, "data-ports") };
    await tab.goto(`${site.origin}/`);
    await tab.evaluate(() => {
      // biome-ignore lint/suspicious/noDocumentCookie: as a page does.
      document.cookie = "session=secret";
    });
    assert.deepEqual(await tab.evaluate(protect, { nonce: NONCE, consent: true }), {
      token: "a.signed.token",
      error: "",
    });
    const [{ body, headers }] = site.calls as [Call];
    const { engine, languages, automation } = body.evidence as Record<string, unknown>;
    assert.deepEqual([engine, languages, automation], ["gecko", ["kk-KZ", "ru"], ["webdriver"]]);
    assert.equal(headers.cookie, undefined);
    assert.deepEqual(site.contractErrors(), []);

    // Firefox would ask as well.
    assert.deepEqual(seen(site), BLOCKED);
  } finally {
    await firefox.close();
    await site.close();
  }
});
