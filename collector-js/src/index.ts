/**
 * The public names, nothing else. Importing this module adds no listener, sends no request and uses no storage. It may
 * also be imported outside of a browser. `start` starts the collector.
 */
import type { Tamga } from "./config.js";

declare global {
  interface Window {
    /** Set when the snippet runs, or before that by the page, as the README shows. */
    tamga?: Tamga;
  }
}

export type { BeaconEvent, ConsentState } from "./beacon.js";
export { start } from "./collector.js";
export type { BeforeSend, Call, Details, Options, Tamga } from "./config.js";
export type { Permission } from "./consent.js";
