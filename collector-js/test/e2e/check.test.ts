/** Does the checker tell a site's developer the truth: the cause first, with its remedy, and "counted" only then? */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { BrowserContext, Page } from "playwright-core";
import { ELSEWHERE, MARKET, SITE, World } from "./world.js";

let world: World;
/** The agent of an ordinary browser: a headless one says so in its own. */
let userAgent: string;
before(async () => {
  world = await World.create({ unautomated: true });
  const page = await world.visitor();
  userAgent = (await page.evaluate(() => navigator.userAgent)).replace("HeadlessChrome", "Chrome");
});
after(() => world?.close());

const ACCEPTED = () => Array.from({ length: 20 }, () => ({ headers: { "Tamga-Outcome": "accepted" } }));
const every = (answer: { status: number; body?: string; headers?: Record<string, string> }) =>
  Array.from({ length: 20 }, () => answer);
const problem = (status: number, detail: string) =>
  every({
    status,
    headers: { "Content-Type": "application/problem+json" },
    body: JSON.stringify({ status, detail }),
  });

/** A browser that no program controls, as far as pages can tell, with a collector that accepts. */
async function visitor(prepare?: (context: BrowserContext) => Promise<unknown>) {
  const page = await world.visitor(prepare, { userAgent });
  world.answers = ACCEPTED();
  return page;
}

const lines = (page: Page) =>
  page.evaluate(() =>
    [...(document.querySelector("tamga-check")?.shadowRoot?.querySelectorAll("li") ?? [])].map(
      (line) => `${line.className}: ${line.textContent}`,
    ),
  );

/** The lines once they hold, or the last ones. */
async function verdict(page: Page, holds: (lines: string[]) => boolean) {
  const end = performance.now() + 15_000;
  let seen = await lines(page);
  while (!holds(seen) && performance.now() < end) {
    await page.waitForTimeout(50);
    seen = await lines(page);
  }
  return seen;
}
const bad = (lines: string[]) => lines.filter((line) => line.startsWith("bad"));
const counted = (lines: string[]) => lines.some((line) => line.includes("This page is counted"));
const tell = (name: string) => (window as { tamga?: { event(name: string): void } }).tamga?.event(name);
const bring = (page: Page) => page.evaluate((url) => import(url), `${world.scriptUrl}?check`);

test("a correct installation has no fault, is counted as usual, and shows that the cookie came back", async () => {
  const page = await visitor();
  world.pages["/"] = { query: "?check" };
  await page.goto(`${world.origin}/`);
  const seen = await verdict(page, (lines) => lines.length === 8);
  assert.equal(seen.length, 8, seen.join("\n"));
  assert.deepEqual(
    seen.filter((line) => !line.startsWith("good")),
    [],
  );
  assert.match(seen[0] ?? "", /^good: This page is counted/);
  assert.ok(
    seen.some((line) => line.includes("cookies come back")),
    seen.join("\n"),
  );
  assert.equal(world.of("view").length, 1);
  await page.evaluate(() =>
    document.querySelector("tamga-check")?.shadowRoot?.querySelector("button")?.click(),
  );
  assert.deepEqual(await lines(page), []);
});

test("it judges the snippet that the page has, starts no second one, and waits with its verdict", async () => {
  const page = await visitor();
  await page.goto(`${world.origin}/`);
  await world.until(() => world.of("view").length === 1);
  await bring(page);
  const seen = await verdict(page, (lines) => lines.length >= 7);
  assert.deepEqual(bad(seen), []);
  assert.ok(
    seen.some((line) => line.startsWith("note: It is not known yet")),
    seen.join("\n"),
  );
  await page.evaluate(tell, "signup");
  assert.ok(counted(await verdict(page, counted)));
  assert.equal(world.of("view").length, 1);
});

