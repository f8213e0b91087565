/**
 * The site and the collector of the evaluation, on one port of this machine, distinguished by host name: a page where
 * somebody signs in, and a stand-in for the collector that keeps each call for a verdict as it came: head and body,
 * byte for byte. `score.mjs` asks a real collector the same calls.
 */
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

export const SITE = "shop.localhost";
const COLLECTOR = `t.${SITE}`;
const SCRIPT = new URL("../../collector-js/dist/tamga-ports.js", import.meta.url);

/** Half of the page is the button, so that people of all screens find it. */
const page = (/** @type {string} */ run, /** @type {number} */ port) => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sign in</title>
<style>input { display: block; font-size: 20px; margin: 12px } #go { position: fixed; inset: 50% 0 0 0; width: 100%; font-size: 30px }</style>
<script defer src="http://${COLLECTOR}:${port}/tamga-ports.js" data-site="${SITE}"></script></head>
<body><form id="form"><input id="mail" name="mail" autofocus autocomplete="off"><input id="word" name="word" autocomplete="off">
<button id="go">Sign in</button></form><p id="said"></p>
<script>
  document.getElementById("form").addEventListener("submit", (event) => {
    event.preventDefault();
    tamga.protect("${run}").then(
      (token) => fetch("/done?run=${run}", { method: "POST", body: token }),
      (error) => fetch("/done?run=${run}&failed", { method: "POST", body: String(error) }),
    ).then((answer) => answer.text()).then((next) => {
      document.getElementById("said").textContent = "done";
      if (next) setTimeout(() => { location.href = next; }, 300);
    });
  });
</script></body></html>`;

export class Lab {
  /** What came of each run. @type {Map<string, { head: string[], body: string }>} */
  calls = new Map();
  /** The run that follows in the same browser. @type {Map<string, string>} */
  next = new Map();
  /** @type {Map<string, Set<string>>} */
  steps = new Map();
  /** Always the same, so that what was recorded at one time can be sent at another. */
  port = 8473;
  #server = createServer((request, response) => this.#answer(request, response));

  async open() {
    this.#server.listen(this.port, "127.0.0.1");
    await once(this.#server, "listening");
    return this;
  }

  page = (/** @type {string} */ run) => `http://${SITE}:${this.port}/sign-in?run=${run}`;
  verdict = () => `http://${COLLECTOR}:${this.port}/v1/verdict`;
  origin = () => `http://${SITE}:${this.port}`;

  /** @param {import("node:http").IncomingMessage} request @param {import("node:http").ServerResponse} response */
  async #answer(request, response) {
    const { hostname, pathname, searchParams } = new URL(`http://${request.headers.host}${request.url}`);
    let body = "";
    for await (const chunk of request) body += chunk;
    const origin = `http://${SITE}:${this.port}`;
    if (hostname === COLLECTOR && request.method === "POST") {
      const run = JSON.parse(body).nonce;
      this.calls.set(run, { head: request.rawHeaders, body });
      this.step(run, "asked");
      response.writeHead(200, { "Content-Type": "application/jwt", "Access-Control-Allow-Origin": origin });
      response.end("a.stand-in.only");
    } else if (hostname === COLLECTOR) {
      response.writeHead(200, { "Content-Type": "text/javascript" }).end(readFileSync(SCRIPT));
    } else if (pathname === "/sign-in") {
      const run = searchParams.get("run") ?? "";
      response.writeHead(200, { "Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store" });
      response.end(page(run, this.port));
      this.step(run, "opened");
    } else if (pathname === "/done") {
      const run = searchParams.get("run") ?? "";
      const next = this.next.get(run);
      response.end(next ? this.page(next) : "");
      if (searchParams.has("failed")) console.error(`${run}: ${body}`);
      this.step(run, "done");
    } else {
      response.writeHead(404).end();
    }
  }

  step(/** @type {string} */ run, /** @type {string} */ step) {
    this.steps.set(run, (this.steps.get(run) ?? new Set()).add(step));
  }

  /** Whether a run comes to a step in time. */
  async until(/** @type {string} */ run, /** @type {string} */ step, limitMs = 60_000) {
    for (const end = Date.now() + limitMs; Date.now() < end; ) {
      if (this.steps.get(run)?.has(step)) return true;
      await new Promise((later) => setTimeout(later, 50));
    }
    return false;
  }

  close() {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
