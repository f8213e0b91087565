/**
 * Runs `then` once the page is really opened. A browser may prerender a page because it guesses that the visitor will
 * open it. Such a page runs its scripts although nobody may ever see it. Calls keep their order.
 */
import { guard } from "./guard.js";
import { on } from "./on.js";

export const whenActivated = (then: () => void) =>
  (document as { prerendering?: boolean }).prerendering ? on("prerenderingchange", then) : guard(then)();
