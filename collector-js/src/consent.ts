/**
 * Decides whether anything may be sent, and how much. This comes first, before a listener is attached or a value is
 * read.
 *
 * The collector keeps an objection in a cookie of its host (`__Host-tamga-off`), which pages cannot read. The
 * mirror here, a first-party cookie `tamga-off`, only saves a request per page. It lives for one day, for two reasons:
 * the collector renews its cookie when a beacon arrives, and a visitor who takes the objection back does so at the
 * collector. The snippet learns of that only when it asks again.
 *
 * The mirror holds one of two constants, so it cannot distinguish visitors.
 */

import { guard } from "./lib/guard.js";

export type Permission =
  /** Send everything the snippet knows how to send. */
  | "full"
  /** Global Privacy Control: the bare page view, without referrer. The collector sees `Sec-GPC` and keeps one count. */
  | "count"
  /** Not asked yet, or refused: nothing is sent. */
  | "wait"
  /** The visitor objected and the collector confirmed it: nothing is sent. */
  | "off"
  /** The visitor objected and no collector has confirmed it yet: only the objection is sent. */
  | "object";

const DAY_SECONDS = 86_400;
/** Browsers cap cookies at 400 days (and those set by scripts at 7 days in Safari). */
const LONGEST_SECONDS = 34_560_000;

// `document.cookie` throws in sandboxed frames. Then only the collector's own cookie counts.
export const permission = (wait: boolean): Permission =>
  (["object", "off"] as const)[
    guard(() => /(?:^|; )tamga-off=([01])/.exec(document.cookie)?.[1])() as unknown as number
  ] ?? (wait ? "wait" : granted());

/** What may be sent for a visitor who does not object. */
export function granted(): "full" | "count" {
  return (navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl ? "count" : "full";
}

/** An unconfirmed objection must last across all pages of this site, until a collector has received it. */
export const mirrorObjection = (confirmed: boolean) =>
  guard(() => {
    // biome-ignore lint/suspicious/noDocumentCookie: the Cookie Store API is asynchronous and not in old browsers.
    document.cookie = `tamga-off=${+confirmed}; Max-Age=${confirmed ? DAY_SECONDS : LONGEST_SECONDS}; Path=/; SameSite=Strict${location.protocol === "https:" ? "; Secure" : ""}`;
  })();
