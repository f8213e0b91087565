/** Does the checker tell a site's developer what is wrong, and nothing where nothing is? */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Page } from "playwright-core";
import { World } from "./world.js";

let world: World;
before(async () => {
  world = await World.create();
});
after(() => world?.close());

const lines = (page: Page) =>
  page.evaluate(() =>
    [...(document.querySelector("tamga-check")?.shadowRoot?.querySelectorAll("li") ?? [])].map(
      (line) => `${line.className}: ${line.textContent}`,
    ),
  );
/** What stands there once nothing is added any more. */
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

test("a correct installation has no fault, is counted as usual, and shows that the cookie came back", async () => {
  const page = await world.visitor();
  world.device = "10";
  world.answers = Array.from({ length: 9 }, () => ({ headers: { "Tamga-Outcome": "accepted" } }));
  world.pages["/"] = { query: "?check" };
  await page.goto(`${world.origin}/`);
  // All eight lines are there before the device part is answered, and only that answer shows that the cookie came back.
  const seen = await verdict(
    page,
    (lines) => lines.length === 8 && lines.every((line) => line.startsWith("good")),
  );
  assert.equal(seen.length, 8, seen.join("\n"));
  assert.ok(
    seen.some((line) => line.includes("cookie came back")),
    seen.join("\n"),
  );
  assert.deepEqual(
    seen.filter((line) => !line.startsWith("good")),
    [],
  );
  assert.equal(world.of("view").length, 1);
  await page.evaluate(() =>
    document.querySelector("tamga-check")?.shadowRoot?.querySelector("button")?.click(),
  );
  assert.deepEqual(await lines(page), []);
});

test("it comes to a page that has the snippet already, and starts no second one", async () => {
  const page = await world.visitor();
  await page.goto(`${world.origin}/`);
  await world.until(() => world.of("view").length === 1);
  await page.evaluate((url) => import(url), `${world.scriptUrl}?check`);
  const seen = await verdict(page, (lines) => lines.length === 8);
  assert.deepEqual(bad(seen), []);
  await world.quiet();
  assert.equal(world.of("view").length, 1);
});

for (const [what, arrange, expected] of [
  [
    "a policy of the page that forbids beacons",
    () => {
      world.pages["/"] = {
        query: "?check",
        headers: {
          "Content-Security-Policy": `script-src ${new URL(world.scriptUrl).origin}; connect-src 'none'`,
        },
      };
    },
    /content security policy forbids beacons.*Add http:\/\/t\.shop\.localhost:\d+ to connect-src/,
  ],
  [
    "an origin that the collector does not list",
    () => {
      world.answers = Array.from({ length: 9 }, () => ({
        status: 403,
        headers: { "Access-Control-Allow-Origin": "https://other.kz" },
      }));
    },
    /answers, but not to http:\/\/shop\.localhost:\d+.*Add http:\/\/shop\.localhost:\d+ to origins/,
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
    "a site that the collector does not know",
    () => {
      world.answers = Array.from({ length: 9 }, () => ({ status: 403 }));
    },
    /refuses \(403\)/,
  ],
  [
    "a full disk",
    () => {
      world.answers = Array.from({ length: 9 }, () => ({ status: 503 }));
    },
    /accepts nothing \(503\)/,
  ],
  [
    "a collector under a stranger's name",
    () => {
      const endpoint = `http://t.elsewhere.localhost:${world.port}/v1/beacon`;
      world.pages["/"] = { query: "?check", attributes: `data-endpoint="${endpoint}"` };
    },
    /is not below shop\.localhost/,
  ],
] as [string, () => void, RegExp][]) {
  test(`it names ${what}, and what to do`, async () => {
    const page = await world.visitor();
    world.pages["/"] = { query: "?check" };
    arrange();
    await page.goto(`${world.origin}/`);
    const seen = await verdict(page, (lines) => bad(lines).some((line) => expected.test(line)));
    assert.ok(
      bad(seen).some((line) => expected.test(line)),
      seen.join("\n"),
    );
  });
}

test("several tags, a tag that waits for consent, and Global Privacy Control are notes, not faults", async () => {
  const page = await world.visitor((context) =>
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
  world.pages["/wait"] = { query: "?check", attributes: 'data-consent="wait"' };
  const other = await world.visitor();
  world.pages["/wait"] = { query: "?check", attributes: 'data-consent="wait"' };
  await other.goto(`${world.origin}/wait`);
  const waiting = await verdict(other, (lines) => lines.length === 8);
  assert.ok(
    waiting.some((line) => line.includes("waits for consent")),
    waiting.join("\n"),
  );
  assert.equal(world.of("view").length, 0);
});
