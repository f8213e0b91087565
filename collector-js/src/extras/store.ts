/**
 * Keeps what happens without a network in `localStorage`, from the end of a page to the next one of the site.
 *
 * Beacons take their remaining time along. One whose time is longer than any beacon gets comes from a clock that was set
 * back, and is dropped.
 */
import { now } from "../lib/now.js";
import { MAX_BEACONS, MAX_OFFLINE_MS, type Sealed } from "../queue.js";

/** A beacon with the milliseconds that it still may wait. */
export type Parked = [body: string, left: number];

const NAME = "tamga";

/** Each body with the time of day after which it may not be sent. */
const kept = (): [string, number][] => JSON.parse(localStorage[NAME] || "[]");

/** Adds beacons to those of other pages. */
export function park(beacons: readonly Sealed[]) {
  if (!beacons.length) return;
  const entries = beacons.map(({ body, dies }) => [body, dies - now() + Date.now()]);
  localStorage[NAME] = JSON.stringify([...kept(), ...entries].slice(-MAX_BEACONS));
}

/** Takes all beacons out of the storage. */
export function unpark(): Parked[] {
  const moved = kept().map(([body, dies]): Parked => [body, dies - Date.now()]);
  localStorage.removeItem(NAME);
  return moved.filter(([, left]) => left >= 0 && left <= MAX_OFFLINE_MS);
}
