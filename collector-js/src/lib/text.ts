/**
 * Makes text of any value and limits its length. Halves of surrogate pairs, which a cut or a careless page leaves, are
 * removed: JSON can carry them, but a collector that reads Unicode would refuse the beacon.
 */
export const text = (what: unknown, longest: number): string =>
  `${what}`.slice(0, longest).replace(/\p{Surrogate}/gu, "");
