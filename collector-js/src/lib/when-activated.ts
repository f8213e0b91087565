/**
 * Runs `then` once the page is really opened. A page that is prerendered, because the browser guesses that it will be
 * opened, runs its scripts though nobody has come and perhaps nobody will. Calls keep their order.
 */
export function whenActivated(then: () => void) {
  if ((document as { prerendering?: boolean }).prerendering) {
    document.addEventListener("prerenderingchange", then, { once: true });
  } else {
    then();
  }
}
