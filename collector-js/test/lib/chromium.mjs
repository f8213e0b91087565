/**
 * Finds the browsers of the system, and starts Chromium with a fresh profile and without background traffic.
 *
 * Chromium resolves `*.localhost` to loopback, so pages and collector can have real host names without DNS.
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
  "Chromium was not found, and the tests need a real browser: apt-get install chromium, or set the variable CHROMIUM to its path.";

export const NO_FIREFOX =
  "Firefox was not found, and the tests need it: apt-get install firefox-esr, or set the variable FIREFOX to its path.";

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
 * @param {{ flat?: boolean, unautomated?: boolean }} [how] `flat`: without WebGL; `unautomated`: as if no program
 * controlled it
 * @returns {Promise<import("playwright-core").Browser>}
 */
export async function launchChromium(proxy, { flat = false, unautomated = false } = {}) {
  const executablePath = findChromium();
  if (!executablePath) throw new Error(MISSING);
  return chromium.launch({
    executablePath,
    headless: true,
    ...(proxy ? { proxy: { server: proxy, bypass: "<-loopback>" } } : {}),
    // Playwright turns the back/forward cache off, but the tests cover restored pages.
    ignoreDefaultArgs: ["--disable-back-forward-cache", ...(unautomated ? ["--enable-automation"] : [])],
    // Playwright adds --enable-unsafe-swiftshader, which lets the processor compute WebGL.
    args: [
      ...FLAGS,
      ...(flat ? ["--disable-3d-apis"] : []),
      ...(unautomated ? ["--disable-blink-features=AutomationControlled"] : []),
    ],
  });
}
