/**
 * Runs `hidden` whenever the page is hidden and may not be shown again, `shown` when it is shown again, and `restored`
 * when it comes back from the back/forward cache.
 *
 * `visibilitychange` is the last event that phones reliably deliver; `pagehide` covers Safari, which does not send it
 * for visible pages. `unload` and `beforeunload` are never used: they keep pages out of the back/forward cache.
 */
import { on } from "./on.js";

export function whenHidden(hidden: () => void, shown: () => void, restored: () => void) {
  on("visibilitychange", () => (document.hidden ? hidden() : shown()));
  on("pagehide", hidden);
  on("pageshow", ({ persisted }: PageTransitionEvent) => persisted && restored());
}
