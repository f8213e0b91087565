/**
 * Events without code: an element with `data-tamga-event="name"`, and perhaps `data-tamga-variant`, reports that event
 * when it is clicked, and a form when it is submitted.
 */
import type { Details } from "../config.js";
import { on } from "../lib/on.js";

export function watchNames(onEvent: (name: string, details: Details) => void) {
  const report = (element: Element | undefined) => {
    const name = element?.getAttribute("data-tamga-event");
    if (name) onEvent(name, { variant: element?.getAttribute("data-tamga-variant") ?? undefined });
  };
  on("click", (event: MouseEvent) =>
    report(
      (event.composedPath() as Element[]).find(
        (part) => part.tagName !== "FORM" && part.getAttribute?.("data-tamga-event"),
      ),
    ),
  );
  on("submit", ({ target }) => report(target as Element));
}