/** What is wrong, how it comes about, and what the first line says. */
const MISTAKES: [string, (page: Page) => Promise<unknown> | unknown, RegExp][] = [
  [
    "a proxy that takes the cookie away",
    () => {
      world.strips = true;
    },
    /cookie does not come back.*pass on Set-Cookie and Cookie/,
  ],
  [
    "the integrity of another version",
    () => {
      world.pages["/"] = {
        attributes: `crossorigin="anonymous" integrity="sha384-${"A".repeat(64)}"`,
      };
    },
    /integrity is not that of the script.*Copy the whole line that tamga snippet prints/,
  ],
  [
    "integrity without crossorigin",
    () => {
      world.pages["/"] = { attributes: `integrity="sha384-${"A".repeat(64)}"` };
    },
    /integrity and no crossorigin.*Add crossorigin="anonymous"/,
  ],
  [
    "a tag without its site, as tag managers make it",
    () => {
      world.pages["/"] = { tag: `<script defer src="${world.scriptUrl}"></script>` };
    },
    /no data-site, so nothing is counted.*Add data-site="shop\.localhost".*by code/,
  ],
  [
    "a tag that a consent manager holds",
    () => {
      world.pages["/"] = { attributes: 'type="text/plain"' };
    },
    /type="text\/plain", so the browser does not run it.*consent manager/,
  ],
  [
    "an address of beacons that is no collector's",
    () => {
      world.pages["/"] = {
        query: "?check",
        attributes: `data-endpoint="http://${ELSEWHERE}:${world.port}/v1/beacon"`,
      };
    },
    /data-endpoint leads to elsewhere\.localhost.*Remove data-endpoint/,
  ],
  [
    "an address of beacons at the site itself",
    () => {
      world.pages["/"] = { query: "?check", attributes: `data-endpoint="/v1/beacon"` };
    },
    /What answers.* is no collector|answers the beacons is no collector/,
  ],
  [
    "an address without the route",
    () => {
      world.answers = every({ status: 404 });
    },
    /no beacon route at http.*must end in \/v1\/beacon/,
  ],
  [
    "a proxy whose collector is gone",
    () => {
      world.proxy = 502;
    },
    /is no collector.*stopped and the proxy answer for it \(502\)/,
  ],
  [
    "a typing error in the site",
    () => {
      world.answers = problem(403, "No such site is configured here.");
    },
    /does not know the site shop\.localhost.*typing error/,
  ],
  [
    "an origin that the site does not list",
    () => {
      world.answers = every({
        status: 403,
        headers: { "Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": "" },
      });
    },
    /does not list http:\/\/shop\.localhost:\d+.*Add "http:\/\/shop\.localhost:\d+" to origins/,
  ],
  [
    "an event that is not declared, beside the view",
    () => {
      world.pages["/"] = {
        query: "?check",
        head: '<script>window.tamga = { q: [["event", "singup"]] }</script>',
      };
    },
    /The event "singup" is not declared.*Add "singup" to events/,
  ],
  [
    "?check on the pinned line",
    () => {
      const src = world.scriptUrl.replace("/tamga.js", "/js/0123456789abcdef/tamga.js?check");
      world.pages["/"] = { tag: `<script defer src="${src}" data-site="${SITE}"></script>` };
    },
    /\?check does nothing on the pinned line.*Use the console/,
  ],
  [
    "a page without the snippet",
    () => {
      world.pages["/"] = { tag: "" };
    },
    /no snippet.*Add the line that tamga snippet prints/,
  ],
  [
    "a policy of the page that forbids beacons",
    () => {
      const policy = `script-src ${new URL(world.scriptUrl).origin}; connect-src 'none'`;
      world.pages["/"] = { query: "?check", headers: { "Content-Security-Policy": policy } };
    },
    /content security policy forbids beacons.*Add http:\/\/t\.shop\.localhost:\d+ to connect-src/,
  ],
  [
    "a collector that is not there",
    () => {
      world.pages["/"] = {
        query: "?check",
        attributes: 'data-endpoint="http://t.shop.localhost:1/v1/beacon"',
      };
    },
    /cannot be reached/,
  ],
  [
    "a full disk",
    () => {
      world.answers = problem(503, "The collector cannot store anything right now; try again later.");
    },
    /accepts nothing \(503\).*ask its \/readyz/,
  ],
  [
    "a browser that is taken for a bot",
    () => {
      world.answers = every({ status: 202, headers: { "Tamga-Outcome": "dropped" } });
    },
    /arrive, and nothing is counted.*bot/,
  ],
];

for (const [what, arrange, expected] of MISTAKES) {
  test(`it names ${what} first, and what to do`, async () => {
    const page = await visitor();
    world.pages["/"] = { query: "?check" };
    await arrange(page);
    await page.goto(`${world.origin}/`);
    await page.waitForLoadState();
    if (!(await page.$("tamga-check"))) await bring(page);
    const holds = (lines: string[]) => expected.test(lines[0] ?? "");
    const seen = await verdict(page, holds);
    assert.ok(holds(seen) && seen[0]?.startsWith("bad"), seen.join("\n"));
  });
}

test("a program that controls the browser is no visitor, and the first line says so", async () => {
  const page = await world.visitor();
  world.answers = ACCEPTED();
  world.pages["/"] = { query: "?check" };
  await page.goto(`${world.origin}/`);
  const seen = await verdict(page, (lines) => lines.length === 8);
  assert.match(seen[0] ?? "", /^bad: This browser is controlled by a program.*ordinary browser/);
  assert.ok(!counted(seen), seen.join("\n"));
});

