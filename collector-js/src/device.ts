/**
 * The device part, `/tamga-device.js`: a module that the snippet loads when a collector asks for it, once per session.
 *
 * It reads the signals whose items are asked for, one after another and each in idle time of the page, so that none of them
 * is felt. Every signal ends as a value or as the reason of its absence, within its time limit, whatever the browser or the page does
 * to it. None asks for a permission, none changes the page.
 */
import type { Absence, Device } from "./beacon.js";
import { Absent } from "./lib/absent.js";
import { idle } from "./lib/idle.js";
import { activeX } from "./signals/active_x.js";
import { automation } from "./signals/automation.js";
import { canvas } from "./signals/canvas.js";
import { cpu } from "./signals/cpu.js";
import { fonts } from "./signals/fonts.js";
import { languages } from "./signals/languages.js";
import { mediaDevices } from "./signals/media_devices.js";
import { plugins } from "./signals/plugins.js";
import { screenClass } from "./signals/screen.js";
import { timeZone } from "./signals/time_zone.js";
import { webgl } from "./signals/webgl.js";

/** A signal that takes longer is taken as absent; the slowest real one, listing media devices, has been seen to take one second. */
const LONGEST_MS = 2_000;

/**
 * Number of the policy item, name on the wire, how it is read. `undefined` means that the browser has no such thing. The cheap ones come
 * first, because what is read when the page is left goes along; canvas before WebGL, because the reverse
 * changes the drawing in some browsers.
 */
export const SIGNALS: [item: number, name: keyof Device, read: () => unknown][] = [
  [10, "time_zone", timeZone],
  [19, "languages", languages],
  [22, "screen", screenClass],
  [18, "active_x", activeX],
  [15, "plugins", plugins],
  [20, "cpu", cpu],
  [23, "automation", automation],
  [17, "media_devices", mediaDevices],
  [14, "fonts", fonts],
  [13, "canvas", canvas],
  [16, "webgl", webgl],
];

/**
 * Reads the items of a list such as `10,13,14` into `device`, which may be taken at any time: what has not been read by then is
 * `timeout`.
 */
export async function collect(items: string, device: Device): Promise<void> {
  const asked = items.split(",").map(Number);
  const wanted = SIGNALS.filter(([item]) => asked.includes(item));
  const put = (name: keyof Device, value: unknown) => Object.assign(device, { [name]: value });
  for (const [, name] of wanted) put(name, absent("timeout"));
  for (const [, name, read] of wanted) {
    await idle();
    put(name, await settle(read));
  }
}

/** @internal */
export async function settle(read: () => unknown, longestMs = LONGEST_MS): Promise<unknown> {
  const late = new Promise((then) => {
    setTimeout(then, longestMs, { absent: "timeout" } satisfies Absence);
  });
  const value = (async () => read())().then(
    (value) => value ?? absent("unsupported"),
    (error: unknown) => {
      if (error instanceof Absent) return absent(error._why);
      const { name } = Object(error) as { name?: unknown };
      // How browsers name what a policy of the page, of the browser or of the visitor forbids.
      return absent(name === "NotAllowedError" || name === "SecurityError" ? "blocked" : "error");
    },
  );
  return Promise.race([value, late]);
}

const absent = (why: Absence["absent"]): Absence => ({ absent: why });
