/**
 * Listens to events of the window, or of the document where they do not reach the window, and guards what it calls.
 * In the capture phase, so that a page which stops an event does not hide it.
 */
import { guard } from "./guard.js";

export function on<E extends Event>(types: string, run: (event: E) => void, target: EventTarget = window) {
  for (const type of types.split(" ")) target.addEventListener(type, guard(run) as EventListener, true);
}
