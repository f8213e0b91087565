/**
 * Errors of the page's scripts and promises that nobody caught. The message alone, never a stack or an address; the collector scrubs
 * it and keeps a template.
 *
 * Each message once per page, and five messages at most: a page that fails in a loop is one error, not a flood.
 */
import { MAX_MESSAGE } from "./beacon.js";
import { on } from "./lib/on.js";
import { text } from "./lib/text.js";

const MAX_MESSAGES = 5;

export function watchErrors(onError: (message: string) => void) {
  const seen = new Set<string>();
  // A picture that fails to load is an event without a message.
  on("error unhandledrejection", ({ message, reason }: ErrorEvent & PromiseRejectionEvent) => {
    const told = text(message ?? reason?.message ?? reason ?? "", MAX_MESSAGE);
    if (!told || seen.has(told) || seen.size >= MAX_MESSAGES) return;
    seen.add(told);
    onError(told);
  });
}
