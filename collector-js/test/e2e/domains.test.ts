/** A site with pages under several domains: is each counted as a page of the site, with a cookie of its own domain? */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Firefox } from "../lib/firefox.js";
import { MARKET, SITE, World } from "./world.js";

const PATIENCE_MS = 30_000;
let world: World;
before(async () => {
  world = await World.create();
});
after(() => world?.close());

/** The pages of the second domain, with the collector's name there, and a way from the first domain to it. */
const serve = () => {
  const tag = `<script defer src="http://t.${MARKET}:${world.port}/tamga.js" data-site="${SITE}"></script>`;
  world.pages["/"] = { body: `<a href="${world.market}/goods">Market</a>` };
  world.pages[`${MARKET}/goods`] = { tag, body: '<a href="/goods/felt">Felt</a>' };
  world.pages[`${MARKET}/goods/felt`] = { tag, body: `<a href="${world.origin}/about">Shop</a>` };
  world.pages["/about"] = {};
};
const isRight = () => {
  assert.deepEqual(
    world.of("view").map(({ url, referrer }) => [url, referrer]),
    [
      [`${world.origin}/`, undefined],
      // A browser gives other origins no path.
      [`${world.market}/goods`, `${world.origin}/`],
      [`${world.market}/goods/felt`, `${world.market}/goods`],
      [`${world.origin}/about`, `${world.market}/`],
    ],
  );
  assert.ok(world.received.every(({ beacon }) => beacon.site === SITE));
  const views = world.received.filter(({ beacon }) => beacon.events.some(({ type }) => type === "view"));
  assert.deepEqual(
    views.map(({ headers }) => [headers.host?.replace(/:.*/, ""), !!headers.cookie]),
    [
      [`t.${SITE}`, false],
      [`t.${MARKET}`, false],
      [`t.${MARKET}`, true],
      [`t.${SITE}`, true],
    ],
    "each host of the collector has a cookie of its own, and gets it back",
  );
  // Only the collector knows all domains of the site. It drops exits to them.
  const exits = world.of("exit").map(({ url }) => url);
  assert.ok(
    exits.every((url) => url === world.market || url === world.origin),
    `${exits}`,
  );
  assert.deepEqual(world.contractErrors(), []);
};

test("Chromium goes from one domain to the other and back", async () => {
  const page = await world.visitor();
  serve();
  await page.goto(`${world.origin}/`);
  for (const [views, link] of [
    [1, "Market"],
    [2, "Felt"],
    [3, "Shop"],
  ] as const) {
    await world.until(() => world.of("view").length === views);
    await page.getByText(link).click();
  }
  await world.until(() => world.of("view").length === 4);
  isRight();
});

test("Firefox goes from one domain to the other and back", async () => {
  world.reset();
  serve();
  const firefox = await Firefox.launch();
  try {
    const tab = await firefox.tab();
    await tab.goto(`${world.origin}/`);
    for (const views of [1, 2, 3]) {
      await world.until(() => world.of("view").length === views, PATIENCE_MS);
      await tab.evaluate(() => document.querySelector("a")?.click());
    }
    await world.until(() => world.of("view").length === 4, PATIENCE_MS);
    isRight();
  } finally {
    await firefox.close();
  }
});
