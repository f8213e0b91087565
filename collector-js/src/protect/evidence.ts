/**
 * What `tamga.protect` says of the browser: the names of the detectors that found something, and what the collector
 * compares with the request. It is read when the page calls, and kept nowhere. What a page has broken is left out.
 */
import { guard } from "../lib/guard.js";
import { plain } from "../lib/plain.js";
import { automation } from "../signals/automation.js";
import { languages } from "../signals/languages.js";
import { timeZone } from "../signals/time_zone.js";
import { detect } from "./detectors.js";
import { type Engine, engine } from "./engine.js";
import { type Amount, amount, type Input } from "./input.js";

export interface Evidence {
  /** Names of `schema/lists/detectors.txt` and of `detectors.ts`. */
  automation: string[];
  engine: Engine;
  /** The IANA name. */
  zone?: string | undefined;
  languages?: string[] | undefined;
  /** Width and height, and the part of them that the system leaves to windows. */
  screen?: number[] | undefined;
  /** Outer and inner width and height. */
  window?: number[] | undefined;
  /** How many fingers the screen can tell apart. */
  touch?: number | undefined;
  input: Record<"moves" | "presses" | "keys" | "touches", Amount>;
}

/** A browser that does not answer a detector does not hold the page up. */
const LONGEST_MS = 1_000;

export async function readEvidence(input: Input): Promise<Evidence> {
  const late = new Promise<string[]>((then) => {
    setTimeout(then, LONGEST_MS, []);
  });
  const shared = await Promise.race([automation().catch(() => []), late]);
  const { moves, presses, keys, touches } = input;
  return bare({
    automation: plain([...shared, ...detect(input)]),
    engine: engine(),
    zone: guard(timeZone)(),
    languages: guard(() => plain(languages() ?? []))(),
    screen: guard(() => sizes(screen.width, screen.height, screen.availWidth, screen.availHeight))(),
    window: guard(() => sizes(outerWidth, outerHeight, innerWidth, innerHeight))(),
    touch: guard(() => Math.min(navigator.maxTouchPoints, 255))(),
    input: bare({
      moves: amount(moves),
      presses: amount(presses),
      keys: amount(keys),
      touches: amount(touches),
    }),
  });
}

/** Whole numbers within the wire's bounds, for any values that a browser or an extension sets. */
const sizes = (...all: number[]) =>
  plain(all.map((one) => Math.min(Math.max(Math.round(one) || 0, 0), 100_000)));

/** JSON writes it as it is, whatever a page gave all objects. */
const bare = <Of extends object>(what: Of): Of => Object.setPrototypeOf(what, null);