test("the npm package is judged by its beacons", async () => {
  const page = await visitor();
  world.pages["/"] = {
    tag: `<script type="module">import { start } from "/npm.js";
      start({ site: "${SITE}", endpoint: "${new URL("/v1/beacon", world.scriptUrl)}" });</script>`,
  };
  await page.goto(`${world.origin}/`);
  await world.until(() => world.of("view").length === 1);
  await bring(page);
  await page.evaluate(tell, "singup");
  const seen = await verdict(page, (lines) => /"singup" is not declared/.test(lines[0] ?? ""));
  assert.match(seen[0] ?? "", /^bad: The event "singup" is not declared/);
  assert.ok(seen.some((line) => line.startsWith("good: The snippet runs, without a tag")));
});

test("several tags, a tag that waits for consent, and Global Privacy Control are notes, not faults", async () => {
  const page = await visitor((context) =>
    context.addInitScript(() => {
      Object.defineProperty(navigator, "globalPrivacyControl", { value: true });
    }),
  );
  world.pages["/"] = { query: "?check", tags: 2 };
  await page.goto(`${world.origin}/`);
  const seen = await verdict(page, (lines) => lines.length === 8);
  assert.deepEqual(bad(seen), []);
  assert.ok(
    seen.some((line) => line.startsWith("note: 2 tags")),
    seen.join("\n"),
  );
  assert.ok(seen.some((line) => line.includes("Global Privacy Control")));
  assert.equal(await page.locator("tamga-check").count(), 1, "two checkers take each other's cookie");
  // Its view is this visitor's: it must not come as the next one's.
  await world.until(() => world.of("view").length === 1);
  const other = await visitor();
  world.pages["/wait"] = { query: "?check", attributes: 'data-consent="wait"' };
  await other.goto(`${world.origin}/wait`);
  const waiting = await verdict(other, (lines) => lines.length === 8);
  assert.ok(
    waiting.some((line) => line.includes("waits for consent")),
    waiting.join("\n"),
  );
  assert.ok(!counted(waiting));
  assert.equal(world.of("view").length, 0);
});

for (const width of [360, 1280]) {
  test(`at ${width} px nothing covers the title or leaves the screen`, async () => {
    const page = await visitor();
    await page.setViewportSize({ width, height: 740 });
    world.pages["/"] = { query: "?check", attributes: `data-endpoint="http://${ELSEWHERE}:1/v1/beacon"` };
    await page.goto(`${world.origin}/`);
    await verdict(page, (lines) => lines.length >= 6);
    const apart = await page.evaluate(() => {
      const root = document.querySelector("tamga-check")?.shadowRoot;
      const box = (name: string) => root?.querySelector(name)?.getBoundingClientRect() ?? new DOMRect();
      const title = root?.querySelector("h2")?.firstChild as Text;
      const range = document.createRange();
      range.selectNodeContents(title);
      const [text, close, section] = [range.getBoundingClientRect(), box("button"), box("section")];
      const wide = [...(root?.querySelectorAll("li") ?? [])].some(
        (line) => line.scrollWidth > line.clientWidth,
      );
      return {
        covered: text.right > close.left && text.bottom > close.top,
        outside:
          section.left < 0 || section.right > innerWidth || section.top < 0 || section.bottom > innerHeight,
        wide,
      };
    });
    assert.deepEqual(apart, { covered: false, outside: false, wide: false });
  });
}

test("on another domain of the site, the collector's name of that domain is right, and that of the first is wrong", async () => {
  const page = await visitor();
  const tag = (host: string) =>
    `<script defer src="http://t.${host}:${world.port}/tamga.js?check" data-site="${SITE}"></script>`;
  world.pages[`${MARKET}/right`] = { tag: tag(MARKET) };
  world.pages[`${MARKET}/wrong`] = { tag: tag(SITE) };
  await page.goto(`${world.market}/right`);
  assert.deepEqual(bad(await verdict(page, counted)), []);
  await page.goto(`${world.market}/wrong`);
  const wrong = (lines: string[]) => bad(lines)[0]?.includes("is not below the domain of this page");
  const seen = await verdict(page, (lines) => !!wrong(lines));
  assert.ok(wrong(seen), `${seen}`);
  assert.match(`${bad(seen)[0]}`, new RegExp(`such as t\\.${MARKET.replace(".", "\\.")}`));
});
