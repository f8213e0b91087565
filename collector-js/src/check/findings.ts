/**
 * Checks an installation from within the page: one finding per question, each with what to do about it.
 *
 * The checks count nothing. The trial beacon carries an event type that no collector knows, which is discarded unread.
 * The page's own beacons, which its snippet sends anyway, are only observed.
 */
import type { Options } from "../config.js";
import { randomId } from "../lib/random-id.js";
import { isSameSite } from "../lib/same-site.js";

export interface Finding {
  state: "good" | "note" | "bad";
  what: string;
  /** What it means, or what to do. */
  why?: string;
}

/** An answer to a beacon of the page itself. */
export interface Answer {
  status: number;
  outcome: string | null;
  device: string | null;
  /** The types of the beacon's events. Empty if it only carried the device part. */
  events: string[];
}

const good = (what: string, why = ""): Finding => ({ state: "good", what, why });
const note = (what: string, why: string): Finding => ({ state: "note", what, why });
const bad = (what: string, why: string): Finding => ({ state: "bad", what, why });

/** The tags of the snippet on this page. */
export const tags = () =>
  [...document.querySelectorAll<HTMLScriptElement>("script[data-site][src]")].filter(({ src }) =>
    /\/tamga[^/]*\.js(\?|$)/.test(src),
  );

export function tagFinding(found: HTMLScriptElement[]): Finding {
  const [tag] = found;
  if (!tag) {
    return note(
      "No tag of the snippet on this page",
      "If the npm package or a tag manager starts the snippet, this is right.",
    );
  }
  if (tag.type === "module")
    return bad("The tag is a module", 'Remove type="module": modules cannot see their own tag.');
  if (found.length > 1)
    return note(`${found.length} tags on this page`, "Only the first one counts; remove the others.");
  return good(
    `One tag, for the site ${tag.dataset.site}`,
    tag.async || tag.defer ? "" : "Add defer, so that the page need not wait for it.",
  );
}

/** `hostname` and `isSecureContext` of the page. */
export function addressFinding(site: string, collector: URL, hostname: string, secure: boolean): Finding {
  if (!secure)
    return bad(
      "The page is not on https",
      "Browsers then do not keep the collector's cookie, and most of the device part does not work.",
    );
  if (location.protocol === "https:" && collector.protocol !== "https:") {
    return bad("The collector is not on https", "Pages on https may not send requests to it.");
  }
  if (!isSameSite(hostname, site)) {
    return bad(
      `This page, ${hostname}, does not belong to the site ${site}`,
      "data-site must be the domain that the collector's configuration names.",
    );
  }
  if (collector.hostname === hostname) {
    return note(
      "The collector shares the page's host name",
      "The application would also get its cookie. Give the collector another host name, or choose a mode without cookie (identity).",
    );
  }
  if (!collector.hostname.endsWith(`.${site}`)) {
    return bad(
      `The collector, ${collector.hostname}, is not below ${site}`,
      "Browsers take it for a third party and refuse its cookie. Give it a name below the site's domain, such as t.",
    );
  }
  return good(`The collector, ${collector.hostname}, belongs to the site`);
}

