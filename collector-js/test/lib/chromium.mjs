/**
 * Starts the Chromium of the system, with a fresh profile and without any traffic of its own.
 *
 * `*.localhost` is loopback in Chromium by itself, so pages and collector can have real host names without DNS.
 */
import { accessSync, constants } from "node:fs";
import { chromium } from "playwright-core";

const PLACES = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser"];

export const MISSING =
  "Chromium was not found, and without a real browser nothing is proven: apt-get install chromium, or name one in the variable CHROMIUM.";

/** @returns {string | undefined} */
export function findChromium() {
  return PLACES.find((path) => {
    try {
      accessSync(path ?? "", constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

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
    ignoreDefaultArgs: [
      "--disable-back-forward-cache",
      ...(undriven ? ["--enable-automation"] : []),
      // With it WebGL is computed by the processor, also in a browser without graphics card.
      ...(flat ? ["--enable-unsafe-swiftshader"] : []),
    ],
    args: [
      "--no-sandbox",
      "--disable-gpu",
      ...(undriven ? ["--disable-blink-features=AutomationControlled"] : []),
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}
