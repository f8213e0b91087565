/**
 * Reports when the visitor follows a link or a form to another site. Only the other site's origin leaves the page.
 *
 * Not seen: "open in new tab" of the context menu (browsers do not report it to pages), navigations by script, and
 * links within closed shadow trees. A click whose default action a script prevents is counted, because such scripts
 * mostly navigate by themselves.
 */

import type { BeaconEvent } from "./beacon.js";
import { linkOf } from "./lib/link-of.js";
import { on } from "./lib/on.js";
import { parse } from "./lib/parse.js";
import { isSameSite } from "./lib/same-site.js";

type Exit = Omit<Extract<BeaconEvent, { type: "exit" }>, "at">;

/** `onClick` runs at every click. */
export function watchClicks(site: string, onExit: (exit: Exit) => void, onClick: () => void) {
  const leave = (address: string | null | undefined) => {
    if (!address) return;
    // An element resolves addresses as the browser does, by the page's `<base>`.
    const { protocol, hostname, origin } = parse(address);
    if (/^http/.test(protocol) && !isSameSite(hostname, site)) onExit({ type: "exit", url: origin });
  };
  // `click` also covers touch and the Enter key. Other buttons cause `auxclick`; only the middle one (1) follows a
  // link.
  on("click auxclick", (event: MouseEvent) => {
    onClick();
    const href = (linkOf(event) as { href?: string | SVGAnimatedString } | undefined)?.href;
    // Within SVG `href` is an object.
    if (event.button < 2) leave(Object(href).baseVal ?? href);
  });
  // Attributes are read, because a field of the form may be called "action". A form without one leads to this page.
  on("submit", ({ target: form, submitter }: SubmitEvent & { target: HTMLFormElement }) => {
    if (form.method !== "dialog") leave(submitter?.getAttribute("formaction") ?? form.getAttribute("action"));
  });
}
