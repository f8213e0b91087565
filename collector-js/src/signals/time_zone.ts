/** Item 10: the device's time zone by its IANA name. Browsers that resist fingerprinting say UTC. */
import { text } from "../lib/text.js";

export function timeZone(): string | undefined {
  const { timeZone } = Intl.DateTimeFormat().resolvedOptions();
  return timeZone && text(timeZone, 64);
}
