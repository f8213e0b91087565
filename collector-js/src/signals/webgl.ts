/**
 * Item 16: the maker and the name of the graphics card, and a digest of its limits.
 *
 * Firefox reports a class of cards as the plain renderer, and warns on the console if a page asks for the extension.
 * Chromium and Safari report nothing without the extension. So it is used only if the plain name is Chromium's or
 * Safari's. Only names of the specification are read, because an unknown name causes a warning on the page's console.
 */
import type { WebGl } from "../beacon.js";
import { digest } from "../lib/digest.js";
import { text } from "../lib/text.js";

/**
 * Limits and sizes by their numbers in the specification: textures, viewport, points, lines, buffers, shaders, colours.
 */
const LIMITS = [
  0x0d33, 0x0d3a, 0x846d, 0x846e, 0x851c, 0x84e8, 0x8869, 0x8872, 0x8b4c, 0x8b4d, 0x8dfb, 0x8dfc, 0x8dfd,
  0x0d50, 0x0d52, 0x0d53, 0x0d54, 0x0d55, 0x0d56, 0x0d57, 0x80a8, 0x80a9, 0x1f02, 0x8b8c,
];
const VENDOR = 0x1f00;
const RENDERER = 0x1f01;
/** Fragment and vertex shaders × three precisions of floats and of integers. */
const SHADERS = [0x8b30, 0x8b31];
const PRECISIONS = [0x8df0, 0x8df1, 0x8df2, 0x8df3, 0x8df4, 0x8df5];

export async function webgl(): Promise<WebGl | undefined> {
  const gl = document.createElement("canvas").getContext("webgl", { failIfMajorPerformanceCaveat: false });
  if (!gl) return undefined;
  const read = (name: number) => String(gl.getParameter(name) ?? "");
  let [vendor, renderer] = [read(VENDOR), read(RENDERER)];
  const debug = /^webkit/i.test(renderer) && gl.getExtension("WEBGL_debug_renderer_info");
  if (debug) [vendor, renderer] = [read(debug.UNMASKED_VENDOR_WEBGL), read(debug.UNMASKED_RENDERER_WEBGL)];
  const able = [
    vendor,
    renderer,
    LIMITS.map(read),
    gl.getSupportedExtensions(),
    SHADERS.map((shader) =>
      PRECISIONS.map((precision) => {
        const format = gl.getShaderPrecisionFormat(shader, precision);
        return format && [format.rangeMin, format.rangeMax, format.precision];
      }),
    ),
  ];
  // A page may have about a dozen contexts, so this one is released at once.
  gl.getExtension("WEBGL_lose_context")?.loseContext();
  return {
    vendor: text(vendor, 128),
    renderer: text(renderer, 256),
    digest: await digest(new TextEncoder().encode(JSON.stringify(able))),
  };
}
