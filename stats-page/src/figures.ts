/** What is no plain table: tiles, hours by weekday, steps of funnels, cohorts. */
import { element, svg } from "./dom";
import { dated, number } from "./format";
import { wideOf } from "./noise";
import type { Cell, Table } from "./server";
import { aboutNumber, type Beside, changeOf, numberKind, OTHER, ratioNoise } from "./table";
import { explain, say, sayOf, type Word } from "./words";

/** Reads a row's cell by the name of its column. */
export const reader = (table: Table) => {
  const at = new Map(table.columns.map(({ name }, index) => [name, index]));
  return (row: Cell[], name: string) => row[at.get(name) ?? -1] ?? null;
};

/** How much wider the noise of a site's totals is than that of the window. */
const widerOf = (total: string) => wideOf("site", total === "new_visitors" ? "new_ever" : total);
const TILES = ["visitors", "visits", "views", "new_visitors", "count_only_views"];

/** Means and shares of visits: the sum that is divided, and a factor. */
const RATES: [name: string, part: string, times: number, unit: string][] = [
  ["views_per_visit", "views", 1, ""],
  ["bounce_rate", "bounces", 100, " %"],
  ["duration", "duration_s", 1, ""],
  ["engaged", "engaged_s", 1, ""],
];
/** A mean is shown of so many visits, by the noise of their number. */
const VISITS_FOR_RATES = 8;

/** The totals, each with its change. A rate is shown where its parts stand out of the noise. */
export function drawTiles(totals: Table, beside: Beside): HTMLElement {
  const [row, then] = [totals.rows[0] ?? [], beside.before?.rows[0]];
  const of = reader(totals);
  const noise = Math.hypot(beside.noise, beside.noiseBefore);
  const tiles = TILES.map((name) => {
    const [value, before] = [of(row, name), then ? of(then, name) : null];
    const text = typeof value === "number" ? number(value) : say("hidden");
    const wider = widerOf(name);
    const change =
      typeof value === "number" && typeof before === "number" && changeOf(value, before, wider * noise);
    return tile(sayOf(name), text, aboutNumber(name, wider * beside.noise, value), change);
  });
  for (const [name, part, times, unit] of RATES) {
    const wider = widerOf(part);
    const now = rateOf(of(row, part), of(row, "visits"), wider, beside.noise);
    if (!now) continue;
    const was = then && rateOf(of(then, part), of(then, "visits"), wider, beside.noiseBefore);
    const text = /duration|engaged/.test(name) ? seconds(now.value) : number(times * now.value, 1) + unit;
    const about = [explain(name), say("noise_about", { n: ofRate(name, times * 2 * now.noise) })].join(" ");
    const change =
      was && changeOf(times * now.value, times * was.value, times * Math.hypot(now.noise, was.noise));
    if (change && !change.classList.contains("noise")) change.className = "change";
    tiles.push(tile(say(name as Word), text, about, change ?? false));
  }
  return element("dl", { class: "tiles" }, ...tiles);
}

/** A part of the visits and the standard deviation of its noise; nothing where the visits are lost in noise. */
function rateOf(part: Cell, visits: Cell, wider: number, noise: number) {
  if (typeof part !== "number" || typeof visits !== "number" || visits <= VISITS_FOR_RATES * noise)
    return undefined;
  const value = Math.max(0, part / visits);
  return { value, noise: ratioNoise(value, visits, wider, widerOf("visits"), noise) };
}

/** Minutes and seconds: 2:05. */
const seconds = (value: number) => {
  const whole = Math.round(value);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
};

const ofRate = (name: string, value: number) =>
  name === "bounce_rate"
    ? `${number(value, 1)} %`
    : /duration|engaged/.test(name)
      ? say("seconds", { n: number(value, 1) })
      : number(value, 2);

const tile = (name: string, value: string, title: string, change: HTMLElement | false) =>
  element(
    "div",
    { class: "tile", title, tabindex: "0" },
    element("dt", {}, name),
    element("dd", { class: value === say("hidden") ? "hidden" : undefined }, value, " ", change),
  );

/** Views by hour and weekday: hours from left to right, and on a narrow screen from top to bottom. */
export function drawHours(table: Table, beside: Beside): HTMLElement {
  const of = reader(table);
  const cells = new Map(
    table.rows.map((row) => [`${of(row, "weekday")} ${of(row, "hour")}`, of(row, "views")]),
  );
  const drawn = [false, true].map((isNarrow) => heat(cells, beside, isNarrow));
  return element("div", {}, ...drawn, element("p", { class: "note" }, say("hours_note")));
}

