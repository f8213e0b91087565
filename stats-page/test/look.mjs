/**
 * Looks at the page in a real Chromium:
 *
 *     node test/look.mjs ORIGIN PASSWORD [FOLDER]
 *
 * ORIGIN is a collector with the numbers of `tests/fixtures/stats/made_up.sql`; PASSWORD is that of the account `aigerim`. It
 * signs in, waits for every panel, and changes site, period, language and theme. Nothing may fail, go to another host, break
 * the page's policy, or be found by axe-core, in no language, theme and size of a site. On a narrow screen drawings fit and names break
 * at their signs. With FOLDER it saves screenshots of the page and its tabs in all widths, languages and themes.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [origin = "", password = "", folder = ""] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const CHROMIUM = process.env.CHROMIUM || "/usr/bin/chromium";

/** Until no panel waits for an answer: one that comes later moves what is below. @param {import("playwright-core").Page} page */
async function quiet(page) {
  await page.waitForFunction(() => !document.querySelector(".content[aria-busy]"));
}

/** @param {import("playwright-core").Page} page */
async function settled(page) {
  // Panels ask when they come into view.
  const isBelow = (/** @type {number} */ at) => {
    window.scrollTo(0, at * 600);
    return at * 600 < document.documentElement.scrollHeight;
  };
  for (let at = 0; await page.evaluate(isBelow, at); at++) await page.waitForTimeout(30);
  await quiet(page);
  await page.evaluate(() => window.scrollTo(0, 0));
}

/** What axe-core finds. It comes through the debugger, which the page's policy does not bind. */
async function audited(/** @type {import("playwright-core").Page} */ page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => /** @type {any} */ (globalThis).axe.run());
  return violations.map((/** @type {any} */ { id, nodes }) => `${id}: ${nodes[0].html.slice(0, 200)}`);
}

async function look() {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
  const context = await browser.newContext({ locale: "en-US", viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  /** @type {string[]} */
  const wrong = [];
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(`${origin}/stats`) && !/^(blob|data):/.test(url)) wrong.push(`asks for ${url}`);
  });
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("console", (message) => {
    // 401 before signing in is logged by the browser itself.
    if (message.type() === "error" && !/401/.test(message.text())) wrong.push(message.text());
  });
  await page.goto(`${origin}/stats`);
  assert.match(await page.innerText("main"), /that tamga analyst add made/);
  await page.fill("#name", "aigerim");
  await page.fill("#password", "wrong");
  await page.click("button[type=submit]");
  await page.waitForFunction(() => document.querySelector(".trouble")?.textContent?.includes("Wrong"));
  assert.deepEqual(await audited(page), [], "signing in");
  await page.fill("#password", password);
  await page.click("button[type=submit]");
  await page.waitForSelector(".controls");
  assert.equal(await page.evaluate(() => document.cookie), "", "no script reads the session");

  await hastyChoice(page);
  await page.selectOption(".controls select", "s1.kz");
  await page.waitForSelector(".graph canvas");
  await page.waitForSelector(".tile");
  await wholeSheet(page);
  await settled(page);
  assert.match(page.url(), /site=s1\.kz/);
  assert.match(await page.innerText(".notes"), /New <b>checkout<\/b>/);
  const text = await page.innerText("main");
  for (const expected of ["/tariffs", "search", "Almaty", "Chrome", "within"]) {
    assert.ok(text.includes(expected) || (await page.content()).includes(expected), `no ${expected}`);
  }
  const tiles = await page.innerText(".tiles");
  for (const expected of ["Bounce rate", "Duration", "Engaged"])
    assert.ok(tiles.includes(expected), expected);
  // A region without numbers is never 0.
  const map = (await page.textContent("#places svg")) ?? "";
  assert.match(map, /Pavlodar: Visitors hidden \(few\)/);
  assert.match(map, /Aktobe: Visitors \d/);
  assert.match(await page.innerText("#pages thead"), /Read, s/);
  assert.deepEqual(await audited(page), [], "the page");

  await page.locator("#trust .tab").nth(1).click();
  await page.waitForSelector("#trust td[title='bot:search']:has-text('bots: search')");
  await page.locator("#trust .tab").first().click();

  // Every tab of every panel shows something and fails nowhere.
  const tabs = await page.locator(".tab:visible").all();
  for (const tab of tabs) {
    await tab.click();
    await quiet(page);
  }
  assert.equal(await page.locator(".content button:text('Try again')").count(), 0);
  await page.locator("#pages .tab").first().click();
  await page.locator("#pages .link", { hasText: "/tariffs" }).first().click();
  await page.waitForSelector("#flow svg .flow");
  assert.equal(await page.innerText("#flow h3"), "/tariffs");

  await page.locator("#flow .flow[role=button]", { hasText: "/pay/:order" }).first().focus();
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector("#flow h3")?.textContent === "/pay/:order");
  await quiet(page);
  await page.locator("#flow .tool").first().click();
  assert.match(await page.innerText("dialog pre"), /-- zone = 'Asia\/Almaty'[\s\S]*FROM transitions/);
  await page.keyboard.press("Escape");
  await page.waitForSelector("dialog", { state: "detached" });
  // A mouse loses its click where a panel that comes into view moves what is below it.
  const save = page.locator("#sources .tool").nth(1);
  await save.scrollIntoViewIfNeeded();
  await quiet(page);
  const [download] = await Promise.all([
    page.waitForEvent("download", { timeout: 120_000 }),
    save.press("Enter"),
  ]);
  const csv = readFileSync(await download.path(), "utf8");
  assert.match(csv, /source,medium,campaign,visits/);

  await page.selectOption(".controls select", "empty.kz");
  await settled(page);
  assert.match(await page.innerText("main"), /Nothing to show/);
  await page.goBack();
  await page.waitForFunction(() => document.title.includes("s1.kz"));

  await narrow(page);
  if (folder) await screenshots(page);
  for (const site of ["empty.kz", "small.kz", "s1.kz"]) await inAllTastes(page, site);
  await page.locator(".leave").click();
  await page.waitForSelector("#password");
  assert.deepEqual(wrong, []);
  await browser.close();
}

