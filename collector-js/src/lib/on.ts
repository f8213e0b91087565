/**
 * Listens to events of the window and of what is in it, and guards what it calls. It listens in the capture phase, so
 * that it also gets events of the document that do not bubble, and those whose propagation the page stops.
 */
import { guard } from "./guard.js";

export function on<E extends Event>(types: string, run: (event: E) => void, target: EventTarget = window) {
  for (const type of types.split(" ")) target.addEventListener(type, guard(run) as EventListener, true);
}