function heat(cells: Map<string, Cell>, beside: Beside, isNarrow: boolean): HTMLElement {
  const most = Math.max(1, ...[...cells.values()].map(Number));
  const noise = wideOf("hours", "views") * beside.noise;
  const hours = [...Array(24).keys()].map((hour) => String(hour).padStart(2, "0"));
  const [wide, tall] = isNarrow ? [44, 16] : [18, 18];
  const label = (x: number, y: number, said: string, anchor: string) => {
    const made = svg("text", { x, y, class: "label", "text-anchor": anchor });
    made.textContent = said;
    return made;
  };
  const drawn = [...Array(7).keys()].flatMap((day) => {
    const name = dated(new Date(Date.UTC(2024, 0, 1 + day)), true, false);
    const boxes = hours.map((hour, at) => {
      const value = Number(cells.get(`${day + 1} ${hour}`) ?? 0);
      const about = svg("title", {});
      const said = cells.has(`${day + 1} ${hour}`) ? number(value) : say("hidden");
      about.textContent = `${name} ${hour}:00 · ${say("views")} ${said}. ${aboutNumber("views", noise)}`;
      const opacity = Math.max(0.04, Math.max(0, value) / most);
      const [x, y] = isNarrow ? [day, at] : [at, day];
      const place = { x: 34 + x * wide, y: 19 + y * tall, width: wide - 2, height: tall - 2, rx: 3 };
      return svg("rect", { ...place, "fill-opacity": opacity, class: "heat" }, about);
    });
    return [
      isNarrow ? label(55 + day * wide, 12, name, "middle") : label(0, 32 + day * tall, name, "start"),
      ...boxes,
    ];
  });
  const heads = hours.flatMap((hour, at) => {
    if (at % 3 !== 0) return [];
    return isNarrow ? label(0, 31 + at * tall, hour, "start") : label(42 + at * wide, 12, hour, "middle");
  });
  const [across, down] = isNarrow ? [7, 24] : [24, 7];
  const viewBox = `0 0 ${36 + across * wide} ${20 + down * tall}`;
  const drawing = svg("svg", { viewBox, role: "img", "aria-label": say("p_hours") }, ...heads, ...drawn);
  return element("div", { class: isNarrow ? "figure narrow" : "figure broad" }, drawing);
}

/** The hours of today that have ended: a bar each. Hours with too few visitors are missing. */
export function drawToday(table: Table): HTMLElement {
  const of = reader(table);
  const most = Math.max(1, ...table.rows.map((row) => Number(of(row, "views"))));
  const lines = table.rows.map((row) => {
    const value = (name: string) => Math.max(0, Number(of(row, name)));
    const sigma = Number(of(row, "noise") ?? 0);
    const about = ["views", "visits"].map((name) =>
      [sayOf(name), aboutNumber(name, wideOf("hours", name) * sigma)].join(": "),
    );
    const shown = [
      `${number(value("views"))} ${say("views")}`,
      `${number(value("visits"))} ${say("visits")}`,
    ];
    return element(
      "li",
      { title: about.join("\n") },
      element("span", { class: "name" }, `${of(row, "hour")}:00`),
      element("meter", { min: 0, max: most, value: value("views"), "aria-hidden": "true" }),
      element(
        "span",
        { class: numberKind(value("visits"), wideOf("hours", "visits") * sigma) },
        shown.join(" · "),
      ),
    );
  });
  return element("ol", { class: "steps" }, ...lines);
}

const stepWide = (step: number) => wideOf("funnels", "visits", "row", step);

/** Funnels: a bar a step. */
export function drawSteps(table: Table, beside: Beside): HTMLElement {
  const of = reader(table);
  const funnels = [...new Set(table.rows.map((row) => String(of(row, "funnel"))))];
  const drawn = funnels.map((funnel) => {
    const steps = table.rows.filter((row) => of(row, "funnel") === funnel);
    const first = Math.max(1, Number(of(steps[0] ?? [], "reached")));
    const lines = steps.map((row) => {
      const value = Math.max(0, Number(of(row, "reached")));
      const noise = stepWide(Number(of(row, "step"))) * beside.noise;
      return element(
        "li",
        { title: aboutNumber("reached", noise) },
        element("span", { class: "name" }, `${of(row, "step")}. ${of(row, "name")}`),
        element("meter", { min: 0, max: first, value, "aria-hidden": "true" }),
        element(
          "span",
          { class: numberKind(value, noise) },
          `${number(value)} · ${number((100 * value) / first, 1)} %`,
        ),
      );
    });
    return element("section", {}, element("h3", {}, funnel), element("ol", { class: "steps" }, ...lines));
  });
  return element("div", {}, ...drawn);
}

/** Weeks and ages of first visits: a share of each week. */
export function drawCohorts(table: Table): HTMLElement {
  const of = reader(table);
  const rank = (cohort: string) => (cohort === OTHER ? 1e6 : Number.parseInt(cohort, 10) || 0);
  const cohorts = [...new Set(table.rows.map((row) => String(of(row, "cohort"))))].sort(
    (a, b) => rank(a) - rank(b),
  );
  const weeks = [...new Set(table.rows.map((row) => String(of(row, "week"))))].sort().reverse();
  const cells = new Map(table.rows.map((row) => [`${of(row, "week")} ${of(row, "cohort")}`, row]));
  const wide = wideOf("retention", "visitors");
  const lines = weeks.map((week) => {
    const rows = cohorts.map((cohort) => cells.get(`${week} ${cohort}`));
    const all = rows.reduce((sum, row) => sum + Math.max(0, Number(row ? of(row, "visitors") : 0)), 0);
    const shares = rows.map((row) => {
      if (row === undefined) return element("td", { class: "number hidden" }, say("hidden"));
      const [visitors, noise] = [Number(of(row, "visitors")), wide * Number(of(row, "noise"))];
      const share = all > 0 ? (100 * Math.max(0, visitors)) / all : 0;
      const title = `${say("visitors")} ${number(visitors)}. ${aboutNumber("", noise, visitors)}`;
      return element("td", { class: numberKind(visitors, noise), title }, `${number(share)} %`);
    });
    return element("tr", {}, element("th", { scope: "row" }, week), ...shares);
  });
  const heads = cohorts.map((cohort) =>
    element(
      "th",
      { scope: "col", class: "number", title: cohort === OTHER ? say("other_is") : undefined },
      cohort === OTHER ? say("other") : cohort,
    ),
  );
  const head = element(
    "tr",
    {},
    element("th", { scope: "col", title: say("cohort") }, say("week")),
    ...heads,
  );
  const made = element("table", {}, element("thead", {}, head), element("tbody", {}, ...lines));
  return element("div", {}, made, element("p", { class: "note" }, say("cohort_note")));
}
