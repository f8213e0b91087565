/**
 * Takes beacons from the queue to the collector: one at a time, in order, until it has an answer.
 *
 * 2xx and 4xx are final. No answer and 5xx are tried again with the same body, after `Retry-After` or a doubling pause,
 * until the queue finds the beacon too old. Never throws and never blocks the page.
 *
 * Not promised: that a beacon sent while the page is being left arrives. Nothing in a browser can promise that.
 */
import { MAX_AGE_MS, type Queue, type Sealed } from "./queue.js";

const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 300_000;

export class Transport {
  private _busy = false;
  private _timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private _endpoint: string,
    private _queue: Queue,
    /** Runs the attempt when it is this page's turn; see `lib/first-turn.ts`. */
    private _turn: <T>(attempt: () => Promise<T>) => Promise<T>,
    /** The collector answered that the visitor objects. */
    private _onOff: () => void,
  ) {}

  /** Sends what waits. Calls while a beacon is under way, or during a pause, change nothing. */
  async _pump() {
    if (this._busy) return;
    this._busy = true;
    while (this._timer === undefined) {
      const beacon = this._queue._waiting().find(({ _inFlight }) => !_inFlight);
      if (!beacon) break;
      await this._turn(() => this._attempt(beacon));
    }
    this._busy = false;
  }

  /**
   * The page is hidden and may not live on: everything that is not on the wire leaves now, whatever it waited for.
   *
   * `fetch` with `keepalive` outlives the page and, unlike `sendBeacon`, tells the answer if the page lives on, and names
   * the page's true origin: `sendBeacon` sends `Origin: null` from pages with the policy `no-referrer` or `same-origin`,
   * which many servers set by default, and a collector must refuse that. `sendBeacon` remains for browsers whose
   * `fetch` dies with the page (Firefox before 133).
   */
  _hide() {
    for (const beacon of this._queue._waiting()) {
      if (beacon._inFlight) continue;
      if ("keepalive" in Request.prototype) this._attempt(beacon);
      // A string body makes the request `text/plain`, which needs no preflight. A beacon that has failed before stays
      // queued as well: sent once more if the page comes back, it is known to the collector by (view, seq).
      else if (navigator.sendBeacon(this._endpoint, beacon._body) && !beacon._failures)
        this._queue._remove(beacon);
    }
  }

  private async _attempt(beacon: Sealed): Promise<void> {
    // While it waited for its turn it may have left because the page was hidden, or the visitor may have objected.
    if (beacon._inFlight || !this._queue._waiting().includes(beacon)) return;
    let after: string | null = null;
    beacon._inFlight = true;
    try {
      const answer = await fetch(this._endpoint, {
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
      if (answer.status < 500) {
        this._queue._remove(beacon);
        if (answer.headers.get("Tamga-Outcome") === "off") this._onOff();
        return;
      }
      after = answer.headers.get("Retry-After");
    } catch {
      // Offline, blocked by the page's policy or by an extension, or over the quota: not told apart by browsers.
    }
    beacon._inFlight = false;
    // Jitter keeps the pages that saw a collector go down from returning in one wave.
    const doubling = FIRST_PAUSE_MS * 2 ** beacon._failures++ * (0.5 + Math.random());
    // Never sooner than the collector asked for, unless the beacon would be too old by then anyway. A date in place of
    // seconds is treated as absent.
    const asked = Math.min(Number(after) * 1_000 || 0, MAX_AGE_MS);
    this._timer ??= setTimeout(
      () => {
        this._timer = undefined;
        this._pump();
      },
      Math.max(Math.min(doubling, LONGEST_PAUSE_MS), asked),
    );
  }
}
