/** Resolves when the page is idle, after a second at the latest. */

/** In browsers without `requestIdleCallback` (Safari), a pause lets the page's own tasks run. */
const PAUSE_MS = 30;
const LONGEST_MS = 1_000;

export const idle = (): Promise<unknown> =>
  new Promise((then) => {
    if ("requestIdleCallback" in window) requestIdleCallback(then, { timeout: LONGEST_MS });
    else setTimeout(then, PAUSE_MS);
  });
