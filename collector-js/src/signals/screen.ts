/** Item 22: the screen, and how much of it the window takes. The window's size and position are not sent. */
import type { Screen } from "../beacon.js";

export function screenClass(): Screen {
  const { width, height, colorDepth, availWidth, availHeight } = screen;
  // Some embedded browsers have no outer size. Then the visible size replaces it.
  const share = ((outerWidth || innerWidth) * (outerHeight || innerHeight)) / (availWidth * availHeight);
  return {
    width: whole(width, 100_000),
    height: whole(height, 100_000),
    depth: whole(colorDepth, 64),
    ratio: whole(devicePixelRatio * 100, 10_000),
    window: share >= 0.9 ? "full" : share >= 0.6 ? "large" : share >= 0.3 ? "medium" : "small",
  };
}

/** A whole number within the wire's bounds, for any value that a browser or an extension sets. */
const whole = (number: number, most: number) => Math.min(Math.max(Math.round(number) || 0, 0), most);
