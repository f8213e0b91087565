/**
 * What is found, in sentences: each finding with what to do about it. Pure: what it is about is given.
 *
 * The causes come before their effects, and `judged` puts what is wrong first. So the first line is the cause. Nothing is
 * called counted before the collector has said so of a beacon of the page itself.
 */
import type { Script, Way } from "./trials.js";
import type { Answer } from "./watch.js";

export interface Finding {
  state: "good" | "note" | "bad";
  what: string;
  /** What it means, or what to do. */
  why: string;
  /** Whether it answers the question of the panel. */
  verdict?: boolean;
}

/** What the page is, as far as findings need it. */
export interface Page {
  /** Its scheme and host, `https://jetpay.kz`. */
  origin: string;
  hostname: string;
  secure: boolean;
}

/** The attributes of a tag of the snippet. */
export interface Tag {
  src: string;
  site?: string | undefined;
  endpoint?: string | undefined;
  type: string;
  integrity: string;
  crossOrigin: string | null;
  deferred: boolean;
  waits: boolean;
}

const good = (what: string, why = ""): Finding => ({ state: "good", what, why });
const note = (what: string, why: string): Finding => ({ state: "note", what, why });
const bad = (what: string, why: string): Finding => ({ state: "bad", what, why });

/** What is wrong, then the verdict, then the rest, each in its order. */
export const judged = (findings: Finding[]) => {
  const rank = ({ state, verdict }: Finding) => (state === "bad" ? 0 : verdict ? 1 : 2);
  return [...findings].sort((a, b) => rank(a) - rank(b));
};

/** Has the page's own snippet run, and why not? `forbidden` is the directive that stopped a script. */
export function tagFinding(
  tags: Tag[],
  runs: boolean,
  page: Page,
  script?: Script,
  forbidden?: string,
): Finding {
  const [tag] = tags;
  const likely = page.hostname.replace(/^www\./, "");
  if (!runs) {
    if (!tag) {
      return bad(
        "This page has no snippet",
        "Add the line that tamga snippet prints to the page's head. With the npm package, call start().",
      );
    }
    return stopped(tag, likely, script, forbidden);
  }
  if (!tag) return good("The snippet runs, without a tag", "The npm package or other code has started it.");
  if (tags.length > 1)
    return note(`${tags.length} tags on this page`, "Only the first one counts; remove the others.");
  if (/\/js\/.*\?check$/.test(tag.src)) {
    return bad(
      "?check does nothing on the pinned line",
      "Remove it there. Use the console instead: import(…/tamga.js?check), or the line without a version for a while.",
    );
  }
  return good(
    tag.site ? `One tag, for the site ${tag.site}` : "One tag",
    tag.deferred ? "" : "Add defer, so that the page need not wait for it.",
  );
}

/** Why the tag's script has not run. */
function stopped(tag: Tag, likely: string, script?: Script, forbidden?: string): Finding {
  if (!tag.site) {
    return bad(
      "The tag has no data-site, so nothing is counted",
      `Add data-site="${likely}". Tag managers remove such attributes: there, create the tag by code, as the recipe says.`,
    );
  }
  if (tag.type && !/^(module|(text|application)\/(x-)?(java|ecma)script)$/i.test(tag.type)) {
    return bad(
      `The tag has type="${tag.type}", so the browser does not run it`,
      "Remove the type. If a consent manager sets it, the snippet runs once the visitor agrees there.",
    );
  }
  if (forbidden) {
    return bad(
      "The page's content security policy forbids the snippet",
      `Add ${new URL(tag.src).origin} to ${forbidden}.`,
    );
  }
  if (script && script.status >= 400) {
    return bad(
      `The address of the script answers ${script.status}`,
      `${tag.src} must lead to the collector: compare it with the line that tamga snippet prints.`,
    );
  }
  if (tag.integrity && tag.crossOrigin === null) {
    return bad(
      "The tag has integrity and no crossorigin, so the browser does not run it",
      'Add crossorigin="anonymous".',
    );
  }
  if (script?.intact === false) {
    return bad(
      "The tag's integrity is not that of the script, so the browser does not run it",
      "Copy the whole line that tamga snippet prints: path, integrity and crossorigin belong together.",
    );
  }
  if (tag.type === "module")
    return bad("The tag is a module and has not run", 'Remove type="module" and add defer.');
  if (script?.status === 0) {
    return bad(
      "The script cannot be loaded",
      `Nothing answers at ${tag.src}, or something in this browser or network stops it, such as a blocker.`,
    );
  }
  return bad(
    "The tag is there, and its script has not run",
    "Another script may have stopped it: this browser's console says what failed. Is this browser a blocker's?",
  );
}

