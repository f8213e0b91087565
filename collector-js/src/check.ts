/**
 * The checking build, served as `/tamga.js?check`: the snippet, and a screen that tells the site's developer whether the
 * installation works. Either the tag's address gets `?check` for a while, or one types into the console of a page that has the
 * snippet:
 *
 *     import("https://t.jetpay.kz/tamga.js?check")
 *
 * Everybody who opens the page sees the screen, so it does not stay there.
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

/** Answers that are looked at; a page that stays open is not recorded for ever. */
const MOST_ANSWERS = 50;
/** The page's first beacon goes before the checker's trial, because a collector asks for the device part once. */
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
  const draw = () =>
    show([
      tagFinding(found),
      addressFinding(site, new URL(endpoint), location.hostname, isSecureContext),
      permissionFinding(options),
      ...tried,
      rowsFinding(answers),
      cookieFinding(answers, new URL("../privacy", endpoint).href),
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
    draw();
  });
  start(options);
  draw();
  first
    .then(() => Promise.all([wayFinding(site, endpoint), deviceFinding(endpoint)]))
    .then((findings) => {
      tried = findings;
      draw();
    });
}

/** Looks at the answers to the page's own beacons as they come. */
function watch(endpoint: string, onAnswer: (answer: Answer) => void) {
  const { fetch } = window;
  window.fetch = async (target, init) => {
    const asked = fetch.call(window, target, init);
    if (target === endpoint && typeof init?.body === "string") {
      const { events = [] } = JSON.parse(init.body) as { events?: { type: string }[] };
      const types = events.map(({ type }) => type);
      const tell = (status: number, headers = new Headers()) =>
        onAnswer({
          status,
          outcome: headers.get("Tamga-Outcome"),
          device: headers.get("Tamga-Device"),
          events: types,
        });
      // The checker's own trial is not a beacon of the page.
      if (!types.includes("check")) {
        asked.then(
          ({ status, headers }) => tell(status, headers),
          () => tell(0),
        );
      }
    }
    return asked;
  };
}
