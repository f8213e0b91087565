/**
 * Item 13: how this device draws, as a digest of two drawings: letters and shapes. The pixels are hashed here and never
 * leave.
 *
 * Browsers that resist fingerprinting add noise. Two signs show it: the same drawing differs when it is read twice, or
 * a plain rectangle does not have the colour that was painted. A digest of noise does not describe the device, so the
 * state is sent with it.
 */
import type { Canvas } from "../beacon.js";
import { Absent } from "../lib/absent.js";
import { digest } from "../lib/digest.js";
import { idle } from "../lib/idle.js";

const WIDTH = 220;
const HEIGHT = 72;
/** Pixels are compared as numbers of 32 bits, which takes a quarter of the time. */
const words = (bytes: Uint8ClampedArray) => new Uint32Array(bytes.buffer);
const PAINTED = Uint8ClampedArray.of(37, 142, 201, 255);
const WHITE = 0xffffffff;

export async function canvas(): Promise<Canvas | undefined> {
  const bytes = pixels((on) => {
    on.fillStyle = `rgb(${PAINTED.slice(0, 3)})`;
    on.fillRect(0, 0, WIDTH, HEIGHT);
  });
  if (!bytes) return undefined;
  const plain = words(bytes);
  // A browser that forbids reading returns white, or nothing.
  if (plain.every((pixel) => pixel === WHITE) || plain.every((pixel) => pixel === 0))
    throw new Absent("blocked");
  const [painted] = words(PAINTED);
  let noised = plain.some((pixel) => pixel !== painted);
  const drawn = new Uint8Array(2 * bytes.length);
  for (const [index, scene] of [letters, shapes].entries()) {
    // The first letters of a script may make the browser look for a font. The page's own tasks run in between.
    await idle();
    const first = pixels(scene) as Uint8ClampedArray;
    await idle();
    const second = words(pixels(scene) as Uint8ClampedArray);
    noised ||= words(first).some((pixel, at) => pixel !== second[at]);
    drawn.set(first, index * first.length);
  }
  return { digest: await digest(drawn), state: noised ? "noised" : "normal" };
}

/** `undefined` if the browser has no canvas. The canvas is never part of the page. */
function pixels(scene: (on: CanvasRenderingContext2D) => void): Uint8ClampedArray | undefined {
  const canvas = document.createElement("canvas");
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  // The processor draws: reading from the graphics card would stall the page.
  const on = canvas.getContext("2d", { willReadFrequently: true });
  if (!on) return undefined;
  scene(on);
  return on.getImageData(0, 0, WIDTH, HEIGHT).data;
}

/** Several scripts, so that fallback fonts and their smoothing matter. */
function letters(on: CanvasRenderingContext2D) {
  on.fillStyle = "#e8d9b5";
  on.fillRect(90, 6, 84, 40);
  on.textBaseline = "alphabetic";
  on.font = "15px Georgia, serif";
  on.fillStyle = "#07537c";
  on.fillText("Қыран Wjgq ‰ 🐎 ﷺ", 4.3, 26.7);
  on.font = "italic 19px Arial, sans-serif";
  on.fillStyle = "rgba(180, 60, 20, 0.62)";
  on.fillText("Қыран Wjgq 道 ½", 8.1, 55.4);
}

/** Curves, a gradient, a shadow and blending, where rasterisers differ. */
function shapes(on: CanvasRenderingContext2D) {
  const sweep = on.createLinearGradient(0, 0, WIDTH, HEIGHT);
  sweep.addColorStop(0, "#c23");
  sweep.addColorStop(1, "#27c");
  on.fillStyle = sweep;
  on.shadowBlur = 5;
  on.shadowColor = "#184";
  on.beginPath();
  on.arc(48, 36, 27.5, 0, 7);
  on.arc(61, 36, 14.2, 0, 7);
  on.fill("evenodd");
  on.globalCompositeOperation = "multiply";
  on.lineWidth = 3.3;
  on.strokeStyle = "#fa0";
  on.beginPath();
  on.moveTo(4, 60);
  on.bezierCurveTo(70, -42, 130, 118, 215, 9);
  on.stroke();
  on.rotate(0.11);
  on.fillRect(110.4, 8.6, 71.3, 39.7);
}
