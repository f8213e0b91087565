/** A panel's rows as a table with bars, shares and changes. */
import { breakable, element } from "./dom";
import { country, number } from "./format";
import { wideOf } from "./noise";
import { outcomeOf } from "./outcomes";
import type { Ratio, Tab } from "./panels";
import type { Cell, Table } from "./server";
import { explain, say, sayOf, wordOf } from "./words";

export const OTHER = "(other)";
const FEW = 10;

/** What stands beside a table. */
export interface Beside {
  before: Table | undefined;
  /** The standard deviation of the noise of a sum over the period; of the one before. */
  noise: number;
  noiseBefore: number;
  /** How many goals are declared: the noise of goals grows with their number. */
  goalsDeclared: number;
  /** The chosen goal. */
  goal: string;
  /** Called with the path of a page. */
  onPage: (path: string) => void;
}

/** The standard deviation of the noise of `part / whole`, which is `value`. */
export const ratioNoise = (value: number, whole: number, wider: number, wholeWider: number, noise: number) =>
  (noise * Math.hypot(wider, wholeWider * value)) / whole;

/** A verdict is a word about the numbers of its row, and no part of the row's name. */
const isVerdict = (name?: string) => name === "verdict";

const names = (table: Table, row: Cell[]) =>
  row.filter((_, at) => table.columns[at]?.isText && !isVerdict(table.columns[at]?.name));

/** A path of so many characters at most: its begin and its end. */
export function cut(path: string, most: number): string {
  if (path.length <= most) return path;
  const end = Math.floor((most - 1) / 2);
  return `${path.slice(0, most - 1 - end)}…${path.slice(-end)}`;
}

/** A share of the whole, or nothing where the whole is lost in noise. */
const percent = (part: number, whole: number) => (whole > 0 ? `${number((100 * part) / whole, 1)} %` : "");

/** The title of a number: what it means, how sure it is, and why it can be below 0. */
export function aboutNumber(name: string, noise: number, value: Cell = null): string {
  const sure = noise > 0 ? say("noise_is", { n: number(Math.ceil(2 * noise)) }) : "";
  const below = typeof value === "number" && value < 0 ? say("below_zero") : "";
  return [explain(name), sure, below].filter(Boolean).join(" ");
}

/** A change against the period before; grey within the noise of both. */
export function changeOf(now: number, before: number, noise: number): HTMLElement {
  const isNoise = Math.abs(now - before) <= 2 * noise;
  const was = say("was", { n: number(before) });
  if (before <= 0) return element("span", { class: "change noise", title: was }, "–");
  const change = (100 * (now - before)) / before;
  const digits = Math.abs(change) < 10 ? 1 : 0;
  const isNone = Number(change.toFixed(digits)) === 0;
  const text = `${isNone ? "" : change > 0 ? "+" : "−"}${number(Math.abs(change), digits)} %`;
  const title = isNoise ? `${was}. ${say("within_noise")}` : was;
  const kind = isNoise ? "noise" : change > 0 ? "up" : "down";
  return element("span", { class: `change ${kind}`, title }, text);
}

/** A name as the page shows it. */
export const shown = (column: string, cell: Cell): string => {
  if (column === "country" && /^[A-Z]{2}$/.test(String(cell))) return country(String(cell));
  if (cell === OTHER) return say("other");
  // These columns have words of a closed list; in others the same word could be a name.
  if (/^(channel|absence|device|verdict)$/.test(column))
    return cell === "" ? say("none") : wordOf(String(cell));
  if (cell === "") return say("none");
  if (/^(outcome|reason)$/.test(column)) return outcomeOf(String(cell));
  // Of a time, no seconds.
  if (/^(window_start|window_end|published_at)$/.test(column)) return String(cell).slice(0, 16);
  if (cell === true || cell === false) return say(cell ? "yes" : "no");
  return String(cell);
};

function nameCell(column: string, cell: Cell, beside: Beside): HTMLElement {
  const text = shown(column, cell);
  const opens = column === "path" && cell !== OTHER && cell !== "";
  const inside = opens
    ? element(
        "button",
        { class: "link", type: "button", onclick: () => beside.onPage(String(cell)) },
        ...breakable(cut(text, 44)),
      )
    : element("span", {}, ...breakable(text));
  return element(
    "td",
    {
      class: cell === OTHER ? "other" : "name",
      title: cell === OTHER ? say("other_is") : String(cell) || text,
    },
    inside,
  );
}

