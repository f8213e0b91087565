/**
 * The checking build, served as `/tamga.js?check`: the snippet, and a panel that shows the site's developer whether the
 * installation works. To use it, add `?check` to the tag's address for a while, or type into the console of a page that
 * has the snippet:
 *
 *     import("https://t.jetpay.kz/tamga.js?check")
 *
 * It judges the page's own snippet. So it starts one only as the script of the page's tag. Everybody who opens the page
 * sees the panel, so remove `?check` afterwards.
 */
import {
  addressFinding,
  browserFinding,
  capFinding,
  cookieFinding,
  countedFinding,
  declaredFinding,
  deviceFinding,
  type Finding,
  judged,
  type Page,
  type Tag,
  tagFinding,
  wayFinding,
} from "./check/findings.js";
import { PANEL, panel } from "./check/panel.js";
import { type Script, tryDevice, tryScript, tryWay, type Way } from "./check/trials.js";
import { type Answer, watch } from "./check/watch.js";
import { start } from "./collector.js";
import { optionsFromScript } from "./config.js";
import { guard } from "./lib/guard.js";

/** The number of answers that are kept, so that a page which stays open does not collect them for ever. */
const MOST_ANSWERS = 50;
/** The page's first beacon goes before the trial, so that the trial's cookie is not taken for the page's. */
const PATIENCE_MS = 2_000;

const own = document.currentScript as HTMLScriptElement | null;
const page: Page = { origin: location.origin, hostname: location.hostname, secure: isSecureContext };
/** A page may have several tags with `?check`, and one checker is enough. */
const show = document.querySelector(PANEL) ? undefined : panel();
const answers: Answer[] = [];
const names = new Set<string>();
let way: Way | undefined;
let script: Script | undefined;
let ofTag: Script | undefined;
let device: boolean | undefined;
let asked = -1;
/** The directive that kept the page's own script from running, where the browser reports it afterwards. */
let forbidden: string | undefined;

/** The tags of the snippet on this page. */
const tags = (): Tag[] =>
  [...document.querySelectorAll<HTMLScriptElement>("script[src]")]
    .filter(({ src }) => /\/tamga[^/]*\.js(\?|$)/.test(src))
    .map(({ src, dataset, type, integrity, crossOrigin, defer, async }) => ({
      src,
      site: dataset.site,
      endpoint: dataset.endpoint,
      type,
      integrity,
      crossOrigin,
      deferred: defer || async,
      waits: dataset.consent === "wait",
    }));

/** The page's own queue is an array, and so has `push` as well. */
const runs = () => {
  const { tamga } = window as { tamga?: { q?: { push?: unknown } } };
  return !!tamga?.q?.push && !Array.isArray(tamga.q);
};

/** The site and the beacon's address: as the page's beacons have them, or as its tag says. */
const target = (): { site: string; endpoint: string } | undefined => {
  const last = answers.at(-1);
  if (last) return last;
  const [tag] = tags();
  if (!tag?.site) return undefined;
  const endpoint = tag.endpoint ? new URL(tag.endpoint, location.href) : new URL("/v1/beacon", tag.src);
  return { site: tag.site, endpoint: endpoint.href };
};

/** What a beacon that left before the checker came was answered. */
const before = (): number => {
  const entries = performance.getEntriesByType("resource") as PerformanceResourceTiming[];
  return entries.find(({ name }) => name === target()?.endpoint)?.responseStatus ?? 0;
};

const render = () => {
  const program = !!navigator.webdriver || /Headless|PhantomJS|Electron/.test(navigator.userAgent);
  const off = /(?:^|; )tamga-off=\d/.test(cookies());
  const gpc = !!(navigator as { globalPrivacyControl?: boolean }).globalPrivacyControl;
  const found = tags();
  const findings: (Finding | undefined | false)[] = [tagFinding(found, runs(), page, ofTag, forbidden)];
  const to = target();
  if (to) {
    findings.push(
      addressFinding(to.site, new URL(to.endpoint), page, found[0]),
      way && script && wayFinding(to.site, to.endpoint, page, way, script),
      browserFinding(program, off, gpc, !!found[0]?.waits),
      way?.status === 202 && cookieFinding(way),
      way?.status === 202 && declaredFinding(way, [...names]),
    );
    if (runs()) findings.push(countedFinding(answers, before(), program));
    findings.push(
      device !== undefined && way?.status === 202 && deviceFinding(device, to.endpoint),
      capFinding(navigator.userAgent),
    );
  } else if (runs()) {
    findings.push(countedFinding(answers, 0, program));
  }
  show?.(judged(findings.filter((finding): finding is Finding => !!finding)));
};

/** Sandboxed pages have none and throw. */
const cookies = () => {
  let text = "";
  guard(() => {
    text = document.cookie;
  })();
  return text;
};

/** Tries the way of a beacon, and again when the page has reported an event that was not asked about. */
const attempt = async () => {
  const to = target();
  if (!to || asked === names.size) return;
  asked = names.size;
  const { site, endpoint } = to;
  [way, script, device] = await Promise.all([
    tryWay(site, endpoint, [...names]),
    tryScript(`${new URL("../tamga.js", endpoint)}`),
    device ?? tryDevice(endpoint),
  ]);
};

let answered = () => {};
/** Trials come one after another: two at once would take each other's cookie. */
let trial = new Promise<void>((then) => {
  answered = then;
  setTimeout(then, PATIENCE_MS);
});
const judge = () => {
  trial = trial.then(attempt).then(render);
};
if (show) {
  watch((answer) => {
    answers.push(answer);
    answers.splice(0, Math.max(0, answers.length - MOST_ANSWERS));
    for (const name of answer.names) names.add(name);
    answered();
    judge();
  });
}
if (own) {
  guard(() => {
    const options = optionsFromScript(own);
    if (options) start(options);
  })();
}
if (show) {
  guard(() => {
    const observer = new ReportingObserver(
      (reports) => {
        for (const { body } of reports) {
          const { effectiveDirective, blockedURL } = body as {
            effectiveDirective?: string;
            blockedURL?: string;
          };
          if (effectiveDirective?.startsWith("script") && tags().some(({ src }) => src === blockedURL)) {
            forbidden = effectiveDirective;
            render();
          }
        }
      },
      { types: ["csp-violation"], buffered: true },
    );
    observer.observe();
  })();
  render();
  // A tag that loads later, or runs when the page is parsed, is seen then.
  addEventListener("load", render);
  guard(() => {
    const [tag] = tags();
    if (!tag) return;
    tryScript(tag.src, tag.integrity).then((tried) => {
      ofTag = tried;
      render();
    });
  })();
  judge();
}
