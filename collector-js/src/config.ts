/**
 * The options, their sources and their defaults. Pure, except that it reads the attributes of a script tag.
 */
import type { ConsentState } from "./beacon.js";

export interface Options {
  /** The site as the collector's configuration names it, for example `jetpay.kz`. */
  site: string;
  /** Full address of the beacon route, for example `https://t.jetpay.kz/v1/beacon`. */
  endpoint: string;
  /** `"wait"` sends nothing and remembers nothing until `consent("granted")`. Default: `"none"`. */
  consent?: "wait" | "none" | undefined;
  /** `"manual"` reports only the views that the page names with `view(template)`. Default: `"auto"`. */
  views?: "auto" | "manual" | undefined;
  /** Counts a change of the fragment (`#/tariffs`) as a page view and sends it with the path. Default: `false`. */
  hash?: boolean;
  /** Parameters of the address that hold what a visitor searched the site for, such as `["q"]`. Default: none. */
  search?: string[] | undefined;
  /** Reports errors of the page's scripts. Default: `false`. */
  errors?: boolean;
  /** Keeps events without a network in this browser's storage, for four hours at most. Default: in memory only. */
  offline?: boolean;
}

/** The methods that pages call. No method throws, waits, or reveals anything about the visitor to the page. */
export interface Tamga {
  /** Reports a page view; `template` (such as `/order/:id`) is sent in place of the real path. */
  view(template?: string): void;
  /** Reports a declared event. Names and variants are `a-z 0-9 _ . -`, at most 64 characters; others are ignored. */
  event(name: string, details?: { variant?: string }): void;
  /** Reports the visitor's answer. An objection is stronger: `"granted"` does not undo `object()`. */
  consent(state: ConsentState): void;
  /** The visitor objects: nothing more is counted, from this page on. */
  object(): void;
  /** Accepts calls from before the script arrived: `tamga.q.push(["event", "signup"])`. */
  q: { push(...calls: Call[]): void };
}

export type Call = {
  [Name in "view" | "event" | "consent" | "object"]: [Name, ...Parameters<Tamga[Name]>];
}["view" | "event" | "consent" | "object"];

/**
 * Returns `undefined` if the tag names no site: such a page does not want to be counted, and that is not an error.
 * Throws if there is no tag.
 */
export function optionsFromScript(script: HTMLOrSVGScriptElement | null): Options | undefined {
  const { site, endpoint, search, ...rest } = (script as HTMLScriptElement).dataset;
  if (!site) return undefined;
  const on = (name: string) => name in rest && rest[name] !== "false";
  return {
    ...rest,
    site,
    // The tag's `src` is already absolute. The collector serves script and beacon from one origin. A site that proxies
    // them under other paths sets `data-endpoint`, which may be relative to the page.
    endpoint: new URL(endpoint ?? "/v1/beacon", endpoint ? location.href : (script as HTMLScriptElement).src)
      .href,
    search: search?.split(","),
    hash: on("hash"),
    errors: on("errors"),
    offline: on("offline"),
  };
}