/** A number is grey where it may be noise alone. */
export const numberKind = (value: number, noise: number) =>
  noise > 0 && value <= 2 * noise ? "number noise" : "number";

function numberCell(column: string, cell: Cell, noise: number): HTMLElement {
  if (cell === null) return element("td", { class: "number hidden" }, say("hidden"));
  if (typeof cell !== "number") return element("td", { class: "number" }, shown(column, cell));
  return element(
    "td",
    { class: numberKind(cell, noise), title: aboutNumber(column, noise, cell) },
    number(cell),
  );
}

/** A share or a mean. Grey where its noise is larger than itself, and none where the whole is lost in noise. */
function ratioCell(
  ratio: Ratio,
  part: Cell,
  whole: Cell,
  wider: [number, number],
  noise: number,
): HTMLElement {
  if (typeof part !== "number" || typeof whole !== "number" || whole <= 0)
    return element("td", { class: "number hidden" }, part === null ? say("hidden") : "");
  if (whole <= 2 * wider[1] * noise)
    return element("td", { class: "number noise", title: say("noise_whole") }, "–");
  const value = part / whole;
  const times = ratio.isPercent ? 100 : 1;
  const sure = 2 * ratioNoise(value, whole, ...wider, noise);
  const unit = ratio.isPercent ? " %" : "";
  const title = [explain(ratio.name), say("noise_about", { n: number(times * sure, 1) + unit })].join(" ");
  const kind = sure > value ? "number noise" : "number";
  return element("td", { class: kind, title }, number(times * Math.max(0, value), 1) + unit);
}

/** Rows that have an order of their own, such as days. */
const isSeries = ({ panel }: Tab) => /length|depth|recency|trust|experiments/.test(panel);

/** The rows by their first number, `(other)` last. */
function ordered(table: Table, tab: Tab, by: number): Cell[][] {
  const isOther = (row: Cell[]) => Number(names(table, row).includes(OTHER));
  return [...table.rows].sort(
    (a, b) => isOther(a) - isOther(b) || (isSeries(tab) ? 0 : Number(b[by] ?? 0) - Number(a[by] ?? 0)),
  );
}

/** How much wider the noise of a column is. */
function widerOf({ table, isSum }: Tab, column: string, { goalsDeclared }: Beside): number {
  const name = column === "converted" && table !== "experiments" ? "goals" : column;
  return wideOf(table, name, isSum ? "parent" : "row", goalsDeclared);
}

/** What a column of the page shows: a column of the rows, or a ratio of two. */
interface Shown {
  at: number;
  ratio?: Ratio;
}

/** The names, the number that orders the rows, and the other numbers. */
function columnsOf(table: Table, tab: Tab, beside: Beside): Shown[] {
  const rank = ({ at }: Shown) => {
    const { name, isText } = table.columns[at] ?? {};
    return isVerdict(name) ? 3 : isText ? 0 : name === tab.by ? 1 : 2;
  };
  const columns = table.columns.flatMap(({ name }, at): Shown[] => {
    // Without a goal nothing is reached.
    if (name === "converted" && tab.item === "$goal" && !beside.goal) return [];
    const ratio = tab.ratios?.find(({ part }) => part === name);
    if (!ratio) return tab.ratios?.some(({ of }) => of === name && name === "devices") ? [] : [{ at }];
    return ratio.isBeside ? [{ at }, { at, ratio }] : [{ at, ratio }];
  });
  return columns.sort((a, b) => rank(a) - rank(b));
}

