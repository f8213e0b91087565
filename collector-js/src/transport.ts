/**
 * Takes beacons from the queue to the collector: one at a time, in order, until it has an answer.
 *
 * 2xx and 4xx are final. No answer, 429 and 5xx are tried again with the same body, after `Retry-After` or a doubling pause,
 * until the queue finds the beacon too old; while the browser knows that it is offline, nothing is tried. Never throws and never
 * blocks the page.
 *
 * Not promised: that a beacon sent while the page is being left arrives. Nothing in a browser can promise that.
 */
import { MAX_AGE_MS, type Queue, type Sealed } from "./queue.js";

const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 300_000;

export function createTransport(
  endpoint: string,
  queue: Queue,
  /** Runs the attempt when it is this page's turn; see `lib/first-turn.ts`. */
  turn: <T>(attempt: () => Promise<T>) => Promise<T>,
  onAnswer: (headers: Headers) => void,
) {
  let busy = false;
  let timer: ReturnType<typeof setTimeout> | 0 = 0;

  /** Sends what waits. Calls while a beacon is under way, or during a pause, change nothing. */
  const pump = async () => {
    if (busy) return;
    busy = true;
    while (!timer && navigator.onLine !== false) {
      const [beacon] = queue._waiting();
      if (!beacon) break;
      await turn(() => attempt(beacon));
    }
    busy = false;
  };

  const attempt = async (beacon: Sealed): Promise<void> => {
    // While it waited for its turn it may have left because the page was hidden, or the visitor may have objected.
    if (!queue._waiting().includes(beacon)) return;
    let after: string | null = null;
    queue._sent(beacon);
    try {
      const { status, headers } = await fetch(endpoint, {
        method: "POST",
        // A string body is sent as `text/plain`, which needs no preflight.
        body: beacon._body,
        // Lets the request finish if the visitor leaves now.
        keepalive: true,
        // The collector is same-site but another origin; without this its cookie would stay home.
        credentials: "include",
        // The address of the page is in the body, trimmed; the Referer header might carry it whole.
        referrerPolicy: "no-referrer",
      });
      if (status < 500 && status !== 429) {
        queue._remove(beacon);
        return onAnswer(headers);
      }
      after = headers.get("Retry-After");
    } catch {
      // Offline, blocked by the page's policy or by an extension, or over the quota: not told apart by browsers.
    }
    beacon._inFlight = false;
    // Jitter keeps the pages that saw a collector go down from returning in one wave.
    const doubling = FIRST_PAUSE_MS * 2 ** beacon._failures++ * (0.5 + Math.random());
    // Never sooner than the collector asked for, unless the beacon would be too old by then anyway. A date in place of
    // seconds is treated as absent.
    const asked = Math.min(+(after ?? 0) * 1_000 || 0, MAX_AGE_MS);
    timer =
      timer ||
      setTimeout(
        () => {
          timer = 0;
          pump();
        },
        Math.max(Math.min(doubling, LONGEST_PAUSE_MS), asked),
      );
  };

  return {
    _pump: pump,

    /**
     * The page is hidden and may not live on: everything that is not on the wire leaves now, whatever it waited for.
     *
     * `fetch` with `keepalive` outlives the page and, unlike `sendBeacon`, tells the answer if the page lives on, and names
     * the page's true origin: `sendBeacon` sends `Origin: null` from pages with the policy `no-referrer` or `same-origin`,
     * which many servers set by default, and a collector must refuse that. `sendBeacon` remains for browsers whose
     * `fetch` dies with the page (Firefox before 133).
     */
    _hide() {
      if (navigator.onLine === false) return;
      for (const beacon of queue._waiting()) {
        if ("keepalive" in Request.prototype) attempt(beacon);
        // A string body makes the request `text/plain`, which needs no preflight. A beacon that has failed before stays
        // queued as well: sent once more if the page comes back, it is known to the collector by (view, seq).
        else if (navigator.sendBeacon(endpoint, beacon._body) && !beacon._failures) queue._remove(beacon);
      }
    },
  };
}
