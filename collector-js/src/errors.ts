/**
 * Reports errors of the page's scripts and promises that nobody caught. Only the message is sent, never a stack or an
 * address. The collector scrubs it and keeps a template.
 *
 * Each message is sent once per page, and at most five messages: a page that fails in a loop must not cause a flood.
 */
import { MAX_MESSAGE } from "./beacon.js";
import { on } from "./lib/on.js";
import { text } from "./lib/text.js";

const MAX_MESSAGES = 5;

export function watchErrors(onError: (message: string) => void) {
  const seen = new Set<string>();
  // An image that fails to load causes an event without a message.
  on("error unhandledrejection", ({ message, reason }: ErrorEvent & PromiseRejectionEvent) => {
    const shortened = text(message ?? reason?.message ?? reason ?? "", MAX_MESSAGE);
    if (!shortened || seen.has(shortened) || seen.size >= MAX_MESSAGES) return;
    seen.add(shortened);
    onError(shortened);
  });
}
