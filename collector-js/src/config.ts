/**
 * The options, their sources and their defaults. Pure, except that it reads the attributes of a script tag.
 */
import type { BeaconEvent, ConsentState } from "./beacon.js";
import type { Permission } from "./consent.js";
import { parse } from "./lib/parse.js";

export interface Options {
  /** The site as the collector's configuration names it, for example `jetpay.kz`. */
  site: string;
  /** Full address of the beacon route, for example `https://t.jetpay.kz/v1/beacon`. */
  endpoint: string;
  /** `"wait"` sends nothing and remembers nothing until `consent("granted")`. Default: `"none"`. */
  consent?: "wait" | "none" | undefined;
  /** `"manual"` reports only the views that the page names with `view(template)`. Default: `"auto"`. */
  views?: "auto" | "manual" | undefined;
  /** Takes a hash route (`#/tariffs`, `#!/tariffs`) for a part of the path. Default: `false`. */
  hash?: boolean | undefined;
  /** Parameters of the address that hold what a visitor searched the site for, such as `["q"]`. Default: none. */
  search?: string[] | string | undefined;
  /** Reports errors of the page's scripts. Default: `false`. */
  errors?: boolean | undefined;
  /** Elements name declared events by `data-tamga-event`, without code. Default: `false`. */
  events?: boolean | undefined;
  /** The declared event that a click on a file's link reports; its variant is the file's kind. Default: none. */
  downloads?: string | undefined;
  /** The declared event that each submitted form reports. Default: none. */
  forms?: string | undefined;
  /** The declared event that a page with the status 404 reports. Default: none. */
  missing?: string | undefined;
  /** Keeps events without a network in this browser's storage, for four hours at most. Default: in memory only. */
  offline?: boolean | undefined;
  /** Sees each event before it is sent, and may drop or shorten it. Default: none. */
  beforeSend?: BeforeSend | undefined;
}

/**
 * Gets a copy of an event. If it returns nothing or fails, the event is dropped, and with a view everything that happens
 * on that page. A property that the returned event lacks, or has with another value, is not sent: without `referrer`,
 * `paid` and `variant` an event still counts. Nothing can be added. A visitor's objection and answer about consent do not
 * pass here.
 */
export type BeforeSend = (event: BeaconEvent) => Partial<BeaconEvent> | false | null | undefined;

export interface Details {
  variant?: string | undefined;
  /** Is called once: when the collector has answered, or the event was not or cannot be sent now. */
  callback?: (() => void) | undefined;
}

/** The methods that pages call. No method throws, waits, or reveals anything about the visitor to the page. */
export interface Tamga {
  /** Reports a page view; `template` (such as `/order/:id`) is sent in place of the real path. */
  view(template?: string): void;
  /** Reports a declared event. Names and variants are `a-z 0-9 _ . -`, at most 64 characters; others are ignored. */
  event(name: string, details?: Details): void;
  /** Reports what the visitor searched the site for. There only with the option `search`, soon after the start. */
  search?(term: string): void;
  /** Reports the visitor's answer. An objection is stronger: `"granted"` does not undo `object()`. */
  consent(state: ConsentState): void;
  /** The visitor objects: nothing more is counted, from this page on. */
  object(): void;
  /** Sends what waits and counts nothing more on this page. Then `start` may be called again. */
  stop(): void;
  /** Whether this page is counted, and if not, why. `undefined` before the script arrives and after `stop`. */
  readonly state?: Permission | undefined;
  /**
   * There only with `/tamga-ports.js`: a signed verdict on whether a program or a stranger acts on this page, for the
   * application that made the nonce. Rejected with the reason if there is none.
   */
  protect?(nonce: string, how?: { consent?: boolean | undefined }): Promise<string>;
  /** As the option of that name. A page with the tag sets it here, also before the script arrives. */
  beforeSend?: BeforeSend | undefined;
  /** Errors from before the script arrived, which the page's own lines have caught. */
  errors?: unknown[] | undefined;
  /** Accepts calls from before the script arrived: `tamga.q.push(["event", "signup"])`. */
  q: { push(...calls: Call[]): void };
}

type Name = "view" | "event" | "consent" | "object";

export type Call = { [Each in Name]: [Each, ...Parameters<Tamga[Each]>] }[Name];

/** A list of words, as an attribute or an option has it. */
export const list = (words: string | string[] | undefined): string[] =>
  `${words ?? ""}`.split(/[\s,]+/).filter((word) => word);

/** The options of a tag. `undefined` if it names no site, as when a tag manager has removed its attributes. */
export function optionsFromScript(script: HTMLScriptElement | null): Options | undefined {
  const options: Record<string, unknown> = {
    // The collector serves script and beacon from one origin.
    endpoint: `${parse(script?.src).origin}/v1/beacon`,
  };
  // Not `dataset`, which also has what a page gave all objects. An attribute without a value is a switch.
  for (const { name, value } of script?.attributes ?? [])
    options[name.replace("data-", "")] = value !== "false" && (value || true);
  return options.site ? (options as unknown as Options) : undefined;
}

/**
 * The tag of the snippet. `document.currentScript` is absent in modules and with scripts that load scripts.
 */
export const findTag = () =>
  (document.currentScript ?? document.querySelector("script[data-site]")) as HTMLScriptElement | null;
