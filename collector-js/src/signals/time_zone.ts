/** Item 10: the device's time zone by its IANA name. Browsers that resist fingerprinting say UTC. */
export const timeZone = (): string | undefined => Intl.DateTimeFormat().resolvedOptions().timeZone;