export function addressFinding(site: string, collector: URL, page: Page, tag?: Tag): Finding {
  const { hostname, secure } = page;
  if (!secure)
    return bad(
      "The page is not on https",
      "Browsers then do not keep the collector's cookie, and most of the device part does not work.",
    );
  if (page.origin.startsWith("https:") && collector.protocol !== "https:") {
    return bad("The collector is not on https", "Pages on https may not send requests to it.");
  }
  if (collector.hostname === hostname) {
    return note(
      "The collector shares the page's host name",
      "The application would also get its cookie. Give the collector another host name, or choose a mode without cookie (identity).",
    );
  }
  if (!isBeside(collector.hostname, hostname, site)) {
    if (tag?.endpoint && isBeside(new URL(tag.src).hostname, hostname, site)) {
      return bad(
        `data-endpoint leads to ${collector.hostname}, and the script comes from elsewhere`,
        "Remove data-endpoint: beacons go to the host of the script by themselves.",
      );
    }
    return bad(
      `The collector, ${collector.hostname}, is not below the domain of this page, ${hostname}`,
      `Browsers take it for a third party and refuse its cookie. Give the collector a name below this page's domain too, such as t.${hostname.replace(/^www\./, "")}, and write that into this page's tag.`,
    );
  }
  return good(`The collector, ${collector.hostname}, belongs to the page's domain`);
}

/**
 * Do browsers take the collector and the page for one site? Both are below the site's name, or the page is at or below
 * the domain that the collector is in: `t.shop.ru` beside `www.shop.ru`.
 */
function isBeside(collector: string, page: string, site: string): boolean {
  const below = (name: string, domain: string) => `.${name}`.endsWith(`.${domain}`);
  const domain = collector.slice(collector.indexOf(".") + 1);
  return (below(collector, site) && below(page, site)) || (domain.includes(".") && below(page, domain));
}

/** What this browser and its visitor say. */
export function browserFinding(
  program: boolean,
  objects: boolean,
  asksForPrivacy: boolean,
  waits: boolean,
): Finding {
  if (objects)
    return note(
      "This browser objects",
      "So nothing is counted, which is right. Try another browser, or delete the cookie tamga-off.",
    );
  if (program)
    return bad(
      "This browser is controlled by a program, so it is no visitor",
      "Open the page in an ordinary browser. Programs are kept out of the published numbers.",
    );
  if (asksForPrivacy) {
    return note(
      "This browser asks for privacy (Global Privacy Control)",
      "Only the bare view is sent. The collector keeps one count.",
    );
  }
  if (waits) {
    return note(
      "The tag waits for consent",
      'Nothing is sent before the page calls tamga.consent("granted").',
    );
  }
  return good("Nothing in this browser forbids counting");
}

/** How far a beacon gets. `script` is the collector's own script, asked at the beacon's host. */
export function wayFinding(site: string, endpoint: string, page: Page, way: Way, script: Script): Finding {
  const { origin, pathname } = new URL(endpoint);
  const { status, detail = "" } = way;
  if (way.forbidden)
    return bad("The page's content security policy forbids beacons", `Add ${origin} to ${way.forbidden}.`);
  const unknownSite = detail.includes("No such site");
  if (unknownSite) {
    return bad(
      `The collector does not know the site ${site}`,
      "data-site must be the domain of a [[sites]] entry in the collector's configuration: is it a typing error?",
    );
  }
  if (way.foreign && (status === 403 || status < 300)) {
    return bad(
      `The site ${site} does not list ${page.origin}`,
      `Add "${page.origin}" to origins of the site ${site} in the collector's configuration.`,
    );
  }
  if (status === 404 || status === 405) {
    return bad(
      `There is no beacon route at ${endpoint}`,
      `data-endpoint must end in /v1/beacon and lead to the collector${pathname === "/v1/beacon" ? "; the proxy must pass that path on" : ""}.`,
    );
  }
  if (status === 429)
    return note("The collector asks to slow down (429)", "This network has sent too much just now.");
  if (status >= 500 && !detail) {
    return bad(
      `The proxy answers ${status} for the collector`,
      "The collector is stopped, or the proxy does not lead to it: ask its /healthz.",
    );
  }
  if (status >= 500)
    return bad(
      `The collector is there but accepts nothing (${status})`,
      "Its disk is full or it is not ready: ask its /readyz.",
    );
  if (status >= 400)
    return bad(`The collector refuses beacons (${status})`, detail || "A proxy may refuse them before it.");
  if (status) return good("Beacons reach the collector and its answer reaches the page");
  if (!way.there) {
    return bad(
      "The collector cannot be reached",
      `Nothing answers at ${origin}, or something in this browser or network stops it, such as a blocker.`,
    );
  }
  return script.status === 200
    ? bad(
        `Something in front of the collector answers beacons, and not to ${page.origin}`,
        `The proxy must pass POST ${pathname} on, with Origin, and the answer's Access-Control fields unchanged.`,
      )
    : bad(
        `What answers at ${origin} is no collector`,
        "The collector may be stopped and the proxy answer for it (502), or data-endpoint leads elsewhere: it is needed only where a proxy gives the route another address.",
      );
}

