/**
 * Item 20: the processor's architecture. Chromium reports it as a client hint, if the site's permissions policy allows
 * that. Elsewhere the sign of a NaN shows it: on x86 it is negative, on all others positive. Of the others, only ARM
 * runs enough browsers to be published, so they are taken for ARM.
 */
import type { Cpu } from "../beacon.js";

interface Hints {
  architecture?: string;
  bitness?: string;
}
type AgentData = { getHighEntropyValues?(names: string[]): Promise<Hints> };

export async function cpu(): Promise<Cpu> {
  const agent = (navigator as { userAgentData?: AgentData }).userAgentData;
  const hints = await agent?.getHighEntropyValues?.(["architecture", "bitness"]).catch(() => undefined);
  if (!hints?.architecture) return { architecture: nanIsNegative() ? "x86" : "arm" };
  const named = hints.architecture;
  const bits = Number(hints.bitness);
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
