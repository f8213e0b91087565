/**
 * Runs `hidden` whenever the page may be seen for the last time, and `restored` when it comes back from the back/forward
 * cache.
 *
 * `visibilitychange` is the last event that phones reliably deliver; `pagehide` covers Safari, which leaves visible pages
 * without it. `unload` and `beforeunload` are never used: they keep pages out of the back/forward cache.
 */
import { guard } from "./guard.js";

export function whenHidden(hidden: () => void, restored: () => void) {
  document.addEventListener(
    "visibilitychange",
    guard(() => {
      if (document.visibilityState === "hidden") hidden();
    }),
  );
  addEventListener("pagehide", guard(hidden));
  addEventListener(
    "pageshow",
    guard((event: PageTransitionEvent) => {
      if (event.persisted) restored();
    }),
  );
}
