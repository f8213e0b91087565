/**
 * Reports errors of the page's scripts and promises that nobody caught. Only the message is sent, never a stack or an
 * address. The collector scrubs it and keeps a template.
 *
 * Each message is sent once per page, and at most five messages: a page that fails in a loop must not cause a flood.
 * What says nothing about the page is left out, because it would fill the five places.
 */
import { MAX_MESSAGE } from "../beacon.js";
import { guard } from "../lib/guard.js";
import { on } from "../lib/on.js";
import { text } from "../lib/text.js";

const MAX_MESSAGES = 5;

/**
 * Notices of browsers that harm nobody; requests that were given up, which the visitor causes by leaving; errors of
 * scripts of other origins, which browsers hide; and values without a message.
 */
const NOISE =
  /^(Uncaught )?(ResizeObserver loop|AbortError|Script error\.?$|\(?unknown|\[object |undefined$|null$|(canceled|cancelled|aborted)$)|(operation|request|fetch|user|signal) (was|is) (aborted|cancell?ed)|aborted( a request| without reason|\.$)/i;

/** Code of the visitor's own extensions. */
const FOREIGN = /^[\w-]+-extension:/;

interface Failure {
  message?: unknown;
  reason?: unknown;
  filename?: unknown;
}

/** Begins with the errors that the page's own lines have caught, which then catch no more. */
export function watchErrors(onError: (message: string) => void) {
  const judge = judgeErrors(onError);
  const { tamga } = window;
  on("error unhandledrejection", judge);
  for (const early of tamga?.errors ?? []) guard(judge)(early);
  if (tamga) tamga.errors = undefined;
}

/** Takes events of the types `error` and `unhandledrejection`. */
export function judgeErrors(onError: (message: string) => void) {
  const seen = new Set<string>();
  return (event: unknown) => {
    // An image that fails to load causes an event without a message.
    const { message, reason, filename } = event as Failure;
    const cause = Object(reason) as { name?: unknown; message?: unknown };
    const shortened = text(message ?? cause.message ?? reason ?? "", MAX_MESSAGE);
    const noise = NOISE.test(shortened) || cause.name === "AbortError" || FOREIGN.test(`${filename ?? ""}`);
    if (!shortened || noise || seen.has(shortened) || seen.size >= MAX_MESSAGES) return;
    seen.add(shortened);
    onError(shortened);
  };
}
