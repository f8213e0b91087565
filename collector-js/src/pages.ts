/**
 * Which page this is, and when it becomes another without being loaded.
 *
 * What is sent of an address is trimmed here, in the browser: of the query only `utm_*` parameters remain, the fragment only if it
 * is asked for, credentials never. Click identifiers, search words and order numbers in queries therefore do not leave.
 */
import { MAX_URL } from "./beacon.js";
import { guard } from "./lib/guard.js";
import { isSameSite } from "./lib/same-site.js";

type Kind = "push" | "replace" | "traverse";

/** The page's address. `template` takes the place of the path. */
export function pageUrl(address: string, hash: boolean, template?: string): string {
  const page = new URL(address);
  const campaign = [...page.searchParams].filter(([key]) => key.startsWith("utm_"));
  const query = new URLSearchParams(campaign).toString();
  const path = template ? new URL(template, page.origin).pathname : page.pathname + (hash ? page.hash : "");
  // A cut query may lose a campaign, a cut path could not be told from another page; so the query goes first.
  const whole = page.origin + path;
  return `${whole}${query && whole.length + query.length < MAX_URL ? `?${query}` : ""}`.slice(0, MAX_URL);
}

/** Another page as a referrer: origin and path on the same site, the origin alone elsewhere. */
export function referrerUrl(address: string, site: string): string | undefined {
  if (!/^https?:/.test(address)) return undefined;
  const { origin, pathname, hostname } = new URL(address);
  return (isSameSite(hostname, site) ? origin + pathname : `${origin}/`).slice(0, MAX_URL);
}

/**
 * The referrer of a page that was just loaded. Reloading, going back and restoring a tab repeat the referrer of long ago;
 * they bring nobody from there now.
 */
export function firstReferrer(site: string): string | undefined {
  const [entry] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  return entry && entry.type !== "navigate" && (entry.type as string) !== "prerender"
    ? undefined
    : referrerUrl(document.referrer, site);
}

/**
 * Is `next` another page than `last`? Replacing an entry with the same path is how applications keep filters and scroll
 * positions in the address; nobody went anywhere.
 */
export function isNewPage(last: string, next: string, kind: Kind, hash: boolean): boolean {
  const [a, b] = [new URL(last), new URL(next)];
  const moved = a.pathname !== b.pathname || (hash && a.hash !== b.hash);
  return moved || (kind !== "replace" && a.search !== b.search);
}

/** Calls `onPage` when a single-page application moves. */
export function watchPages(hash: boolean, onPage: () => void) {
  let last = location.href;
  const check = guard((kind: Kind) => {
    const next = location.href;
    const moved = isNewPage(last, next, kind, hash);
    last = next;
    if (moved) onPage();
  });
  // The Navigation API (all browsers since January 2026) tells of every change and leaves the page's functions alone.
  // Its event has no kind when only the entry's state changed.
  const { navigation } = window as { navigation?: Navigation };
  if (navigation) {
    navigation.addEventListener("currententrychange", ({ navigationType }) => {
      if (navigationType) check(navigationType as Kind);
    });
    return;
  }
  for (const [method, kind] of [["pushState", "push"] as const, ["replaceState", "replace"] as const]) {
    const original = history[method];
    history[method] = function (this: History, ...args) {
      original.apply(this, args);
      check(kind);
    };
  }
  // Also fires when the fragment changes by a link.
  addEventListener("popstate", () => check("traverse"));
}
