/**
 * The public names, nothing else. Importing this module adds no listener, sends no request and uses no storage. It may
 * also be imported outside of a browser. `start` starts the collector.
 */
import type { Tamga } from "./config.js";

declare global {
  interface Window {
    /** Set when the snippet runs. Before that it may be a queue: `window.tamga = window.tamga || { q: [] }`. */
    tamga?: Tamga | { q: Parameters<Tamga["q"]["push"]> };
  }
}

export type { BeaconEvent, ConsentState } from "./beacon.js";
export { start } from "./collector.js";
export type { Options, Tamga } from "./config.js";
