/**
 * Automated visitors, each as its tool's manual says: tools for tests (playwright, puppeteer, Selenium) with Chromium and
 * Firefox, with and without a window; puppeteer with the plug-in that hides it; and programs without a browser that send
 * a call which they have copied from one. `EVADERS` are made to be taken for people, and are counted apart.
 *
 * A tool is a function: it opens the page of a run, fills in the form and presses the button.
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { chromium as patched } from "patchright-core";
import { chromium } from "playwright-core";
import puppeteer from "puppeteer-core";
import { addExtra } from "puppeteer-extra";
import stealth from "puppeteer-extra-plugin-stealth";
import { Builder, By } from "selenium-webdriver";
import * as chrome from "selenium-webdriver/chrome.js";
import * as gecko from "selenium-webdriver/firefox.js";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FIREFOX = process.env.FIREFOX ?? "/usr/bin/firefox-esr";
const CHROMEDRIVER = process.env.CHROMEDRIVER ?? "/usr/bin/chromedriver";
const GECKODRIVER = process.env.GECKODRIVER ?? "geckodriver";
const PYTHON = process.env.PROTECT_PYTHON ?? "python3";
const here = (/** @type {string} */ name) => join(fileURLToPath(new URL(".", import.meta.url)), name);
const execute = promisify(execFile);
const ARGS = ["--no-sandbox"];
const MAIL = "aigerim@example.kz";
const WORD = "qwertyuio";

/** @typedef {{ lab: import("./lab.mjs").Lab, run: string, display: string, copied: { head: string[], body: string } }} Given */
/** @typedef {(given: Given) => Promise<unknown>} Tool */

/** @param {import("playwright-core").Browser} browser @param {Given} given @param {object} [options] */
async function byPlaywright(browser, { lab, run }, options) {
  try {
    const page = await (await browser.newContext(options)).newPage();
    await page.goto(lab.page(run));
    await page.fill("#mail", MAIL);
    await page.fill("#word", WORD);
    await page.click("#go");
    await lab.until(run, "done", 20_000);
  } finally {
    await browser.close();
  }
}

/** @param {import("puppeteer-core").Browser} browser @param {Given} given */
async function byPuppeteer(browser, { lab, run }) {
  try {
    const page = await browser.newPage();
    await page.goto(lab.page(run));
    await page.type("#mail", MAIL);
    await page.type("#word", WORD);
    await page.click("#go");
    await lab.until(run, "done", 20_000);
  } finally {
    await browser.close();
  }
}

/** @param {import("selenium-webdriver").ThenableWebDriver} driver @param {Given} given */
async function bySelenium(driver, { lab, run }) {
  try {
    await driver.get(lab.page(run));
    await driver.findElement(By.id("mail")).sendKeys(MAIL);
    await driver.findElement(By.id("word")).sendKeys(WORD);
    await driver.findElement(By.id("go")).click();
    await lab.until(run, "done", 20_000);
  } finally {
    await driver.quit();
  }
}

const env = (/** @type {string} */ display) => ({ ...process.env, DISPLAY: display });

const playwright = (/** @type {boolean} */ headless) => async (/** @type {Given} */ given) =>
  byPlaywright(await chromium.launch({ executablePath: CHROMIUM, headless, args: ARGS, env: env(given.display) }), given);

const puppeteerWith = (/** @type {any} */ library, /** @type {boolean} */ headless, /** @type {"chrome" | "firefox"} */ kind = "chrome") =>
  async (/** @type {Given} */ given) =>
    byPuppeteer(
      await library.launch({
        browser: kind,
        executablePath: kind === "chrome" ? CHROMIUM : FIREFOX,
        headless,
        args: kind === "chrome" ? ARGS : [],
        env: env(given.display),
      }),
      given,
    );

const hidden = addExtra(/** @type {any} */ (puppeteer)).use(stealth());

const seleniumChrome = (/** @type {boolean} */ headless) => (/** @type {Given} */ given) => {
  const options = new chrome.Options();
  options.setChromeBinaryPath(CHROMIUM);
  options.addArguments(...ARGS, ...(headless ? ["--headless=new"] : []));
  const service = new chrome.ServiceBuilder(CHROMEDRIVER).setEnvironment(/** @type {any} */ (env(given.display)));
  return bySelenium(new Builder().forBrowser("chrome").setChromeOptions(options).setChromeService(service).build(), given);
};

