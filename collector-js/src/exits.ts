/**
 * Links to another site, when they are followed. Only the other site's origin leaves the page.
 *
 * Not seen: "open in new tab" of the context menu (browsers tell no page of it), navigations by script, and forms.
 * A click whose default a script prevents is counted, because such scripts mostly navigate on their own.
 */
import { guard } from "./lib/guard.js";
import { isSameSite } from "./lib/same-site.js";

export function watchExits(site: string, onExit: (origin: string) => void) {
  const follow = guard((event: MouseEvent) => {
    // `click` covers touch and the Enter key as well. Of the other buttons, which come as `auxclick`, only the middle
    // one (1) follows a link.
    if (event.button > 1) return;
    // Inside a shadow tree `event.target` is the host element; the path still shows the link.
    const link = event.composedPath().find(isLink);
    if (!link) return;
    const { protocol, hostname, origin } = new URL(link.href);
    if (/^https?:$/.test(protocol) && !isSameSite(hostname, site)) onExit(origin);
  });
  // In the capture phase, so that a page which stops the event does not hide it.
  addEventListener("click", follow, true);
  addEventListener("auxclick", follow, true);
}

/** `href` of a link inside SVG is an object, not a string; such links are left alone. */
const isLink = (target: EventTarget): target is HTMLAnchorElement | HTMLAreaElement =>
  target instanceof Element &&
  target.matches("a[href],area[href]") &&
  typeof (target as HTMLAnchorElement).href === "string";
