/** Item 10: the device's time zone by its IANA name. Browsers that resist fingerprinting say UTC. */
import { text } from "../lib/text.js";

type WithTemporal = { Temporal?: { Now?: { timeZoneId?(): string } } };

export function timeZone(): string | undefined {
  // A date format takes fifteen milliseconds, because it loads all words of a language. Browsers since 2026 have less.
  const { Temporal } = window as WithTemporal;
  const zone = Temporal?.Now?.timeZoneId?.() ?? Intl.DateTimeFormat().resolvedOptions().timeZone;
  return zone && text(zone, 64);
}
