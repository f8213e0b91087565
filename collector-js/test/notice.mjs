/**
 * Whether pages of a site can show the notice of a running collector in a frame, in a real Chromium without scripts:
 *
 *     node test/notice.mjs COLLECTOR SITE FRAME
 *
 * COLLECTOR and SITE are origins on loopback, FRAME is the tag as `tamga snippet` prints it. This program is the server of
 * the site's policy, which shows the frame, and of the same page on other hosts. Prints one line of JSON for each of them:
 * how many items the frame lists, what the browser refused, how wide the page is at 320 pixels, what axe-core finds in the frame in each
 * language and theme, and what the page says of the browser's cookie once the link in the frame was followed.
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { launchChromium } from "./lib/chromium.mjs";

const [collector, site, frame] = process.argv.slice(2);
if (!collector || !site || !frame) {
  process.stderr.write("usage: node test/notice.mjs COLLECTOR SITE FRAME\n");
  process.exit(2);
}
const axe = readFileSync(
  createRequire(new URL("../../stats-page/package.json", import.meta.url)).resolve("axe-core/axe.min.js"),
  "utf8",
);
const { hostname, port } = new URL(site);
const POLICY = `<!doctype html><html lang="en"><title>Policy</title><h1>Policy</h1>${frame}`;
const VISIT = `<!doctype html><html lang="en"><title>Shop</title><script defer src="${collector}/tamga.js" data-site="${hostname}"></script>`;
const server = createServer((request, response) => {
  response.writeHead(200, {
    "Content-Type": "text/html; charset=utf-8",
    // What the printed comment asks for.
    "Content-Security-Policy": `frame-src ${collector}; script-src ${collector}; connect-src ${collector}`,
  });
  response.end(request.url === "/policy" ? POLICY : VISIT);
});
await new Promise((listening) => server.listen(Number(port), "127.0.0.1", () => listening(null)));

/**
 * What axe-core finds in the frame. It comes through the debugger, which the policy of the notice does not bind; it needs timers, so
 * scripts are allowed here. Returns how many times it looked and found nothing.
 * @param {import("playwright-core").BrowserContext} context @param {string} policy
 */
async function audit(context, policy) {
  const page = await context.newPage();
  let audited = 0;
  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    await page.emulateMedia({ colorScheme });
    await page.goto(policy);
    for (const lang of ["kk", "ru", "en"]) {
      const inside = page.frameLocator("iframe");
      await inside.locator(`nav a[lang=${lang}]`).click();
      await inside.locator(`nav a[lang=${lang}][aria-current]`).waitFor();
      const [, frame] = page.frames();
      await frame?.evaluate(axe);
      /** @type {{ violations: any[], passes: any[] } | undefined} */
      const found = await frame?.evaluate(() => /** @type {any} */ (globalThis).axe.run());
      const broken = (found?.violations ?? []).map(
        (/** @type {any} */ { id, nodes }) => `${id}: ${nodes[0].html}`,
      );
      if (broken.length > 0) throw new Error(`${lang}, ${colorScheme}: ${broken.join(", ")}`);
      audited += Number(Number(found?.passes.length) > 10);
    }
  }
  await page.close();
  return audited;
}

const browser = await launchChromium();
for (const host of [hostname, `docs.${hostname}`, "elsewhere.localhost", "unlisted.localhost"]) {
  const context = await browser.newContext({ locale: "en", viewport: { width: 320, height: 640 } });
  const visit = await context.newPage();
  const counted = visit.waitForResponse((response) => response.url().endsWith("/v1/beacon"));
  await visit.goto(site);
  await counted;
  const cookies = await context.cookies(collector);
  await visit.close();

  // The same browser without scripts: the notice needs none.
  const quiet = await browser.newContext({
    locale: "en",
    viewport: { width: 320, height: 640 },
    javaScriptEnabled: false,
  });
  await quiet.addCookies(cookies);
  const page = await quiet.newPage();
  /** @type {string[]} */
  const refused = [];
  page.on("console", (message) => message.type() === "error" && refused.push(message.text()));
  await page.goto(`http://${host}:${port}/policy`);
  const inside = page.frameLocator("iframe");
  const items = await inside.locator(".items li").count();
  const buttons = await inside.locator("button, form, script, style, [style]").count();
  const [own] = page.frames().slice(1);
  const box = await inside
    .locator("main")
    .boundingBox({ timeout: 2_000 })
    .catch(() => null);
  const line = {
    host,
    cookies: cookies.length,
    items,
    buttons,
    refused: refused.length,
    frame: own?.url() ?? "",
  };
  let says = "";
  if (items) {
    await inside.locator("a.open").click();
    await page.waitForURL((url) => url.origin === collector && url.searchParams.has("own"));
    says = (await page.locator("section").first().textContent()) ?? "";
  }
  const audited = items ? await audit(context, `http://${host}:${port}/policy`) : 0;
  process.stdout.write(`${JSON.stringify({ ...line, width: box?.width ?? 0, audited, says })}\n`);
  await quiet.close();
  await context.close();
}
await browser.close();
server.close();
