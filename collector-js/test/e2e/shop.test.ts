/** Does the demo shop hold together, and is a visit to it counted as it happened? */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { SHOP, shopFile, shopPolicy } from "../lib/shop.js";
import { World } from "./world.js";

const BROWSE = new URL("../../test/browse.mjs", import.meta.url).pathname;

let world: World;
before(async () => {
  world = await World.create();
  world.shop = shopPolicy(new URL(world.scriptUrl).origin);
});
after(() => world?.close());

const pages = readdirSync(SHOP, { recursive: true, encoding: "utf8" }).filter((name) =>
  name.endsWith(".html"),
);
const read = (name: string) => readFileSync(SHOP + name, "utf8");

test("every page has the snippet, a link to what is counted, and all texts in three languages", () => {
  for (const name of pages) {
    const page = read(name);
    assert.equal(page.split("{{snippet}}").length, 2, name);
    assert.ok(page.indexOf("{{snippet}}") < page.indexOf("</head>"), name);
    assert.equal(page.split('href="/counted"').length, 2, name);
    const count = (language: string) => page.split(`<span lang="${language}">`).length;
    assert.ok(count("kk") > 10, name);
    assert.deepEqual([count("ru"), count("en")], [count("kk"), count("kk")], name);
  }
});

test("every link inside the shop leads to a file, and nothing is loaded from elsewhere", () => {
  const fill = { snippet: "" };
  for (const name of pages) {
    const page = read(name);
    for (const [, path] of page.matchAll(/(?:href|src|action)="(\/[^"#]*)/g)) {
      assert.ok(shopFile(path ?? "", fill), `${name} points to ${path}`);
    }
    assert.doesNotMatch(page, /<(script|link|img)[^>]*(src|href)="(https?:)?\/\//, name);
    assert.doesNotMatch(page, / style=| on[a-z]+=|<style|<script>/, name);
  }
});

test("no page is wider than a phone, and no page breaks its own content security policy", async () => {
  const page = await world.visitor();
  await page.setViewportSize({ width: 360, height: 740 });
  const complaints: string[] = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", ({ message }) => complaints.push(message));
  for (const name of pages) {
    const path = name === "pay.html" ? "/pay/123456" : `/${name.replace(/(index)?\.html$/, "")}`;
    await page.goto(world.origin + path);
    for (const language of ["kk", "ru", "en"]) {
      await page.locator(`[data-language="${language}"]`).click();
      const [wide, high] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok((wide ?? 0) <= (high ?? 0), `${path} in ${language} is ${wide} px wide`);
      assert.equal(
        await page.locator(`h1 [lang="${language}"]:visible`).count(),
        1,
        `${path} in ${language} has a heading`,
      );
    }
  }
  assert.deepEqual(complaints, []);
});

test("test/browse.mjs walks through the shop, prints what was sent, and the collector saw the same", async () => {
  await world.visitor();
  const child = spawn(process.execPath, [BROWSE, "--dwell", "0.3", world.origin], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [output, code] = await Promise.all([
    text(child.stdout),
    new Promise((resolve) => {
      child.on("exit", resolve);
    }),
  ]);
  const lines = output
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.equal(code, 0, output);
  const done = lines.at(-1);
  assert.deepEqual([done.kind, done.pages, done.failed], ["done", 8, 0]);
  const printed = lines.filter(({ kind }) => kind === "beacon");
  assert.equal(printed.length, world.received.length);
  assert.ok(printed.every(({ status }) => status === 202));
  assert.deepEqual(world.contractErrors(), []);

  const product = world.of("view")[3]?.url.split("/").at(-1);
  assert.deepEqual(
    world
      .of("view")
      .map(({ url, referrer }) => [url, referrer].map((address) => address && new URL(address).pathname)),
    [
      ["/", undefined],
      ["/catalog", "/"],
      ["/catalog/tea", "/catalog"],
      [`/product/${product}`, "/catalog/tea"],
      ["/cart", `/product/${product}`],
      ["/checkout", "/cart"],
      [new URL(world.of("view")[6]?.url ?? "").pathname, "/checkout"],
    ],
  );
  assert.match(world.of("view")[6]?.url ?? "", /\/pay\/\d{6}$/);
  assert.deepEqual(
    world.of("exit").map(({ url }) => url),
    ["https://kaspi.kz"],
  );
  assert.deepEqual(
    world.of("event").map(({ name }) => name),
    ["cart-add", "cart-note", "checkout-done"],
  );
  const engaged = world.of("engage").reduce((sum, { engaged_ms }) => sum + engaged_ms, 0);
  assert.ok(
    world.of("engage").length === 7 && engaged > 7 * 250,
    `${engaged} ms in ${world.of("engage").length} views`,
  );
});
