/**
 * Links and forms that lead to another site, when they are followed. Only the other site's origin leaves the page.
 *
 * Not seen: "open in new tab" of the context menu (browsers tell no page of it) and navigations by script.
 * A click whose default a script prevents is counted, because such scripts mostly navigate on their own.
 */

import { on } from "./lib/on.js";
import { isSameSite } from "./lib/same-site.js";

export function watchExits(site: string, onExit: (origin: string) => void) {
  const leave = (address: string | null | undefined) => {
    const { protocol, hostname, origin } = new URL(address || "", document.baseURI);
    if (/^http/.test(protocol) && !isSameSite(hostname, site)) onExit(origin);
  };
  // `click` covers touch and the Enter key as well. Of the other buttons, which come as `auxclick`, only the middle one (1)
  // follows a link. Inside a shadow tree `event.target` is the host element; the path still shows the link.
  on("click auxclick", (event: MouseEvent) => {
    if (event.button < 2) leave(event.composedPath().find(isLink)?.href);
  });
  // By attribute, because a field of the form may be called "action".
  on("submit", ({ target, submitter }: SubmitEvent) =>
    leave(submitter?.getAttribute("formaction") ?? (target as Element).getAttribute("action")),
  );
}

/** `href` of a link inside SVG is an object, not a string; as an address it is a path of this site, and so no exit. */
const isLink = (target: EventTarget): target is HTMLAnchorElement | HTMLAreaElement =>
  /^(a|area)$/i.test((target as Element).tagName);
