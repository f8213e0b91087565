/**
 * Anything as text within its bound. Halves of surrogate pairs, which a cut or a careless page leaves, are taken out: JSON
 * carries them, and a collector that reads Unicode would refuse the beacon.
 */
export const text = (what: unknown, longest: number): string =>
  `${what}`.slice(0, longest).replace(/\p{Surrogate}/gu, "");