export function permissionFinding(options: Options): Finding {
  const mirror = /(?:^|; )tamga-off=(\d)/.exec(document.cookie)?.[1];
  if (mirror)
    return note(
      "This browser objects",
      "So nothing is counted, which is right. Try another browser, or delete the cookie tamga-off.",
    );
  if ((navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl) {
    return note(
      "This browser asks for privacy (Global Privacy Control)",
      "Only the bare view is sent. The collector keeps one count.",
    );
  }
  if (options.consent === "wait") {
    return note(
      "The tag waits for consent",
      'Nothing is sent before the page calls tamga.consent("granted").',
    );
  }
  return good("Nothing in this browser forbids counting");
}

/** Sends a trial beacon and says how far it gets. */
export async function wayFinding(site: string, endpoint: string): Promise<Finding> {
  let blocked = "";
  const onViolation = ({ effectiveDirective, blockedURI }: SecurityPolicyViolationEvent) => {
    if (endpoint.startsWith(new URL(blockedURI).origin)) blocked = effectiveDirective;
  };
  document.addEventListener("securitypolicyviolation", onViolation);
  const send = (mode: RequestMode, credentials: RequestCredentials) =>
    fetch(endpoint, {
      method: "POST",
      mode,
      credentials,
      body: JSON.stringify({ v: 1, site, view: randomId(), seq: 0, events: [{ type: "check", at: 0 }] }),
    }).catch(() => undefined);
  const answer = await send("cors", "include");
  // The event about a violation comes after the failure.
  await new Promise((later) => setTimeout(later, 50));
  document.removeEventListener("securitypolicyviolation", onViolation);
  const { origin } = new URL(endpoint);
  if (blocked)
    return bad("The page's content security policy forbids beacons", `Add ${origin} to ${blocked}.`);
  if (!answer) {
    // Without CORS a request reaches a collector that is there, but the page cannot read the answer.
    return (await send("no-cors", "omit"))
      ? bad(
          `The collector answers, but not to ${location.origin}`,
          `Add ${location.origin} to origins of the site ${site} in its configuration.`,
        )
      : bad(
          "The collector cannot be reached",
          `Nothing answers at ${origin}, or something in this browser or network stops it.`,
        );
  }
  if (answer.status === 429)
    return note("The collector asks to slow down (429)", "This network has sent too much just now.");
  if (answer.status === 503)
    return bad(
      "The collector is there but accepts nothing (503)",
      "Its disk is full or not ready: ask /readyz.",
    );
  if (answer.status >= 400)
    return bad(`The collector refuses (${answer.status})`, `It may not know the site ${site}.`);
  return good("Beacons reach the collector and its answer reaches the page");
}

/** Can the device part be loaded? It is fetched and not run. */
export async function deviceFinding(endpoint: string): Promise<Finding> {
  const url = new URL("../tamga-device.js", endpoint).href;
  const answer = await fetch(url, { credentials: "omit" }).catch(() => undefined);
  return answer?.ok
    ? good("The device part is where the snippet looks for it")
    : note(
        "The device part is not there",
        `${url} must lead to the collector. Otherwise the policy's items 10 to 23 stay unknown.`,
      );
}

/** How the collector answered the page's own beacons. */
export function rowsFinding(answers: Answer[]): Finding {
  const last = answers.at(-1);
  if (!last)
    return note(
      "No beacon of this page yet",
      "Its view is sent when the page is loaded, the rest when something happens.",
    );
  if (last.status === 0)
    return bad("A beacon got no answer", "The line about the collector's address says why.");
  if (last.status >= 400)
    return bad(`A beacon was refused (${last.status})`, "The collector's metrics name the reason.");
  if (answers.some(({ outcome }) => outcome === "accepted")) {
    return good(
      "This page is counted",
      "Accepted and durable. Numbers are published when the site's window closes.",
    );
  }
  return last.outcome === "off"
    ? note(
        "The visitor objects",
        "Delete the collector's cookies in this browser to take the objection back.",
      )
    : note(
        "Received, and not counted",
        "A bot, Global Privacy Control, a duplicate, or an event that is not declared: the metrics name the reason.",
      );
}

/**
 * Pages cannot see the collector's cookie. But a collector asks for the device part once per session, and recognises a
 * session by the cookie. If it asks twice, the cookie did not come back.
 */
export function cookieFinding(answers: Answer[]): Finding {
  const accepted = answers.filter(({ outcome }) => outcome === "accepted");
  const asked = accepted.filter(({ device }) => device).length;
  if (asked > 1) {
    return bad(
      "The cookie did not come back",
      "Each beacon counts as a new visitor. Look at the collector's address above, and at what this browser blocks.",
    );
  }
  if (asked === 1 && accepted.length > 1) return good("The cookie came back");
  return note(
    "It is not known yet whether the cookie comes back",
    "Open another page of this site, or cause an event.",
  );
}

/** Safari limits cookies of servers that it takes for a third party's. */
export function capFinding(userAgent: string): Finding {
  return /^((?!chrome|android).)*safari/i.test(userAgent)
    ? note(
        "Safari may keep the cookie for 7 days only",
        "It does so if the first half of the collector's IP address differs from the page's. Then returning visitors look new after a week.",
      )
    : good("This browser keeps the cookie for its 13 months");
}
