/**
 * Reports when the visitor follows a link or a form to another site. Only the other site's origin leaves the page.
 *
 * Not seen: "open in new tab" of the context menu (browsers do not report it to pages) and navigations by script. A
 * click whose default action a script prevents is counted, because such scripts mostly navigate by themselves.
 */

import { on } from "./lib/on.js";
import { isSameSite } from "./lib/same-site.js";

export function watchExits(site: string, onExit: (origin: string) => void) {
  const leave = (address: string | null | undefined) => {
    const { protocol, hostname, origin } = new URL(address || "", document.baseURI);
    if (/^http/.test(protocol) && !isSameSite(hostname, site)) onExit(origin);
  };
  // `click` also covers touch and the Enter key. Other buttons cause `auxclick`; only the middle one (1) follows a
  // link. Inside a shadow tree `event.target` is the host element, but the path contains the link.
  on("click auxclick", (event: MouseEvent) => {
    if (event.button < 2) leave(event.composedPath().find(isLink)?.href);
  });
  // The attribute is read, because a field of the form may be called "action".
  on("submit", ({ target, submitter }: SubmitEvent) =>
    leave(submitter?.getAttribute("formaction") ?? (target as Element).getAttribute("action")),
  );
}

/**
 * `href` of a link inside SVG is an object, not a string. As an address it is a path of this site, so it is no exit.
 */
const isLink = (target: EventTarget): target is HTMLAnchorElement | HTMLAreaElement =>
  /^(a|area)$/i.test((target as Element).tagName);
