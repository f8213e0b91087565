/**
 * How the visitor used mouse, keys and touch since the script was loaded: how often, in four words. No time, no position
 * and no key is kept.
 *
 * One more fact is noticed: programs press on the exact middle of what they press on. People hit it once in thousands.
 */
import { on } from "../lib/on.js";

export type Amount = "none" | "few" | "some" | "many";

export interface Input {
  moves: number;
  presses: number;
  keys: number;
  touches: number;
  isCentred: boolean;
}

/** More events than this do not change a word. */
const MANY = 100;
const KINDS = {
  pointermove: "moves",
  pointerdown: "presses",
  keydown: "keys",
  touchstart: "touches",
} as const;
/** The middle of what is smaller than this is hit by chance. */
const LEAST_PX = 24;

export function watchInput(): Input {
  const input: Input = { moves: 0, presses: 0, keys: 0, touches: 0, isCentred: false };
  on<PointerEvent>(Object.keys(KINDS).join(" "), (event) => {
    // What the page's own scripts cause is nobody's input.
    if (!event.isTrusted) return;
    const kind = KINDS[event.type as keyof typeof KINDS];
    input[kind] = Math.min(input[kind] + 1, MANY);
    if (kind === "presses" && event.pointerType === "mouse") input.isCentred ||= isCentre(event);
  });
  return input;
}

function isCentre({ clientX, clientY, target }: PointerEvent): boolean {
  const { left, top, width, height } = (target as Element).getBoundingClientRect();
  // Some tools take whole pixels.
  const isMiddle = (at: number, from: number, size: number) => Math.abs(at - from - size / 2) < 1;
  return (
    width >= LEAST_PX &&
    height >= LEAST_PX &&
    isMiddle(clientX, left, width) &&
    isMiddle(clientY, top, height)
  );
}

export const amount = (count: number): Amount =>
  count >= MANY ? "many" : count >= 10 ? "some" : count ? "few" : "none";
