/**
 * Observes the page's own beacons and their answers. Nothing is changed on the way.
 *
 * Not seen: what left before the checker came, and what another program has sent that kept `fetch` for itself.
 */

/** The query that marks a trial of the checker; see `trials.ts`. */
export const TRIAL = "?check=";

/** A beacon of the page, and its answer. */
export interface Answer {
  site: string;
  endpoint: string;
  /** 0 if there was none. */
  status: number;
  outcome: string | null;
  /** The types of its events. Empty if it only carried the device part. */
  events: string[];
  /** The names of its declared events, each as `name` or `name:variant`. */
  names: string[];
}

interface Sent {
  v?: unknown;
  site?: unknown;
  view?: unknown;
  events?: { type: string; name?: string; variant?: string }[];
}

/** `onAnswer` gets each beacon with its answer. */
export function watch(onAnswer: (answer: Answer) => void) {
  const { fetch } = window;
  window.fetch = (target, init) => {
    const asked = fetch.call(window, target, init);
    const sent = beacon(target, init);
    if (sent) {
      const report = (status: number, outcome: string | null) => onAnswer({ ...sent, status, outcome });
      asked.then(
        ({ status, headers }) => report(status, headers.get("Tamga-Outcome")),
        () => report(0, null),
      );
    }
    return asked;
  };
}

/** What a request says, if it is a beacon of the page. */
export function beacon(
  target: unknown,
  init: RequestInit | undefined,
): Omit<Answer, "status" | "outcome"> | undefined {
  if (typeof init?.body !== "string" || `${target}`.includes(TRIAL)) return undefined;
  try {
    // Pages may name it by its path.
    const endpoint = new URL(`${target}`, globalThis.document?.baseURI).href;
    const { v, site, view, events = [] } = JSON.parse(init.body) as Sent;
    if (v !== 1 || typeof site !== "string" || typeof view !== "string") return undefined;
    const named = events.filter(({ type, name }) => type === "event" && name);
    return {
      site,
      endpoint,
      events: events.map(({ type }) => type),
      names: named.map(({ name, variant }) => (variant ? `${name}:${variant}` : `${name}`)),
    };
  } catch {
    return undefined;
  }
}
