/**
 * Collects events into beacons, and keeps beacons until they are sent.
 *
 * Bounds: 50 events in a beacon, 24 waiting beacons. 50 events keep a beacon near 16 KiB, because only views carry long
 * strings. What exceeds a bound is dropped, oldest first. It leaves a gap in `seq`, so the loss is visible. Browsers grant
 * 64 KiB to all keepalive requests of a page together. What they refuse waits.
 *
 * A beacon that has been on the wire lives for 20 minutes more, because the collector recognises a repeated (view, seq)
 * for
 * 30. A beacon that was never on the wire, because the browser had no network, lives for four hours, but not past
 * midnight: after the day's key is destroyed it would count for another day. If the site allows storage, such beacons
 * move there when the page is left. The next page of the site takes all of them.
 */
import { type Beacon, type BeaconEvent, type Device, MAX_SEQ } from "./beacon.js";

export const MAX_EVENTS = 50;
export const MAX_BEACONS = 24;
export const MAX_AGE_MS = 20 * 60_000;
export const MAX_OFFLINE_MS = 4 * 3_600_000;

/** A beacon that no longer changes. A retry repeats it byte for byte. */
export interface Sealed {
  body: string;
  /** The time of the page's clock from which the beacon is too old to be sent. The extras read these two. */
  dies: number;
  _failures: number;
  /** A request with this body is on the wire. */
  _inFlight?: boolean;
}

export type Queue = ReturnType<typeof createQueue>;

/** Closures rather than a class, here and elsewhere, because they are shorter when minified. */
export function createQueue(site: string, now: () => number, keep: (event: BeaconEvent) => unknown) {
  let view = "";
  let seq = 0;
  let open: BeaconEvent[] = [];
  let sealed: Sealed[] = [];

  /** Makes a beacon of those events so far that `keep` lets pass. */
  const seal = (device?: Device) => {
    // As `lib/plain.ts` does it, and shorter here.
    const events = Object.assign(open.filter(keep), { toJSON: 0 });
    open = [];
    if ((!events.length && !device) || seq > MAX_SEQ) return;
    const time = new Date();
    const left = -+time + time.setHours(24, 0, 0, 0);
    push(
      // What a page gave all objects, such as a `toJSON`, is none of a beacon's and its events'.
      JSON.stringify({ __proto__: null, v: 1, site, view, seq: seq++, events, device } as unknown as Beacon),
      // One reading of the clock: pages replace `Date.now` and not `Date`. A clock that makes no sense knows no midnight.
      left < MAX_OFFLINE_MS ? left : MAX_OFFLINE_MS,
    );
  };

  const push = (body: string, left: number) => {
    sealed.push({ body, dies: now() + left, _failures: 0 });
    waiting();
  };

  /** The beacons to send, oldest first, without those that are on the wire. */
  const waiting = (): readonly Sealed[] => {
    sealed = sealed.filter(({ dies }) => now() <= dies).slice(-MAX_BEACONS);
    return sealed.filter(({ _inFlight }) => !_inFlight);
  };

  return {
    /** Later events belong to this view. */
    _begin(id: string) {
      seal();
      view = id;
      seq = 0;
    },

    _add(event: BeaconEvent) {
      // Engaged time counts from the beginning of the view, so an unsent earlier figure adds nothing.
      if (event.type === "engage") open = open.filter(({ type }) => type !== "engage");
      if (open.push(event) >= MAX_EVENTS) seal();
    },

    /** Can this event still change? */
    _holds: <E extends BeaconEvent>(event: E | undefined): event is E => open.includes(event as E),

    _seal: seal,
    _waiting: waiting,

    /** Records that a beacon goes on the wire now. */
    _sent(beacon: Sealed) {
      beacon._inFlight = true;
      beacon.dies = Math.min(beacon.dies, now() + MAX_AGE_MS);
    },

    _remove(beacon: Sealed) {
      sealed = sealed.filter((other) => other !== beacon);
    },

    _clear() {
      open = [];
      sealed = [];
    },

    _put: push,
  };
}
