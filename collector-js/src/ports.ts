/**
 * Account protection, `/tamga-ports.js`: gives pages of signed-in areas `tamga.protect(nonce, { consent })`.
 *
 * It is a script of its own, which only the pages load that ask for a verdict. It counts how the visitor used mouse and
 * keys since it was loaded, in buckets, and reads everything else when `protect` is called. It looks at ports only if the
 * tag has `data-ports` and the call has the visitor's consent. It sends no cookie and remembers nothing.
 *
 * The promise is fulfilled with the collector's signed verdict, or rejected with one of the errors below. Nothing else
 * reaches the page.
 */
import { type Options, optionsFromScript, type Tamga } from "./config.js";
import { permission } from "./consent.js";
import { guard } from "./lib/guard.js";
import { parse } from "./lib/parse.js";
import { readEvidence } from "./protect/evidence.js";
import { watchInput } from "./protect/input.js";
import { lookAtPorts } from "./protect/remote.js";

/** What the collector takes for the application's random value. */
const NONCE = /^[\w-]{16,128}$/;
/** A page that signs somebody in does not wait longer. */
const LONGEST_ANSWER_MS = 5_000;

guard(() => {
  // It is absent in modules and with scripts that load scripts.
  const tag = document.currentScript ?? document.querySelector("script[data-site][src*='tamga-ports.js']");
  const options = optionsFromScript(tag as HTMLScriptElement | null) as
    | (Options & { ports?: boolean })
    | undefined;
  if (!options) {
    // biome-ignore lint/suspicious/noConsole: for the site's developer.
    console.warn("tamga: no data-site");
    return;
  }
  const { site, endpoint } = options;
  const input = watchInput();

  const protect: NonNullable<Tamga["protect"]> = async (nonce, how) => {
    if (!NONCE.test(nonce)) throw new Error("tamga: a nonce has 16 to 128 letters, digits, _ or -");
    const consent = how?.consent === true;
    const [evidence, ports] = await Promise.all([
      readEvidence(input),
      consent && options.ports ? lookAtPorts() : undefined,
    ]);
    const call = {
      __proto__: null,
      v: 1,
      site,
      nonce,
      evidence,
      consent: consent ? "given" : undefined,
      // Of a visitor who objects to being counted the verdict is not counted either.
      objection: /^o/.test(permission(false)) || undefined,
      ports,
    };
    const request = {
      // Options that a page gave all objects are none of the request.
      __proto__: null,
      method: "POST",
      // A string body is sent as `text/plain`, which needs no preflight.
      body: JSON.stringify(call),
      credentials: "omit",
      cache: "no-store",
      referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout?.(LONGEST_ANSWER_MS),
    } as RequestInit;
    const ask = () => fetch(parse(`${endpoint}/../verdict`).href, request);
    let answer: Response;
    let token: string;
    try {
      // A connection that the server has just closed fails once: browsers do not repeat what is posted.
      answer = await ask().catch(ask);
      token = await answer.text();
    } catch {
      throw new Error("tamga: no answer of the collector");
    }
    if (!answer.ok) throw new Error(`tamga: the collector refuses, ${answer.status}`);
    return token;
  };

  // An element of the page may be called `tamga`.
  const there = window.tamga as Tamga | Element | undefined;
  const tamga =
    there && !(there instanceof Element) ? there : ({ __proto__: null, q: [] } as unknown as Tamga);
  tamga.protect = protect;
  window.tamga = tamga;
})();