/** Goals that arrive late do not bring an earlier period back. */
async function hastyChoice(/** @type {import("playwright-core").Page} */ page) {
  await page.route(/panel=goals/, async (route) => {
    await new Promise((soon) => setTimeout(soon, 500));
    await route.continue();
  });
  const period = page.locator(".controls select").nth(1);
  await page.selectOption(".controls select", "s0.kz");
  await period.selectOption("7");
  await page.waitForSelector(".goal");
  await page.waitForTimeout(600);
  await page.selectOption(".goal select", "order");
  assert.equal(await period.inputValue(), "7");
  await page.unroute(/panel=goals/);
}

/** Printing waits for what is out of view. The graph says the numbers of its last day, and the page how to read all of them. */
async function wholeSheet(/** @type {import("playwright-core").Page} */ page) {
  assert.match(await page.innerText("main"), /Loading…/);
  await page.evaluate(() => {
    window.print = () => document.body.classList.add("printed");
  });
  await page.click("text=Print");
  await page.waitForSelector(".printed");
  assert.doesNotMatch(await page.innerText("main"), /Loading…/);
  assert.match(await page.innerText(".u-legend"), /Views\s*\d/);
  await page.click("summary");
  assert.match(await page.innerText(".guide"), /not 0[\s\S]*Visits of one view/);
  await page.click("summary");
}

/** What axe-core finds of a site, in each language and theme. */
async function inAllTastes(/** @type {import("playwright-core").Page} */ page, /** @type {string} */ site) {
  await page.selectOption(".controls select", site);
  for (const [language, word] of /** @type {const} */ ([
    ["en", "At a glance"],
    ["ru", "Коротко"],
    ["kk", "Қысқаша"],
  ])) {
    await page.locator(".tastes select").first().selectOption(language);
    await page.waitForSelector(`text=${word}`);
    for (const theme of ["light", "dark"]) {
      await page.locator(".tastes select").nth(1).selectOption(theme);
      await settled(page);
      assert.deepEqual(await audited(page), [], `${site} ${language} ${theme}`);
    }
  }
}

/** What scrolls sideways, and names that break within a word, on a telephone. */
async function narrow(/** @type {import("playwright-core").Page} */ page) {
  await page.setViewportSize({ width: 360, height: 900 });
  for (const panel of ["places", "hours"]) await page.locator(`#${panel} .tab`).first().click();
  await settled(page);
  const wide = await page.evaluate(() => {
    const isWide = (/** @type {Element} */ { scrollWidth, clientWidth }) => scrollWidth > clientWidth + 1;
    const drawn = ["totals", "days", "places", "flow", "hours"].map((id) => `#${id} .content`);
    return ["html", ...drawn].filter((of) => isWide(/** @type {Element} */ (document.querySelector(of))));
  });
  assert.deepEqual(wide, [], "scrolls sideways");
  const broken = await page.evaluate(() => {
    const names = [...document.querySelectorAll("td.name :is(span, button)")];
    const parts = names
      .flatMap((name) => [...name.childNodes])
      .filter((part) => part.nodeType === Node.TEXT_NODE);
    const lines = (/** @type {Node} */ part) => {
      const range = document.createRange();
      range.selectNodeContents(part);
      return new Set([...range.getClientRects()].map(({ top }) => top)).size;
    };
    return parts.filter((part) => lines(part) > 1).map((part) => part.textContent);
  });
  assert.deepEqual(broken, [], "breaks within a word");
  await page.setViewportSize({ width: 1440, height: 900 });
}

/** The whole page in each language, theme and width of each site, and each tab once in each width. */
async function screenshots(/** @type {import("playwright-core").Page} */ page) {
  for (const site of ["s1.kz", "small.kz", "empty.kz"]) {
    await page.selectOption(".controls select", site);
    for (const [width, ownLanguage] of /** @type {const} */ ([
      [1440, "en"],
      [768, "ru"],
      [360, "kk"],
    ])) {
      await page.setViewportSize({ width, height: 900 });
      for (const language of ["en", "ru", "kk"]) {
        await page.locator(".tastes select").first().selectOption(language);
        for (const theme of ["light", "dark"]) {
          await page.locator(".tastes select").nth(1).selectOption(theme);
          await settled(page);
          const path = `${folder}/${site}-${width}-${language}-${theme}.png`;
          await page.screenshot({ path, fullPage: true });
        }
        if (language === ownLanguage) await eachTab(page, `${folder}/${site}-${width}-${language}`);
      }
    }
  }
  await page.selectOption(".controls select", "s1.kz");
  await page.setViewportSize({ width: 1440, height: 900 });
}

async function eachTab(/** @type {import("playwright-core").Page} */ page, /** @type {string} */ path) {
  for (const card of await page.locator(".card").all()) {
    const tabs = await card.locator(".tab").all();
    for (const [at, tab] of tabs.entries()) {
      await tab.click();
      await quiet(page);
      await card.screenshot({ path: `${path}-${await card.getAttribute("id")}-${at}.png` });
    }
    if (tabs[0]) await tabs[0].click();
  }
}

await look();
console.log("looked at");
