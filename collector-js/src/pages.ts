/**
 * Which page this is, and when an application moves to another page without loading it.
 *
 * Addresses are shortened here, in the browser. Only the `utm_*` parameters of the query remain, the fragment only if
 * the site asks for it, and credentials never. So click identifiers, search words and order numbers in queries do not
 * leave.
 */
import { MAX_QUERY, MAX_URL } from "./beacon.js";
import { guard } from "./lib/guard.js";
import { on } from "./lib/on.js";
import { isSameSite } from "./lib/same-site.js";
import { text } from "./lib/text.js";

/**
 * Parameters that advertising networks add to the links of paid clicks. Only that one was there is sent, never its value.
 */
const PAID =
  /[?&]([gw]braid|[gdy]clid|t[tw]clid|gad_source|msclkid|li_fat_id|rdt_cid|epik|sccid|rb_clickid)=/i;

/** Did a paid click lead to this page? */
export const isPaid = (query: string) => PAID.test(query);

/** The page's address. `template` replaces the path. */
export function pageUrl(address: string, hash?: boolean, template?: string): string {
  const page = new URL(address);
  const query = page.search.match(/\butm_\w+=[^&]+/g)?.join("&");
  const path = template ? new URL(template, page.origin).pathname : page.pathname + (hash ? page.hash : "");
  // A cut query may lose a campaign, but a cut path might equal the path of another page. So the query goes last.
  return (page.origin + path + (query ? `?${query}` : "")).slice(0, MAX_URL);
}

/** What the visitor searched the site for: the first of the named parameters that is not empty. */
export function searchTerm(names: string[] = [], address = location.href): string {
  const { searchParams } = new URL(address);
  return text(names.map((name) => searchParams.get(name)).find(Boolean) ?? "", MAX_QUERY);
}

/** Another page as a referrer: origin and path on the same site, the origin alone elsewhere. */
export function referrerUrl(address: string, site: string): string | undefined {
  if (!/^http/.test(address)) return undefined;
  const { origin, pathname, hostname } = new URL(address);
  return (isSameSite(hostname, site) ? origin + pathname : `${origin}/`).slice(0, MAX_URL);
}

/**
 * The referrer of a page that was just loaded. A reload, a step back and a restored tab repeat an old referrer, which
 * did not bring the visitor this time. So they have none.
 */
export function firstReferrer(site: string): string | undefined {
  const [entry] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  return /^(rel|back)/.test(`${entry?.type}`) ? undefined : referrerUrl(document.referrer, site);
}

/**
 * Is `next` another page than `last`? `kind` is the kind of navigation; its first letter is enough. Applications
 * replace an entry with the same path to keep filters and scroll positions in the address. That is no new page.
 */
export function isNewPage(last: string, next: string, kind: string, hash?: boolean): boolean {
  const path = (address: string) => {
    const { pathname, search, hash: fragment } = new URL(address);
    return pathname + (kind[0] === "r" ? "" : search) + (hash ? fragment : "");
  };
  return path(last) !== path(next);
}

/** Calls `onPage` when a single-page application moves. */
export function watchPages(hash: boolean | undefined, onPage: () => void) {
  let last = location.href;
  const check = guard((kind: string) => {
    const next = location.href;
    const moved = isNewPage(last, next, kind, hash);
    last = next;
    if (moved) onPage();
  });
  // The Navigation API (all browsers since January 2026) reports every change, and the page's functions stay as they
  // are.
  const { navigation } = window as { navigation?: Navigation };
  if (navigation) {
    on(
      "currententrychange",
      ({ navigationType }: NavigationCurrentEntryChangeEvent) => check(`${navigationType}`),
      navigation,
    );
    return;
  }
  for (const method of ["pushState", "replaceState"] as const) {
    const original = history[method];
    history[method] = function (this: History, ...args) {
      original.apply(this, args);
      check(method);
    };
  }
  // `popstate` also fires when a link changes the fragment.
  on("popstate", () => check(""));
}
