/**
 * The extras, `/tamga-extras.js`: a module that the snippet loads where the tag asks for more than views, engaged time,
 * exits and named events. So pages that do not ask do not load it.
 *
 * It comes a moment after the snippet. Errors of that moment and of the time before are caught by the page's own lines,
 * as the README shows, into `tamga.errors`.
 */
import { type BeaconEvent, MAX_QUERY } from "./beacon.js";
import { type Details, list, type Options } from "./config.js";
import { watchErrors } from "./extras/errors.js";
import { watchFiles } from "./extras/files.js";
import { watchNames } from "./extras/names.js";
import { watchSearch } from "./extras/search.js";
import { park, unpark } from "./extras/store.js";
import { guard } from "./lib/guard.js";
import { on } from "./lib/on.js";
import { text } from "./lib/text.js";
import { whenHidden } from "./lib/when-hidden.js";
import { watchPages } from "./pages.js";
import type { Sealed } from "./queue.js";

type Untimed =
  | Omit<Extract<BeaconEvent, { type: "search" }>, "at">
  | Omit<Extract<BeaconEvent, { type: "error" }>, "at">;

export function extend(
  options: Options,
  event: (name: string, details?: Details) => void,
  report: (event: Untimed) => void,
  waiting: () => readonly Sealed[],
  remove: (beacon: Sealed) => void,
  put: (body: string, left: number) => void,
  go: () => void,
  hide: () => void,
) {
  const { downloads, forms, missing, search } = options;
  if (options.errors) watchErrors((message) => report({ type: "error", message }));
  if (options.events) watchNames(event);
  if (downloads) watchFiles((variant) => event(downloads, { variant }));
  if (forms)
    on("submit", ({ target }) => {
      // A form that names its own event reports that one.
      if (!(target as Element).getAttribute("data-tamga-event")) event(forms);
    });
  if (search) {
    const onSearch = (query: string) => report({ type: "search", query });
    const onAddress = watchSearch(list(search), onSearch);
    const { tamga } = window;
    if (tamga) tamga.search = guard((term: string) => onSearch(text(term, MAX_QUERY)));
    watchPages(true, () => onAddress(location.href));
    onAddress(location.href);
    whenHidden(
      () => {
        onAddress(undefined);
        hide();
      },
      () => {},
      () => {},
    );
  }
  if (options.offline) {
    const bring = guard(() => {
      for (const beacon of unpark()) put(...beacon);
      go();
    });
    // The snippet's own listener comes first: it sends what it can, and the rest waits here.
    whenHidden(
      guard(() => {
        const beacons = waiting();
        park(beacons);
        beacons.forEach(remove);
      }),
      bring,
      bring,
    );
    bring();
  }
  guard(() => {
    const [entry] = performance.getEntriesByType("navigation") as [PerformanceNavigationTiming];
    if (missing && entry.responseStatus === 404) event(missing);
  })();
}
