/**
 * The public names, nothing else. Importing this module does nothing: no listener, no request, no storage, and it may
 * be imported where there is no browser. `start` begins.
 */
import type { Tamga } from "./config.js";

declare global {
  interface Window {
    /** There once the snippet runs; before that perhaps a queue: `window.tamga = window.tamga || { q: [] }`. */
    tamga?: Tamga | { q: Parameters<Tamga["q"]["push"]> };
  }
}

export type { BeaconEvent, ConsentState } from "./beacon.js";
export { start } from "./collector.js";
export type { Options, Tamga } from "./config.js";
