/**
 * Item 20: the processor's architecture. Chromium reports it as a client hint, if the site's permissions policy allows
 * that. Elsewhere the sign of a NaN shows it: on x86 it is negative, on all others positive. Of the others, only ARM
 * runs enough browsers to be published, so they are taken for ARM.
 */
import type { Cpu } from "../beacon.js";
import { hints } from "../lib/hints.js";

export async function cpu(): Promise<Cpu> {
  const found = await hints("architecture", "bitness").catch(() => undefined);
  if (!found?.architecture) return { architecture: nanIsNegative() ? "x86" : "arm" };
  const named = found.architecture;
  const bits = Number(found.bitness);
  return {
    architecture: named === "x86" || named === "arm" ? named : "other",
    ...(bits === 32 || bits === 64 ? { bits } : {}),
  };
}

function nanIsNegative(): boolean {
  const number = new Float32Array([Infinity]);
  // Computed in the array, so that no compiler replaces it by another NaN.
  number[0] = (number[0] as number) - (number[0] as number);
  return (new Uint8Array(number.buffer)[3] as number) > 127;
}
