/**
 * Runs `then` once the page is really opened. A page that is prerendered, because the browser guesses that it will be
 * opened, runs its scripts though nobody has come and perhaps nobody will. Calls keep their order.
 */
import { guard } from "./guard.js";
import { on } from "./on.js";

export const whenActivated = (then: () => void) =>
  (document as { prerendering?: boolean }).prerendering
    ? on("prerenderingchange", then, document)
    : guard(then)();
