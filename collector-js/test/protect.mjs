/**
 * Pages that ask a real collector for verdicts, in a Chromium and in a Firefox:
 *
 *     node test/protect.mjs COLLECTOR_PORT SITE_PORT
 *
 * The site and the collector's name are on SITE_PORT, from where requests for the collector are passed on. Each page has the
 * snippet as well, so that the browser has the collector's cookie. A listener on the port of AnyDesk stands for it. Prints a
 * line of JSON for each page: the nonce, the token, the call as it was sent, and how many cookies came with it and
 * with beacons.
 *
 * Chromium is controlled by playwright. Nobody controls the Firefox: it opens the page from the command line.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, request as send } from "node:http";
import { createServer as listen } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findFirefox, launchChromium, NO_FIREFOX } from "./lib/chromium.mjs";

const [collector = "", site = ""] = process.argv.slice(2);
const SITE = "shop.localhost";
const ANYDESK = 7070;
const LONGEST_MS = 600_000;
const at = `http://t.${SITE}:${site}`;
const origin = `http://${SITE}:${site}`;

/** @typedef {{ nonce: string, token: string, cookies: number, beacon_cookies: number, call: object }} Asked */
/** What came of each nonce. @type {Map<string, Asked>} */
const pages = new Map();
/** @type {Map<string, (asked: Asked) => void>} */
const waiting = new Map();
let beacons = 0;
let came = 0;

const page = (
  /** @type {string} */ nonce,
  /** @type {boolean} */ consent,
) => `<!doctype html><title>Sign in</title>
<script defer src="${at}/tamga.js" data-site="${SITE}"></script>
<script defer src="${at}/tamga-ports.js" data-site="${SITE}" data-ports></script>
<script type="module">
  // The first beacon brings the cookie.
  while (!(await (await fetch("/beacons")).json())) await new Promise((later) => setTimeout(later, 100));
  tamga.event("signup");
  while ((await (await fetch("/beacons")).json()) < 2) await new Promise((later) => setTimeout(later, 100));
  const token = await tamga.protect("${nonce}", { consent: ${consent} }).catch(String);
  await fetch("/token?${nonce}", { method: "POST", body: token });
</script>`;

const server = createServer(async (request, response) => {
  const { hostname, pathname, searchParams, search } = new URL(
    `http://${request.headers.host}${request.url}`,
  );
  let body = "";
  for await (const chunk of request) body += chunk;
  if (hostname === SITE) {
    const nonce = search.slice(1).split("&")[0] ?? "";
    if (pathname === "/beacons") response.end(`${beacons}`);
    else if (pathname === "/token") {
      const asked = pages.get(nonce);
      if (asked) waiting.get(nonce)?.({ ...asked, token: body });
      response.end();
    } else {
      response.writeHead(pathname === "/" ? 200 : 404, { "Content-Type": "text/html" });
      response.end(page(nonce, searchParams.has("consent")));
    }
    return;
  }
  const cookies = request.headers.cookie ? 1 : 0;
  const asked = request.method === "POST" && pathname === "/v1/verdict" ? JSON.parse(body) : undefined;
  if (asked)
    pages.set(asked.nonce, { nonce: asked.nonce, token: "", cookies, beacon_cookies: came, call: asked });
  const { method = "", url: path = "", headers } = request;
  const passed = send({ host: "127.0.0.1", port: collector, method, path, headers }, (answer) => {
    if (method === "POST" && pathname === "/v1/beacon") {
      beacons++;
      came += cookies;
    }
    answer.pipe(response.writeHead(answer.statusCode ?? 0, answer.headers));
  });
  passed.on("error", () => response.destroy());
  passed.end(body);
});

/** Asks in a page that `open` opens. @param {string} browser @param {boolean} consent @param {(url: string) => Promise<unknown>} open */
async function ask(browser, consent, open) {
  const nonce = randomBytes(24).toString("base64url");
  beacons = came = 0;
  const answered = new Promise((later) => {
    waiting.set(nonce, later);
  });
  await open(`${origin}/?${nonce}${consent ? "&consent" : ""}`);
  process.stdout.write(`${JSON.stringify({ browser, ...(await answered) })}\n`);
}

// A browser that never comes must not hold a test up.
setTimeout(() => {
  process.stderr.write("a page did not get its verdict within ten minutes\n");
  process.exit(1);
}, LONGEST_MS).unref();
server.listen(Number(site), "127.0.0.1");
// If the machine has it, that is as good.
const anydesk = listen()
  .on("error", () => {})
  .listen(ANYDESK, "127.0.0.1");
await once(server, "listening");

const chromium = await launchChromium();
for (const consent of [false, true]) {
  const context = await chromium.newContext({ permissions: ["local-network-access"] });
  const tab = await context.newPage();
  await ask("chromium", consent, (url) => tab.goto(url));
  await context.close();
}
await chromium.close();

const firefox = findFirefox();
if (!firefox) throw new Error(NO_FIREFOX);
for (let turn = 0; turn < 2; turn++) {
  const profile = mkdtempSync(join(tmpdir(), "tamga-browser-"));
  writeFileSync(
    join(profile, "user.js"),
    `user_pref("browser.shell.checkDefaultBrowser", false); user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("browser.aboutwelcome.enabled", false); user_pref("app.update.enabled", false);
user_pref("services.settings.server", "http://127.0.0.1:1"); user_pref("termsofuse.bypassNotification", true);`,
  );
  /** @type {import("node:child_process").ChildProcess | undefined} */
  let browser;
  await ask("firefox", false, async (url) => {
    browser = spawn(firefox, ["--headless", "--no-remote", "--profile", profile, url], { stdio: "ignore" });
  });
  const ended = browser && once(browser, "exit");
  browser?.kill();
  await ended;
  rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
anydesk.close();
server.close();
server.closeAllConnections();
