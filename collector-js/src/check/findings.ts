/**
 * What can be said about an installation from within the page: one line per question, each with what to do about it.
 *
 * Nothing is counted for it: the beacon that tries the way carries an event type that no collector knows, which is discarded
 * unread. The page's own beacons, which its snippet sends anyway, are only watched.
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
  /** Whether the beacon had events of a view, or only brought the device part. */
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
      "From the npm package or a tag manager? Then this is as it should be.",
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
      "Browsers then keep no cookie of ours, and most of the device part is closed.",
    );
  if (location.protocol === "https:" && collector.protocol !== "https:") {
    return bad("The collector is not on https", "Pages on https may not speak to it.");
  }
  if (!isSameSite(hostname, site)) {
    return bad(
      `This page, ${hostname}, is not of the site ${site}`,
      "data-site must be the domain that the collector's configuration names.",
    );
  }
  if (collector.hostname === hostname) {
    return note(
      "The collector shares the page's host name",
      "Its cookie would be the application's too. Give it a name of its own, or choose a mode without cookie (identity).",
    );
  }
  if (!collector.hostname.endsWith(`.${site}`)) {
    return bad(
      `The collector, ${collector.hostname}, is not below ${site}`,
      "To browsers it is a third party, whose cookie they refuse. Give it a name within the site's domain, such as t.",
    );
  }
  return good(`The collector, ${collector.hostname}, belongs to the site`);
}

export function permissionFinding(options: Options): Finding {
  const mirror = /(?:^|; )tamga-off=(\d)/.exec(document.cookie)?.[1];
  if (mirror)
    return note(
      "This browser objects",
      "Nothing of it is counted, as it should be. Try another browser, or delete the cookie tamga-off.",
    );
  if ((navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl) {
    return note(
      "This browser asks for privacy (Global Privacy Control)",
      "Only the bare view is sent, and one count is kept.",
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

/** Tries the way to the collector and says where it ends. */
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
    // Without CORS a request goes through to a collector that is there, and its answer is closed to us.
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
    return note("The collector asks to slow down (429)", "Too much came from this network just now.");
  if (answer.status === 503)
    return bad(
      "The collector is there but takes nothing (503)",
      "Its disk is full or not ready: ask /readyz.",
    );
  if (answer.status >= 400)
    return bad(`The collector refuses (${answer.status})`, `It may not know the site ${site}.`);
  return good("Beacons reach the collector and its answer reaches the page");
}

/** Can the device part be had? It is not run for that. */
export async function deviceFinding(endpoint: string): Promise<Finding> {
  const url = new URL("../tamga-device.js", endpoint).href;
  const answer = await fetch(url, { credentials: "omit" }).catch(() => undefined);
  return answer?.ok
    ? good("The device part is where the snippet looks for it")
    : note(
        "The device part is not there",
        `${url} must lead to the collector, or the policy's items 10 to 23 stay unknown.`,
      );
}

/** What the page's own beacons were answered. */
export function rowsFinding(answers: Answer[]): Finding {
  const last = answers.at(-1);
  if (!last)
    return note(
      "No beacon of this page yet",
      "Its view is sent when the page is loaded, the rest when something happens.",
    );
  if (last.status === 0) return bad("A beacon got no answer", "See above for the way.");
  if (last.status >= 400)
    return bad(`A beacon was refused (${last.status})`, "The collector's metrics name the reason.");
  if (answers.some(({ outcome }) => outcome === "accepted")) {
    return good(
      "This page is counted",
      "Accepted and durable. Numbers are published when the site's window closes.",
    );
  }
  return last.outcome === "off"
    ? note("The visitor objects", "Taken back on the collector's page /privacy.")
    : note(
        "Received, and not counted",
        "As a bot, by Global Privacy Control, as a repetition or for want of a listed event: the metrics name the reason.",
      );
}

/**
 * Pages cannot see the collector's cookie. But a collector asks for the device part once per session, and it knows a session by the
 * cookie: asked twice means that the cookie did not come back.
 */
export function cookieFinding(answers: Answer[], privacy: string): Finding {
  const accepted = answers.filter(({ outcome }) => outcome === "accepted");
  const asked = accepted.filter(({ device }) => device).length;
  if (asked > 1) {
    return bad(
      "The cookie did not come back",
      "Each beacon is a new visitor. Look at the address above, and at what this browser blocks.",
    );
  }
  if (asked === 1 && accepted.length > 1) return good("The cookie came back");
  return note(
    "Whether the cookie comes back cannot be seen from here yet",
    `Move on this site, or open ${privacy}, which shows what is known of this browser.`,
  );
}

/** Safari limits cookies whose server it takes for somebody else's. */
export function capFinding(userAgent: string): Finding {
  return /^((?!chrome|android).)*safari/i.test(userAgent)
    ? note(
        "Safari may keep the cookie for 7 days only",
        "It does so if the collector's address differs from the page's in its first half. Then returning visitors look new after a week.",
      )
    : good("This browser keeps the cookie for its 13 months");
}
