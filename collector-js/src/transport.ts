/**
 * Sends beacons from the queue to the collector, one at a time and in order, each until it is answered.
 *
 * 2xx and 4xx are final. After no answer, 429 or 5xx the same body is sent again, after `Retry-After` or a doubling
 * pause, until the queue finds the beacon too old. While the browser says that it is offline, one attempt is made, since
 * some say so wrongly; if it fails, nothing more is sent. Never throws and never blocks the page.
 *
 * Not promised: that a beacon arrives which is sent while the page is being left. Nothing in a browser can promise
 * that.
 */
import { MAX_AGE_MS, type Queue, type Sealed } from "./queue.js";

const FIRST_PAUSE_MS = 2_000;

export function createTransport(
  endpoint: string,
  queue: Queue,
  /** Runs the attempt when no other tab sends its first beacon; see `lib/first-turn.ts`. */
  turn: <T>(attempt: () => Promise<T>) => Promise<T>,
  onAnswer: (headers: Headers) => void,
) {
  /** Not `Promise.resolve()`, since a page may have a `Promise` of its own. */
  let running = (async () => {})();
  let timer: ReturnType<typeof setTimeout> | 0 = 0;
  /** An attempt failed while the browser said that it was offline. */
  let offline = false;

  const mayTry = () => !offline || navigator.onLine;

  /** Sends what waits, after what is on the wire. Resolves when all of it was tried; during a pause nothing is. */
  const pump = () => {
    running = running.then(async () => {
      for (const beacon of queue._waiting()) if (!timer && mayTry()) await turn(() => attempt(beacon));
    });
    return running;
  };

  const attempt = async (beacon: Sealed): Promise<void> => {
    // Meanwhile the beacon may have been sent because the page was hidden, or the visitor may have objected.
    if (!queue._waiting().includes(beacon)) return;
    let after: string | null | undefined;
    const { dies } = beacon;
    queue._sent(beacon);
    try {
      const { status, headers } = await fetch(endpoint, {
        // Options that a page gave all objects are none of the request.
        __proto__: null,
        method: "POST",
        // A string body is sent as `text/plain`, which needs no preflight.
        body: beacon.body,
        // Lets the request finish if the visitor leaves now.
        keepalive: true,
        // The collector is same-site but another origin. Without this its cookie would not be sent.
        credentials: "include",
        // The body has the page's shortened address. The Referer header might carry the full one.
        referrerPolicy: "no-referrer",
      } as RequestInit);
      if (status < 500 && status !== 429) {
        queue._remove(beacon);
        onAnswer(headers);
        return;
      }
      after = headers.get("Retry-After");
    } catch {
      // Offline, blocked by the page's policy or by an extension, or over the quota: browsers do not say which.
      offline = !navigator.onLine;
    }
    beacon._inFlight = false;
    if (offline) {
      // It never was on the wire. The event `online` tries again.
      beacon.dies = dies;
      return;
    }
    // Jitter spreads the retries of all pages after a collector was down.
    const doubling = FIRST_PAUSE_MS * 2 ** beacon._failures++ * (0.5 + Math.random());
    // Not earlier than the collector asked for, unless the beacon would be too old by then. A date instead of seconds
    // counts as absent.
    const asked = Math.min(+(after as string) * 1_000 || 0, MAX_AGE_MS);
    timer =
      timer ||
      setTimeout(
        () => {
          timer = 0;
          pump();
        },
        Math.max(doubling, asked),
      );
  };

  return {
    _pump: pump,

    /**
     * Sends everything that is not on the wire, because the page is hidden and may be closed.
     *
     * `fetch` with `keepalive` continues after the page is closed. Unlike `sendBeacon`, it returns the answer if the
     * page stays, and it sends the page's true origin: pages with the referrer policy `no-referrer` or `same-origin`,
     * which many servers set by default, make `sendBeacon` send `Origin: null`, which a collector must refuse.
     * In Firefox before 133 `fetch` ends with the page, so what a closing page says is lost there.
     */
    _hide() {
      if (!mayTry()) return;
      for (const beacon of queue._waiting()) {
        attempt(beacon);
      }
    },
  };
}
