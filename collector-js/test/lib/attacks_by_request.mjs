/**
 * Attacks that ask the collector something and look at the answer. Each function is sent to the page as its source, so
 * it knows nothing but what it is given.
 */

/** @param {string} credentials @returns {import("./attack.js").Attack} */
const fetchOfEveryRoute = (credentials) => [
  `fetch of every route, credentials ${credentials}`,
  /** @type {import("./attack.js").Attack[1]} */ (
    new Function(
      "given",
      `return (async () => { const out = []; for (const path of given.paths) { try {
        const r = await fetch(given.collector + path, { credentials: "${credentials}" });
        out.push([...r.headers], await r.text()); } catch (e) { out.push(String(e)); } } return out; })()`,
    )
  ),
];

/** @type {import("./attack.js").Attack[]} */
export const BY_REQUEST = [
  ["document.cookie", () => document.cookie],
  ["CookieStore", async () => JSON.stringify(await /** @type {any} */ (window).cookieStore.getAll())],
  [
    "CookieStore with the collector's address",
    async ({ collector }) =>
      JSON.stringify(await /** @type {any} */ (window).cookieStore.getAll({ url: collector })),
  ],
  [
    "beacon by fetch, headers and body",
    async ({ collector, body }) => {
      const answer = await fetch(`${collector}/v1/beacon`, { method: "POST", credentials: "include", body });
      return [
        [...answer.headers],
        answer.headers.get("set-cookie"),
        answer.headers.getSetCookie(),
        await answer.text(),
      ];
    },
  ],
  [
    "beacon as JSON, with a preflight",
    async ({ collector, body }) => {
      const headers = { "content-type": "application/json" };
      const answer = await fetch(`${collector}/v1/beacon`, {
        method: "POST",
        credentials: "include",
        headers,
        body,
      });
      return [[...answer.headers], await answer.text()];
    },
  ],
  fetchOfEveryRoute("include"),
  fetchOfEveryRoute("omit"),
  fetchOfEveryRoute("same-origin"),
  [
    "opaque fetch of every route",
    async ({ collector, paths }) => {
      const out = [];
      for (const path of paths) {
        const answer = await fetch(collector + path, { mode: "no-cors", credentials: "include" }).catch(
          String,
        );
        out.push(
          typeof answer === "string" ? answer : [answer.type, [...answer.headers], await answer.text()],
        );
      }
      return out;
    },
  ],
  [
    "other methods",
    async ({ collector, body }) => {
      const out = [];
      for (const method of ["OPTIONS", "HEAD", "PUT", "DELETE", "PATCH", "TRACE"]) {
        try {
          const answer = await fetch(`${collector}/v1/beacon`, {
            method,
            credentials: "include",
            ...(method === "PUT" ? { body } : {}),
          });
          out.push([...answer.headers], await answer.text());
        } catch (error) {
          out.push(String(error));
        }
      }
      return out;
    },
  ],
  [
    "XMLHttpRequest",
    ({ collector, body }) =>
      new Promise((resolve) => {
        const request = new XMLHttpRequest();
        request.open("POST", `${collector}/v1/beacon`);
        request.withCredentials = true;
        request.onloadend = () =>
          resolve([
            request.getAllResponseHeaders(),
            request.getResponseHeader("set-cookie"),
            request.responseText,
          ]);
        request.send(body);
      }),
  ],
  [
    "headers of our own: Cookie, Set-Cookie, X-Forwarded-Host",
    async ({ collector, body }) => {
      const out = [];
      for (const name of ["Cookie", "Set-Cookie2", "X-Forwarded-Host", "X-HTTP-Method-Override", "Range"]) {
        try {
          const headers = { [name]: "bytes=0-1" };
          const answer = await fetch(`${collector}/v1/beacon`, {
            method: "POST",
            credentials: "include",
            headers,
            body,
          });
          out.push([...answer.headers], await answer.text());
        } catch (error) {
          out.push(String(error));
        }
      }
      return out;
    },
  ],
  [
    "error pages",
    async ({ collector, long }) => {
      const out = [];
      for (const [body, type] of [
        ["{", "text/plain"],
        ["{}", "image/png"],
        [long, "text/plain"],
        ['{"v":2}', "text/plain"],
        ["", "text/plain"],
      ]) {
        const headers = { "content-type": type ?? "" };
        const init = {
          method: "POST",
          credentials: /** @type {const} */ ("include"),
          headers,
          body: body ?? "",
        };
        const answer = await fetch(`${collector}/v1/beacon?${"x".repeat(2000)}`, init).catch(String);
        out.push(
          typeof answer === "string" ? answer : [answer.status, [...answer.headers], await answer.text()],
        );
      }
      return out;
    },
  ],
  [
    "sendBeacon and what performance shows of it",
    async ({ collector, body }) => {
      navigator.sendBeacon(`${collector}/v1/beacon`, body);
      await new Promise((later) => setTimeout(later, 300));
      return JSON.stringify(performance.getEntries());
    },
  ],
];
