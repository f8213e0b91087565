/** A panel's rows as a table with bars, shares and changes. */
import { element } from "./dom";
import type { Tab } from "./panels";
import type { Cell, Table } from "./server";
import { explain, number, say, sayOf } from "./words";

export const OTHER = "(other)";
const FEW = 10;

/** What stands beside a table. */
export interface Beside {
  before: Table | undefined;
  /** The standard deviation of the noise of a sum over the period; of the one before. */
  noise: number;
  noiseBefore: number;
  /** How much wider the noise of goals is: it grows with their number. */
  goalsWider: number;
  /** Called with the path of a page. */
  onPage: (path: string) => void;
}

const names = (table: Table, row: Cell[]) => row.filter((_, at) => table.columns[at]?.isText);

/** A share of the whole, or nothing where the whole is lost in noise. */
const percent = (part: number, whole: number) => (whole > 0 ? `${number((100 * part) / whole, 1)} %` : "");

/** The title of a number: what it means, and how sure it is. */
export function aboutNumber(name: string, noise: number): string {
  const sure = noise > 0 ? say("noise_is", { n: number(Math.ceil(2 * noise)) }) : "";
  return [explain(name), sure].filter(Boolean).join(" ");
}

/** A change against the period before; grey within the noise of both. */
export function changeOf(now: number, before: number, noise: number): HTMLElement {
  const isNoise = Math.abs(now - before) <= 2 * noise;
  const was = say("was", { n: number(before) });
  if (before <= 0) return element("span", { class: "change noise", title: was }, "–");
  const change = (100 * (now - before)) / before;
  const text = `${change > 0 ? "+" : change < 0 ? "−" : ""}${number(Math.abs(change), Math.abs(change) < 10 ? 1 : 0)} %`;
  const title = isNoise ? `${was}. ${say("within_noise")}` : was;
  const kind = isNoise ? "noise" : change > 0 ? "up" : "down";
  return element("span", { class: `change ${kind}`, title }, text);
}

const shown = (cell: Cell): string => {
  if (cell === OTHER) return say("other");
  if (cell === "") return say("none");
  if (cell === true || cell === false) return say(cell ? "yes" : "no");
  return String(cell);
};

function nameCell(column: string, cell: Cell, beside: Beside): HTMLElement {
  const text = shown(cell);
  const opens = column === "path" && cell !== OTHER && cell !== "";
  const inside = opens
    ? element("button", { class: "link", type: "button", onclick: () => beside.onPage(String(cell)) }, text)
    : text;
  return element(
    "td",
    { class: cell === OTHER ? "other" : "name", title: cell === OTHER ? say("other_is") : text },
    inside,
  );
}

function numberCell(column: string, cell: Cell, noise: number): HTMLElement {
  if (cell === null) return element("td", { class: "number hidden" }, say("hidden"));
  if (typeof cell !== "number") return element("td", { class: "number" }, shown(cell));
  return element("td", { class: "number", title: aboutNumber(column, noise) }, number(cell));
}

/** The rows by their first number, `(other)` last. */
function ordered(table: Table, tab: Tab, by: number): Cell[][] {
  const isSeries = /length|depth|trust|experiments/.test(tab.panel);
  const isOther = (row: Cell[]) => Number(names(table, row).includes(OTHER));
  return [...table.rows].sort(
    (a, b) => isOther(a) - isOther(b) || (isSeries ? 0 : Number(b[by] ?? 0) - Number(a[by] ?? 0)),
  );
}

/** How much wider the noise of a column is. Beside nothing but visits, as in experiments, that of goals is half as wide. */
function widerOf({ panel, wider }: Tab, column: string, { goalsWider }: Beside): number {
  if (column === "converted") return panel === "experiments" ? goalsWider / 2 : goalsWider;
  return (typeof wider === "number" ? wider : wider?.[column]) ?? 1;
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
  const noiseOf = (column: string) => (tab.isPlain ? 0 : beside.noise * widerOf(tab, column, beside));
  const compared = table.columns[by]?.name ?? "";
  const bothNoise = widerOf(tab, compared, beside) * Math.hypot(beside.noise, beside.noiseBefore);

  const heads = table.columns.map(({ name, isText }) =>
    element("th", { scope: "col", class: isText ? "" : "number", title: explain(name) }, sayOf(name)),
  );
  if (!tab.isPlain) {
    heads.push(element("th", { scope: "col", class: "number", title: say("h_share") }, say("share")));
    if (beside.before) heads.push(element("th", { scope: "col", class: "number" }, say("change")));
  }
  const lines = rows.map((row) => {
    const cells = row.map((cell, at) => {
      const column = table.columns[at];
      return column?.isText
        ? nameCell(column.name, cell, beside)
        : numberCell(column?.name ?? "", cell, noiseOf(column?.name ?? ""));
    });
    const value = Number(row[by] ?? 0);
    if (!tab.isPlain) {
      const bar = element("meter", { min: 0, max: most, value: Math.max(0, value), "aria-hidden": "true" });
      cells.push(element("td", { class: "number share" }, bar, element("span", {}, percent(value, all))));
      if (beside.before) {
        const then = before.get(JSON.stringify(names(table, row)))?.[by];
        cells.push(
          element(
            "td",
            { class: "number" },
            typeof then === "number" ? changeOf(value, then, bothNoise) : "",
          ),
        );
      }
    }
    return element("tr", { class: names(table, row).includes(OTHER) ? "other" : undefined }, ...cells);
  });
  const body = element("tbody", {}, ...lines);
  const made = element("table", {}, element("thead", {}, element("tr", {}, ...heads)), body);
  return lines.length > FEW ? folded(made, lines) : made;
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
