/**
 * A digest of 128 bits, as 22 characters of base64url.
 *
 * It is the beginning of SHA-256 on https, where browsers provide it. On plain http a simple hash replaces it: four
 * words of 32 bits that multiply and exchange bits. It avoids accidental collisions only. The two give different
 * digests for the same input. A site uses one of them, and the collector keys the digests anew every day.
 */
import { base64url } from "./base64url.js";

export async function digest(bytes: Uint8Array): Promise<string> {
  const { subtle } = crypto as { subtle?: SubtleCrypto };
  const hash = subtle ? new Uint8Array(await subtle.digest("SHA-256", bytes as BufferSource)) : plain(bytes);
  return base64url(hash.subarray(0, 16));
}

/** Odd multipliers with well distributed bits, one per word. */
const MULTIPLIERS = [0x9e3779b1, 0x85ebca6b, 0xc2b2ae35, 0x27d4eb2f];

/** @internal */
export function plain(bytes: Uint8Array): Uint8Array {
  const state = new Uint32Array(MULTIPLIERS);
  // `bytes.length` is part of the input, so that zeros at the end count.
  const step = (value: number, word: number) => {
    const before = (state[word] as number) ^ value;
    const mixed = Math.imul(before ^ (before >>> 15), MULTIPLIERS[word] as number);
    state[word] = mixed;
    state[(word + 1) & 3] = ((state[(word + 1) & 3] as number) + (mixed ^ (mixed >>> 13))) | 0;
  };
  bytes.forEach((byte, index) => {
    step(byte, index & 3);
  });
  // Enough rounds for the last byte to reach every word several times.
  for (let round = 0; round < 16; round++) step(bytes.length + round, round & 3);
  return new Uint8Array(state.buffer);
}