/** The cookie of the trial has the attributes of the collector's others. */
export function cookieFinding({ cookie }: Way): Finding {
  if (cookie === "came") return good("The collector's cookies come back");
  if (cookie === "unused") return good("The site uses no cookie");
  return cookie
    ? bad(
        "The collector's cookie does not come back, so each page is a new visitor",
        "The proxy must pass on Set-Cookie and Cookie. If it does, this browser blocks cookies.",
      )
    : note("It is not known whether the cookie comes back", "The collector does not say.");
}

export function declaredFinding({ undeclared }: Way, names: string[]): Finding | undefined {
  const [first] = undeclared;
  if (first) {
    const [name, variant] = first.split(":");
    const list = undeclared.map((each) => `"${each.replace(":", '" with the variant "')}"`).join(", ");
    return bad(
      `The event ${list} is not declared, so it is not counted`,
      `Add "${name}" to events${variant ? ` and "${variant}" to variants` : ""} of the site in the collector's configuration.`,
    );
  }
  return names.length ? good(`Declared events so far: ${names.join(", ")}`) : undefined;
}

/** The device part is needed only if the site's policy asks for it. */
export const deviceFinding = (there: boolean, endpoint: string): Finding =>
  there
    ? good("The device part can be loaded")
    : note(
        "The device part cannot be loaded",
        `${new URL("../tamga-device.js", endpoint)} must lead to the collector, and the page's policy (script-src) allow it. Otherwise the policy's items of the device stay unknown.`,
      );

/** How the collector answered the page's own beacons. `before` is the status of one that left before the checker came. */
export const countedFinding = (answers: Answer[], before: number, program: boolean): Finding => ({
  ...counted(answers, before, program),
  verdict: true,
});

function counted(answers: Answer[], before: number, program: boolean): Finding {
  const last = answers.at(-1);
  if (!last) {
    return note(
      "It is not known yet whether this page is counted",
      before
        ? `A beacon that left before the check was answered ${before}. Stay for ten seconds: the next one shows it.`
        : "No beacon has left yet. The view is sent when the page is loaded, the rest when something happens.",
    );
  }
  if (answers.some(({ outcome }) => outcome === "accepted")) {
    return program
      ? note("Beacons are accepted, and not counted", "This browser is controlled by a program.")
      : good(
          "This page is counted",
          "Accepted and durable. Numbers are published when the site's window closes.",
        );
  }
  if (last.outcome === "off")
    return note(
      "The visitor objects, so nothing is counted",
      "Delete the collector's cookies in this browser to take the objection back.",
    );
  if (!last.status)
    return bad("A beacon of this page got no answer", "It is sent again. Other lines say why.");
  if (last.status >= 400)
    return bad(
      `A beacon of this page was refused (${last.status})`,
      "The collector's metrics name the reason.",
    );
  return last.outcome
    ? bad(
        "Beacons arrive, and nothing is counted",
        "The collector takes this browser for a bot or counts its view only (Global Privacy Control), or the page's host is in no origin of the site. Its metrics name the reason (tamga_events_dropped_total).",
      )
    : bad(
        "What answers the beacons is no collector",
        "The answer lacks Tamga-Outcome: the address leads elsewhere, or a proxy removes the field or Access-Control-Expose-Headers.",
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
