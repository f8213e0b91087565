/**
 * Events on their way into beacons, and beacons on their way out.
 *
 * Bounds: 50 events a beacon (which keeps a beacon near 16 KiB, since only views carry long strings), 24 beacons and
 * 48 Ki characters waiting (browsers grant 64 KiB to all keepalive requests of a page together, and the page may have its own;
 * only messages and search words, which are few, take more than a byte a character). What exceeds
 * a bound is dropped, oldest first, and leaves a gap in `seq`, so the loss can be seen.
 *
 * A beacon that has been on the wire lives for 20 minutes more, because the collector recognises a repeated (view, seq) for
 * 30. One that never was, in a browser without a network, lives for four hours and not past midnight: what came after the day's
 * key has died would count for another day. If the site allows storage, such beacons are put there when the page
 * is left, and whichever page of the site is seen next takes all of them out again.
 */
import { type Beacon, type BeaconEvent, type Device, MAX_SEQ } from "./beacon.js";

export const MAX_EVENTS = 50;
export const MAX_BEACONS = 24;
export const MAX_CHARACTERS = 48 * 1024;
export const MAX_AGE_MS = 20 * 60_000;
export const MAX_OFFLINE_MS = 4 * 3_600_000;

/** A beacon that no longer changes: a retry repeats it byte for byte. */
export interface Sealed {
  _body: string;
  /** When it is too old to be sent, by the clock of the page. */
  _dies: number;
  _failures: number;
  /** A request with this body is on the wire. */
  _inFlight?: boolean;
}

export type Queue = ReturnType<typeof createQueue>;

/** Closures rather than a class, here and elsewhere, because they are shorter when minified. */
export function createQueue(
  site: string,
  now: () => number,
  /** May use this browser's storage. */
  persist?: boolean,
) {
  let view = "";
  let seq = 0;
  let open: BeaconEvent[] = [];
  let sealed: Sealed[] = [];

  /** Turns the events gathered so far into a beacon. */
  const seal = (device?: Device) => {
    const events = open;
    if (!events.length && !device) return;
    open = [];
    if (seq > MAX_SEQ) return;
    const beacon: Beacon = { v: 1, site, view, seq: seq++, events, device };
    const midnight = new Date().setHours(24, 0, 0, 0) - Date.now();
    push(JSON.stringify(beacon), Math.min(midnight, MAX_OFFLINE_MS));
  };

  const push = (body: string, left: number) => {
    sealed.push({ _body: body, _dies: now() + left, _failures: 0 });
    waiting();
  };

  /** The beacons to send, oldest first; not those that are on the wire. */
  const waiting = (): readonly Sealed[] => {
    sealed = sealed.filter(({ _dies }) => now() <= _dies).slice(-MAX_BEACONS);
    while (sealed.reduce((sum, { _body }) => sum + _body.length, 0) > MAX_CHARACTERS) sealed.shift();
    return sealed.filter(({ _inFlight }) => !_inFlight);
  };

  const parked = (): [string, number][] => JSON.parse(localStorage.tamga || "[]");

  /** Moves what lies in storage back. */
  const unpark = () => {
    if (!persist) return;
    const moved = parked();
    localStorage.removeItem("tamga");
    for (const [body, dies] of moved) {
      const left = dies - Date.now();
      // More than was ever given: the device's clock has been set back.
      if (left <= MAX_OFFLINE_MS) push(body, left);
    }
  };

  return {
    /** Later events belong to this view. */
    _begin(id: string) {
      seal();
      view = id;
      seq = 0;
    },

    _add(event: BeaconEvent) {
      // Engaged time counts from the beginning of the view, so an unsent earlier figure says nothing more.
      if (event.type === "engage") open = open.filter(({ type }) => type !== "engage");
      if (open.push(event) >= MAX_EVENTS) seal();
    },

    _seal: seal,
    _waiting: waiting,

    /** It goes on the wire now. */
    _sent(beacon: Sealed) {
      beacon._inFlight = true;
      beacon._dies = Math.min(beacon._dies, now() + MAX_AGE_MS);
    },

    _remove(beacon: Sealed) {
      sealed = sealed.filter((other) => other !== beacon);
    },

    _clear() {
      unpark();
      open = [];
      sealed = [];
    },

    /** Moves what waits into storage, behind what other pages have put there. */
    _park() {
      const moved = waiting();
      if (!persist || !moved.length) return;
      const entries = moved.map(({ _body, _dies }) => [_body, _dies - now() + Date.now()]);
      localStorage.tamga = JSON.stringify([...parked(), ...entries].slice(-MAX_BEACONS));
      sealed = sealed.filter(({ _inFlight }) => _inFlight);
    },

    _unpark: unpark,
  };
}
