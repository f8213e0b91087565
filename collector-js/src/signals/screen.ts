/** Item 22: the screen, and how much of it the window takes. The window's own size and place are not told. */
import type { Screen } from "../beacon.js";

export function screenClass(): Screen {
  const { width, height, colorDepth, availWidth, availHeight } = screen;
  // Some embedded browsers know no outer size; what is visible then stands for it.
  const share = ((outerWidth || innerWidth) * (outerHeight || innerHeight)) / (availWidth * availHeight);
  return {
    width: whole(width, 100_000),
    height: whole(height, 100_000),
    depth: whole(colorDepth, 64),
    ratio: whole(devicePixelRatio * 100, 10_000),
    window: share >= 0.9 ? "full" : share >= 0.6 ? "large" : share >= 0.3 ? "medium" : "small",
  };
}

/** Within the wire's bounds, whatever a browser or an extension puts there. */
const whole = (number: number, most: number) => Math.min(Math.max(Math.round(number) || 0, 0), most);
