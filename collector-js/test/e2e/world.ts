/** What most browser tests need: a site with its collector, and a Chromium with a fresh profile for every visitor. */
import type { Browser, BrowserContext, BrowserContextOptions, Page } from "playwright-core";
import { launchChromium } from "../lib/chromium.mjs";
import { Site } from "./site.js";

export { ELSEWHERE, MARKET, SITE } from "./site.js";

export class World extends Site {
  private constructor(readonly browser: Browser) {
    super();
  }

  static async create(how?: Parameters<typeof launchChromium>[1]): Promise<World> {
    return new World(await launchChromium(undefined, how)).open();
  }

  /** A new visitor, without data of earlier tests. */
  async visitor(
    prepare?: (context: BrowserContext) => Promise<unknown>,
    options?: BrowserContextOptions,
  ): Promise<Page> {
    await Promise.all(this.browser.contexts().map((context) => context.close()));
    await this.disconnect();
    this.reset();
    const context = await this.browser.newContext(options);
    await prepare?.(context);
    return context.newPage();
  }

  /** Waits for the extras that the page has asked for: a module runs once, for everybody who imports it. */
  extras = (page: Page) =>
    page.evaluate((url) => import(url).then(() => {}), new URL("tamga-extras.js", this.scriptUrl).href);

  override async close() {
    await this.browser.close();
    await super.close();
  }
}
