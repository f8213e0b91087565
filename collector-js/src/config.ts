/**
 * Options, where they come from, and their defaults. Pure except for reading a script tag's attributes.
 */
import type { ConsentState } from "./beacon.js";

export interface Options {
  /** The site as the collector's configuration names it, for example `jetpay.kz`. */
  site: string;
  /** Full address of the beacon route, for example `https://t.jetpay.kz/v1/beacon`. */
  endpoint: string;
  /** `"wait"` sends nothing and remembers nothing until `consent("granted")`. Default: `"none"`. */
  consent?: "wait" | "none";
  /** `"manual"` reports only the views the page names with `view(template)`. Default: `"auto"`. */
  views?: "auto" | "manual";
  /** Counts a change of the fragment (`#/tariffs`) as a page view and sends it with the path. Default: `false`. */
  hash?: boolean;
}

/** What pages call. No method throws, waits, or tells the page anything about the visitor. */
export interface Tamga {
  /** Reports a page view; `template` (such as `/order/:id`) is sent in place of the real path. */
  view(template?: string): void;
  /** Reports a declared event. Names and variants are `a-z 0-9 _ . -`, at most 64 characters; others are ignored. */
  event(name: string, details?: { variant?: string }): void;
  /** Passes on what the visitor answered. An objection outweighs it: `"granted"` does not undo `object()`. */
  consent(state: ConsentState): void;
  /** The visitor objects: nothing more is counted, from this page on. */
  object(): void;
  /** Takes calls that may be older than the script: `tamga.q.push(["event", "signup"])`. */
  q: { push(...calls: Call[]): void };
}

export type Call = {
  [Name in "view" | "event" | "consent" | "object"]: [Name, ...Parameters<Tamga[Name]>];
}["view" | "event" | "consent" | "object"];

/** `undefined` if the tag names no site; that is a page which does not want to be counted, not an error. */
export function optionsFromScript(script: HTMLOrSVGScriptElement | null): Options | undefined {
  if (!(script instanceof HTMLScriptElement)) return undefined;
  const { site, endpoint, consent, views, hash } = script.dataset;
  if (!site) return undefined;
  return {
    site,
    // The tag's `src` is already absolute. The collector serves script and beacon from one origin; whoever proxies
    // them under other paths says so in `data-endpoint`, which may be relative to the page.
    endpoint: endpoint ? new URL(endpoint, location.href).href : new URL("/v1/beacon", script.src).href,
    consent: consent === "wait" ? "wait" : "none",
    views: views === "manual" ? "manual" : "auto",
    hash: hash !== undefined && hash !== "false",
  };
}
