/** Resolves when the page has nothing better to do, and in any case soon. */

/** Browsers that cannot tell (Safari) get a pause in which a page's own tasks find their turn. */
const PAUSE_MS = 30;
const LONGEST_MS = 1_000;

export const idle = (): Promise<unknown> =>
  new Promise((then) => {
    if ("requestIdleCallback" in window) requestIdleCallback(then, { timeout: LONGEST_MS });
    else setTimeout(then, PAUSE_MS);
  });