export function drawTable(table: Table, tab: Tab, beside: Beside): HTMLElement {
  const wanted = table.columns.findIndex(({ name }) => name === tab.by);
  const by = wanted >= 0 ? wanted : table.columns.findIndex(({ isText }) => !isText);
  const rows = ordered(table, tab, by);
  const all = rows.reduce((sum, row) => sum + Math.max(0, Number(row[by] ?? 0)), 0);
  const most = Math.max(
    1,
    ...rows.filter((row) => !names(table, row).includes(OTHER)).map((row) => Number(row[by] ?? 0)),
  );
  const before = new Map(beside.before?.rows.map((row) => [JSON.stringify(names(table, row)), row]));
  const ownNoise = tab.isPlain ? 0 : beside.noise;
  const compared = table.columns[by]?.name ?? "";
  const bothNoise = widerOf(tab, compared, beside) * Math.hypot(beside.noise, beside.noiseBefore);
  const columns = columnsOf(table, tab, beside);

  const heads = columns.map(({ at, ratio }) => {
    const { name = "", isText = false } = table.columns[at] ?? {};
    const said = ratio?.name ?? name;
    const order = at === by && !isSeries(tab) ? say("order_is") : "";
    const title = [explain(said), order].filter(Boolean).join(" ");
    const head = name === "value" ? sayOf(`t_${tab.title}`) : sayOf(said);
    return element("th", { scope: "col", class: isText ? "name" : "number", title }, head);
  });
  if (!tab.isPlain) {
    if (!tab.isShareless)
      heads.push(element("th", { scope: "col", class: "number", title: say("h_share") }, say("share")));
    if (beside.before) heads.push(element("th", { scope: "col", class: "number" }, say("change")));
  }
  const cellOf = (row: Cell[], { at, ratio }: Shown) => {
    const { name = "", isText = false } = table.columns[at] ?? {};
    const cell = row[at] ?? null;
    if (isText) return nameCell(name, cell, beside);
    // `(other)` is what a total and all other rows leave, and has the noise of all of them.
    const noise = ownNoise * (names(table, row).includes(OTHER) ? Math.sqrt(rows.length) : 1);
    if (!ratio) return numberCell(name, cell, noise * widerOf(tab, name, beside));
    const whole = row[table.columns.findIndex(({ name }) => name === ratio.of)] ?? null;
    return ratioCell(ratio, cell, whole, [widerOf(tab, name, beside), widerOf(tab, ratio.of, beside)], noise);
  };
  const lines = rows.map((row) => {
    const cells = stacked(columns.map((column) => cellOf(row, column)));
    const value = Number(row[by] ?? 0);
    if (!tab.isPlain) {
      if (!tab.isShareless) cells.push(shareCell(value, most, all));
      if (beside.before) {
        const then = before.get(JSON.stringify(names(table, row)))?.[by];
        const times = names(table, row).includes(OTHER) ? Math.sqrt(rows.length) : 1;
        const change = typeof then === "number" ? changeOf(value, then, times * bothNoise) : "";
        cells.push(element("td", { class: "number" }, change));
      }
    }
    return element("tr", { class: names(table, row).includes(OTHER) ? "other" : undefined }, ...cells);
  });
  const body = element("tbody", {}, ...lines);
  const made = element("table", {}, element("thead", {}, element("tr", {}, ...stacked(heads))), body);
  return lines.length > FEW ? folded(made, lines) : made;
}

/** On a narrow screen the other names of a row stand below its first one. */
function stacked(cells: HTMLElement[]): HTMLElement[] {
  const isName = ({ classList }: HTMLElement) => classList.contains("name") || classList.contains("other");
  const [first, ...others] = cells.filter(isName);
  const below = others.map((cell) => cell.textContent ?? "").filter((name) => name !== first?.textContent);
  if (first && below.length > 0)
    first.append(element("small", { class: "narrow" }, ...breakable(below.join(" · "))));
  return cells;
}

function shareCell(value: number, most: number, all: number): HTMLElement {
  const bar = element("meter", { min: 0, max: most, value: Math.max(0, value), "aria-hidden": "true" });
  return element("td", { class: "number share" }, bar, element("span", {}, percent(Math.max(0, value), all)));
}

/** The first rows, and a button for the others. */
function folded(table: HTMLElement, lines: HTMLElement[]): HTMLElement {
  let isOpen = false;
  const button = element("button", { type: "button", class: "more", onclick: () => turn(!isOpen) });
  const turn = (open: boolean) => {
    isOpen = open;
    lines.forEach((line, at) => {
      line.classList.toggle("folded", !open && at >= FEW);
    });
    button.textContent = open ? say("less") : say("more", { n: String(lines.length) });
    button.setAttribute("aria-expanded", String(open));
  };
  turn(false);
  return element("div", {}, table, button);
}

/** As a spreadsheet reads it. A text that it would take for a formula gets an apostrophe. */
export function asCsv(table: Table): string {
  const cell = (value: Cell) => {
    if (value === null) return "";
    const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const head = table.columns.map(({ name }) => name);
  return [head, ...table.rows].map((row) => row.map(cell).join(",")).join("\r\n");
}
