/**
 * 128 bits that stand for something longer, as 22 characters of base64url.
 *
 * SHA-256, cut, where the browser lends it, which is on https. On plain http a hash of our own takes its place: four lanes
 * of 32 bits that multiply and exchange bits, good against accidents only. The two give different digests for the same input;
 * a site is on one of both, and the collector keys and forgets them daily anyway.
 */
import { base64url } from "./base64url.js";

export async function digest(bytes: Uint8Array): Promise<string> {
  const { subtle } = crypto as { subtle?: SubtleCrypto };
  const hash = subtle ? new Uint8Array(await subtle.digest("SHA-256", bytes as BufferSource)) : plain(bytes);
  return base64url(hash.subarray(0, 16));
}

/** Odd multipliers with their bits spread, one per lane. */
const LANES = [0x9e3779b1, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f];

/** @internal */
export function plain(bytes: Uint8Array): Uint8Array {
  const state = new Uint32Array(LANES);
  // `bytes.length` is part of the input, so that zeros at the end count.
  const step = (value: number, lane: number) => {
    const before = (state[lane] as number) ^ value;
    const mixed = Math.imul(before ^ (before >>> 15), LANES[lane] as number);
    state[lane] = mixed;
    state[(lane + 1) & 3] = ((state[(lane + 1) & 3] as number) + (mixed ^ (mixed >>> 13))) | 0;
  };
  bytes.forEach((byte, index) => {
    step(byte, index & 3);
  });
  // Enough rounds for the last byte to reach every lane several times.
  for (let round = 0; round < 16; round++) step(bytes.length + round, round & 3);
  return new Uint8Array(state.buffer);
}