const seleniumFirefox = (/** @type {boolean} */ headless) => (/** @type {Given} */ given) => {
  const options = new gecko.Options();
  options.setBinary(FIREFOX);
  if (headless) options.addArguments("-headless");
  const service = new gecko.ServiceBuilder(GECKODRIVER).setEnvironment(/** @type {any} */ (env(given.display)));
  return bySelenium(new Builder().forBrowser("firefox").setFirefoxOptions(options).setFirefoxService(service).build(), given);
};

/** The call of an ordinary visitor, under another nonce, as a program that has seen one would send it. */
const forged = ({ run, copied }) => JSON.stringify({ ...JSON.parse(copied.body), nonce: run });
const header = (/** @type {string[]} */ head, /** @type {string} */ name) =>
  head[head.findIndex((one, at) => at % 2 === 0 && one.toLowerCase() === name) + 1] ?? "";

/** @type {(how: "default" | "agent" | "all") => Tool} */
const curl = (how) => async (given) => {
  const { lab, copied } = given;
  const copies = copied.head.flatMap((name, at) =>
    at % 2 || /^(host|content-length|connection|origin)$/i.test(name) ? [] : ["-H", `${name}: ${copied.head[at + 1]}`],
  );
  const own = ["-H", "Content-Type: text/plain", "-H", `Origin: ${lab.origin()}`];
  const agent = how === "agent" ? ["-A", header(copied.head, "user-agent")] : [];
  const args = how === "all" ? [...copies, "-H", `Origin: ${lab.origin()}`] : [...own, ...agent];
  await execute("curl", ["-s", "--resolve", `t.shop.localhost:${lab.port}:127.0.0.1`, "--data-raw", forged(given), ...args, lab.verdict()]);
};

/** @type {(library: string, how: "default" | "agent") => Tool} */
const python = (library, how) => async (given) => {
  const { lab, copied } = given;
  const agent = how === "agent" ? header(copied.head, "user-agent") : "";
  await execute(PYTHON, [here("client.py"), library, lab.verdict(), lab.origin(), agent, forged(given)]);
};

/** @type {Record<string, Tool>} */
export const STOCK = {
  "playwright, headless": playwright(true),
  "playwright, headed": playwright(false),
  "puppeteer, headless": puppeteerWith(puppeteer, true),
  "puppeteer, headed": puppeteerWith(puppeteer, false),
  "puppeteer with stealth, headless": puppeteerWith(hidden, true),
  "puppeteer with stealth, headed": puppeteerWith(hidden, false),
  "puppeteer, Firefox": puppeteerWith(puppeteer, true, "firefox"),
  "Selenium, Chromium, headless": seleniumChrome(true),
  "Selenium, Chromium, headed": seleniumChrome(false),
  "Selenium, Firefox, headless": seleniumFirefox(true),
  "Selenium, Firefox, headed": seleniumFirefox(false),
  curl: curl("default"),
  "curl with a browser's agent": curl("agent"),
  requests: python("requests", "default"),
  "requests with a browser's agent": python("requests", "agent"),
  httpx: python("httpx", "default"),
  "httpx with a browser's agent": python("httpx", "agent"),
  aiohttp: python("aiohttp", "default"),
  "aiohttp with a browser's agent": python("aiohttp", "agent"),
};

/** @type {Record<string, Tool>} */
export const EVADERS = {
  "patchright, headed": async (given) =>
    byPlaywright(
      /** @type {any} */ (await patched.launch({ executablePath: CHROMIUM, headless: false, args: ARGS, env: env(given.display) })),
      given,
      { viewport: null },
    ),
  "playwright, headed, hiding": async (given) =>
    byPlaywright(
      await chromium.launch({
        executablePath: CHROMIUM,
        headless: false,
        ignoreDefaultArgs: ["--enable-automation"],
        args: [...ARGS, "--disable-blink-features=AutomationControlled"],
        env: env(given.display),
      }),
      given,
      { viewport: null },
    ),
  "curl with all of a browser's headers": curl("all"),
};
