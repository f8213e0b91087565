/**
 * Which page this is, and when an application moves to another page without loading it.
 *
 * Addresses are shortened here, in the browser. Of the query only the `utm_*` parameters remain, and of the fragment only
 * the path of a hash route, if the site asks for it. Credentials never remain. So click identifiers, search words, order
 * numbers in queries and tokens in fragments do not leave.
 */
import { MAX_URL } from "./beacon.js";
import { guard } from "./lib/guard.js";
import { on } from "./lib/on.js";
import { parse } from "./lib/parse.js";
import { isSameSite } from "./lib/same-site.js";

/**
 * Parameters that advertising networks add to the links of paid clicks. Only that one was there is sent, never its value.
 */
const PAID =
  /[?&]([gw]braid|[gdy]clid|t[tw]clid|gad_source|msclkid|li_fat_id|rdt_cid|epik|sccid|rb_clickid)=/i;

/** Did a paid click lead to this page? */
export const isPaid = (query: string) => PAID.test(query);

/** The page's address. `template` replaces the path. */
export function pageUrl(address: string, hash?: boolean, template?: string): string {
  const { origin, pathname, search, hash: fragment } = parse(address);
  // A fragment is a route if it begins with `#/` or `#!/`. Any other may be a token.
  const route = hash && /^#!?(\/[^?#]*)/.exec(fragment)?.[1];
  const path =
    (template && `/${template.replace(/^\/+|[?#].*/g, "")}`) ||
    (route ? pathname.replace(/\/$/, "") + route : pathname);
  const campaign = search.match(/[?&]utm_\w+=[^&]+/g);
  // A cut query may lose a campaign, but a cut path might equal the path of another page. So the query goes last.
  return (origin + path + (campaign ? `?${campaign.join("").slice(1)}` : "")).slice(0, MAX_URL);
}

/** Another page as a referrer: origin and path on the same site, the origin alone elsewhere. Applications have a name. */
export function referrerUrl(address: string, site: string): string | undefined {
  const { origin, pathname, hostname } = parse(address);
  if (/^http/.test(address))
    return (origin + (isSameSite(hostname, site) ? pathname : "/")).slice(0, MAX_URL);
  return /^and/.test(address) ? address : undefined;
}

/**
 * The referrer of a page that was just loaded. A reload, a step back and a restored tab repeat an old referrer, which
 * did not bring the visitor this time. So they have none.
 */
export function firstReferrer(site: string): string | undefined {
  // Pages replace `performance` by an object that only has `now`.
  const entry = performance.getEntriesByType?.("navigation")?.[0] as PerformanceNavigationTiming | undefined;
  return /^(rel|back)/.test(`${entry?.type}`) ? undefined : referrerUrl(document.referrer, site);
}

/**
 * What distinguishes pages: the path alone, however it is written. Applications put filters, pages of a list and typed
 * words into the query. They also correct a path: a slash at the end, two slashes, encoded characters.
 *
 * Whatever `unescape` makes of letters, it makes the same of equal ones, and unlike others it never throws.
 */
export const pagePath = (address: string, hash?: boolean) =>
  unescape(pageUrl(address, hash).replace(/\?.*/, "")).replace(/\/+(?=\/|$)/g, "");

/** Calls `onMove` when a single-page application changes the address. `kind` is the kind of navigation. */
export function watchPages(hash: boolean | undefined, onMove: (isNew: boolean, kind: string) => void) {
  let last = pagePath(location.href, hash);
  const check = guard((kind: string) => {
    const before = last;
    last = pagePath(location.href, hash);
    onMove(last !== before, kind);
  });
  // The Navigation API (all browsers since January 2026) reports every change, and the page's functions stay as they
  // are. A page may have a variable or an element of that name instead.
  const { navigation } = window as { navigation?: Navigation };
  if (navigation?.currentEntry) {
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
