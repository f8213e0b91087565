/** Item 22: the screen, and how much of it the window takes. The window's own size and place are not told. */
import type { Screen } from "../beacon.js";

export function screenClass(): Screen {
  const { width, height, colorDepth, availWidth, availHeight } = screen;
  // Some embedded browsers know no outer size; what is visible then stands for it.
  const share = ((outerWidth || innerWidth) * (outerHeight || innerHeight)) / (availWidth * availHeight);
  return {
    width: Math.round(width),
    height: Math.round(height),
    depth: colorDepth,
    ratio: Math.round(devicePixelRatio * 100),
    window: share >= 0.9 ? "full" : share >= 0.6 ? "large" : share >= 0.3 ? "medium" : "small",
  };
}
