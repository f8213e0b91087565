/**
 * What distinguishes an automated browser from an ordinary one where the detectors of item 23 find nothing, because a tool hides. The
 * collector's rules have their weights. A detector that fails reports nothing, and none leaves a trace in the page.
 */
import { guard } from "../lib/guard.js";
import type { Input } from "./input.js";

const { getPrototypeOf, setPrototypeOf, create } = Object;

/**
 * Is a proxy in the place of this function? A function cannot become its own ancestor, which the engine refuses; but it
 * does not look behind a proxy. What a proxy accepts is taken back at once.
 */
function isProxy(what: object): boolean {
  const before = getPrototypeOf(what);
  try {
    setPrototypeOf(what, create(what));
  } catch {
    return false;
  }
  setPrototypeOf(what, before);
  return true;
}

/**
 * Does a program listen to the console by the debugging protocol? Then Chromium writes out the stack of an error that is
 * put there, and asks how that is done; otherwise it does not. The visitor's developer tools listen as well.
 *
 * The console is that of an empty frame, because programs of the page may have replaced its own.
 */
function isConsoleRead(): boolean {
  const frame = document.createElement("iframe");
  frame.hidden = true;
  document.documentElement.append(frame);
  try {
    const of = frame.contentWindow as unknown as typeof globalThis;
    let isRead = false;
    Object.assign(of.Error, {
      prepareStackTrace() {
        isRead = true;
      },
    });
    // An empty line, on a level that nobody sees unless asked for.
    of.console.debug(new of.Error());
    return isRead;
  } finally {
    frame.remove();
  }
}

const DETECTORS: [string, (input: Input) => unknown][] = [
  // Who replaces other functions and does not hide it, as extensions for privacy do, leaves this one alone.
  ["proxied_functions", () => isProxy(Function.prototype.toString)],
  ["driver_console", isConsoleRead],
  ["centred_press", ({ isCentred }) => isCentred],
];

export const detect = (input: Input): string[] =>
  DETECTORS.filter(([, holds]) => guard(() => holds(input))()).map(([name]) => name);

/** @internal */
export const DETECTOR_NAMES = DETECTORS.map(([name]) => name);
