/**
 * Item 20: the processor's architecture. Chromium tells it as a client hint, if the site's permissions policy lets it;
 * elsewhere the sign of a NaN does: x86 makes it negative, all others positive, and of those only ARM carries browsers in
 * numbers that could ever be published.
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
  const told = hints.architecture;
  const bits = Number(hints.bitness);
  return {
    architecture: told === "x86" || told === "arm" ? told : "other",
    ...(bits === 32 || bits === 64 ? { bits } : {}),
  };
}

function nanIsNegative(): boolean {
  const number = new Float32Array([Infinity]);
  // Computed in the array, so that no compiler replaces it by a NaN of its own.
  number[0] = (number[0] as number) - (number[0] as number);
  return (new Uint8Array(number.buffer)[3] as number) > 127;
}
