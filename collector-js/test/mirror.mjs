/**
 * A page chooses view ids, and another browser of the same network repeats them, in a real Chromium on a real collector:
 *
 *     node test/mirror.mjs COLLECTOR SITE TRIES
 *
 * COLLECTOR and SITE are origins on loopback; the collector runs, and this program is the site's server. The second
 * browser says that it is another one. Neither has a cookie, so each beacon gets a first identity.
 *
 * Prints `{"accepted":[…,…]}`: how many beacons of the visitor and of the other browser were accepted.
 */
import { createServer } from "node:http";
import { launchChromium } from "./lib/chromium.mjs";

const [collector = "", site = "", tries = "1"] = process.argv.slice(2);
const server = createServer((_, response) => {
  response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
  response.end("<!doctype html><title>Shop</title>");
});
await new Promise((listening) =>
  server.listen(Number(new URL(site).port), "127.0.0.1", () => listening(null)),
);
const browser = await launchChromium();

/** @param {string | undefined} userAgent @param {number} seq */
const send = async (userAgent, seq) => {
  const context = await browser.newContext(userAgent ? { userAgent } : {});
  const page = await context.newPage();
  await page.goto(site);
  const accepted = await page.evaluate(
    async ({ collector, tries, seq }) => {
      const beacon = async (/** @type {number} */ number) => {
        const response = await fetch(`${collector}/v1/beacon`, {
          method: "POST",
          headers: { "content-type": "text/plain" },
          credentials: "omit",
          body: JSON.stringify({
            v: 1,
            site: location.hostname,
            view: `${String(number).padStart(21, "A")}A`,
            seq,
            events: [{ type: "view", at: 0, url: location.href }],
          }),
        });
        return response.status === 202 ? 1 : 0;
      };
      let accepted = 0;
      for (let first = 0; first < tries; first += 50) {
        const some = Array.from({ length: Math.min(50, tries - first) }, (_, at) => first + at);
        for (const one of await Promise.all(some.map(beacon))) {
          accepted += one;
        }
      }
      return accepted;
    },
    { collector, tries: Number(tries), seq },
  );
  await context.close();
  return accepted;
};

const visitor = await send(undefined, 0);
const other = await send("Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0", 1);
await browser.close();
server.close();
process.stdout.write(`${JSON.stringify({ accepted: [visitor, other] })}\n`);
