/**
 * The public names, nothing else. Importing this module does nothing: no listener, no request, no storage, and it may
 * be imported where there is no browser. `start` begins.
 */
export type { BeaconEvent, ConsentState } from "./beacon.js";
export { start } from "./collector.js";
export type { Options, Tamga } from "./config.js";
