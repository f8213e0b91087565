/**
 * The checking build, served as `/tamga.js?check`: the snippet, and a panel that shows the site's developer whether the
 * installation works. To use it, add `?check` to the tag's address for a while, or type into the console of a page that
 * has the snippet:
 *
 *     import("https://t.jetpay.kz/tamga.js?check")
 *
 * Everybody who opens the page sees the panel, so remove `?check` afterwards.
 */
import {
  type Answer,
  addressFinding,
  capFinding,
  cookieFinding,
  deviceFinding,
  type Finding,
  permissionFinding,
  rowsFinding,
  tagFinding,
  tags,
  wayFinding,
} from "./check/findings.js";
import { panel } from "./check/panel.js";
import { start } from "./collector.js";
import { optionsFromScript } from "./config.js";

/** The number of answers that are kept, so that a page which stays open does not collect them for ever. */
const MOST_ANSWERS = 50;
/** The page's first beacon goes before the checker's trial, because a collector asks only once for the device part. */
const PATIENCE_MS = 2_000;

const own = document.currentScript as HTMLScriptElement | null;
const found = tags();
const tag = own?.dataset?.site ? own : found[0];
const options = tag && optionsFromScript(tag);

if (!tag || !options) {
  panel()([tagFinding(found)]);
} else {
  const show = panel();
  const answers: Answer[] = [];
  const { endpoint, site } = options;
  let tried: Finding[] = [];
  const render = () =>
    show([
      tagFinding(found),
      addressFinding(site, new URL(endpoint), location.hostname, isSecureContext),
      permissionFinding(options),
      ...tried,
      rowsFinding(answers),
      cookieFinding(answers),
      capFinding(navigator.userAgent),
    ]);
  let answered = () => {};
  const first = new Promise<void>((then) => {
    answered = then;
    setTimeout(then, PATIENCE_MS);
  });
  watch(endpoint, (answer) => {
    answered();
    answers.push(answer);
    answers.splice(0, Math.max(0, answers.length - MOST_ANSWERS));
    render();
  });
  start(options);
  render();
  first
    .then(() => Promise.all([wayFinding(site, endpoint), deviceFinding(endpoint)]))
    .then((findings) => {
      tried = findings;
      render();
    });
}

/** Reports each answer to the page's own beacons. */
function watch(endpoint: string, onAnswer: (answer: Answer) => void) {
  const { fetch } = window;
  window.fetch = async (target, init) => {
    const asked = fetch.call(window, target, init);
    if (target === endpoint && typeof init?.body === "string") {
      const { events = [] } = JSON.parse(init.body) as { events?: { type: string }[] };
      const types = events.map(({ type }) => type);
      const report = (status: number, headers = new Headers()) =>
        onAnswer({
          status,
          outcome: headers.get("Tamga-Outcome"),
          device: headers.get("Tamga-Device"),
          events: types,
        });
      // The checker's trial is not a beacon of the page.
      if (!types.includes("check")) {
        asked.then(
          ({ status, headers }) => report(status, headers),
          () => report(0),
        );
      }
    }
    return asked;
  };
}
