/**
 * Finds the browsers of the system, and starts Chromium, with a fresh profile and without any traffic of its own.
 *
 * `*.localhost` is loopback in Chromium by itself, so pages and collector can have real host names without DNS.
 */
import { accessSync, constants } from "node:fs";
import { chromium } from "playwright-core";

const PLACES = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser"];
const PLACES_OF_FIREFOX = [process.env.FIREFOX, "/usr/bin/firefox-esr", "/usr/bin/firefox"];

export const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export const MISSING =
  "Chromium was not found, and without a real browser nothing is proven: apt-get install chromium, or name one in the variable CHROMIUM.";

export const NO_FIREFOX =
  "Firefox was not found, and what it makes of the snippet is not proven: apt-get install firefox-esr, or name one in the variable FIREFOX.";

/** @param {(string | undefined)[]} places */
const find = (places) =>
  places.find((path) => {
    try {
      accessSync(path ?? "", constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

export const findChromium = () => find(PLACES);
export const findFirefox = () => find(PLACES_OF_FIREFOX);

/**
 * @param {string} [proxy] the address of an http proxy, which then sees loopback requests as well
 * @param {{ flat?: boolean, undriven?: boolean }} [how] `flat`: without WebGL; `undriven`: as if no program drove it
 * @returns {Promise<import("playwright-core").Browser>}
 */
export async function launchChromium(proxy, { flat = false, undriven = false } = {}) {
  const executablePath = findChromium();
  if (!executablePath) throw new Error(MISSING);
  return chromium.launch({
    executablePath,
    headless: true,
    ...(proxy ? { proxy: { server: proxy, bypass: "<-loopback>" } } : {}),
    // Playwright switches the back/forward cache off; what happens on a restored page is part of the contract.
    ignoreDefaultArgs: ["--disable-back-forward-cache", ...(undriven ? ["--enable-automation"] : [])],
    // Playwright adds --enable-unsafe-swiftshader, with which WebGL is computed by the processor.
    args: [
      ...FLAGS,
      ...(flat ? ["--disable-3d-apis"] : []),
      ...(undriven ? ["--disable-blink-features=AutomationControlled"] : []),
    ],
  });
}
