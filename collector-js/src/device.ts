/**
 * The device part, `/tamga-device.js`: a module that the snippet loads when a collector asks for it, once per session.
 *
 * It reads the signals of the items that the collector asks for, one after another, each in idle time of the page, so
 * that the visitor notices nothing. Every signal ends within its time limit, as a value or as the reason of its
 * absence. No signal asks for a permission, and none changes the page.
 */
import type { Absence, Device } from "./beacon.js";
import { Absent } from "./lib/absent.js";
import { idle } from "./lib/idle.js";
import { plain } from "./lib/plain.js";
import { activeX } from "./signals/active_x.js";
import { automation } from "./signals/automation.js";
import { canvas } from "./signals/canvas.js";
import { cpu } from "./signals/cpu.js";
import { fonts } from "./signals/fonts.js";
import { languages } from "./signals/languages.js";
import { mediaDevices } from "./signals/media_devices.js";
import { model } from "./signals/model.js";
import { osVersion } from "./signals/os_version.js";
import { plugins } from "./signals/plugins.js";
import { screenClass } from "./signals/screen.js";
import { timeZone } from "./signals/time_zone.js";
import { webgl } from "./signals/webgl.js";

/**
 * A signal that takes longer counts as absent. The slowest one, the list of media devices, was seen to take one second.
 */
const LONGEST_MS = 2_000;

/**
 * Number of the policy item, name on the wire, how it is read. `undefined` means that the browser does not have it.
 * Cheap signals come first, because a page that is left sends what has been read. Canvas comes before WebGL, because in
 * some browsers the reverse order changes the drawing.
 */
export const SIGNALS: [item: number, name: keyof Device, read: () => unknown][] = [
  [10, "time_zone", timeZone],
  [19, "languages", languages],
  [22, "screen", screenClass],
  [18, "active_x", activeX],
  [15, "plugins", plugins],
  [20, "cpu", cpu],
  [25, "os_version", osVersion],
  [26, "model", model],
  [23, "automation", automation],
  [17, "media_devices", mediaDevices],
  [14, "fonts", fonts],
  [13, "canvas", canvas],
  [16, "webgl", webgl],
];

/**
 * Reads the items of a list such as `10,13,14` into `device`. `device` may be sent at any time: a signal that has not
 * been read by then is `timeout`.
 */
export async function collect(items: string, device: Device): Promise<void> {
  const asked = items.split(",").map(Number);
  const wanted = SIGNALS.filter(([item]) => asked.includes(item));
  const put = (name: keyof Device, value: unknown) => Object.assign(device, { [name]: bare(value) });
  bare(device);
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
      // Browsers use these names for what a policy of the page, the browser or the visitor forbids.
      return absent(name === "NotAllowedError" || name === "SecurityError" ? "blocked" : "error");
    },
  );
  return Promise.race([value, late]);
}

/** JSON writes it as it is, whatever a page gave all arrays and objects. */
const bare = (value: unknown) =>
  Array.isArray(value) ? plain(value) : Object(value) === value ? Object.setPrototypeOf(value, null) : value;

const absent = (why: Absence["absent"]): Absence => ({ absent: why });
