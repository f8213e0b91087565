/** The graph by day: uPlot, with a band of noise, the period before dotted, and incomplete days marked. */
import uPlot from "uplot";
import { element } from "./dom";
import { dated, number } from "./format";
import { wideOf } from "./noise";
import type { Note, Table } from "./server";
import { say } from "./words";

const HEIGHT = 260;
const DAY_S = 86_400;

const column = (table: Table, name: string) => {
  const at = table.columns.findIndex((column) => column.name === name);
  return table.rows.map((row) => row[at] ?? null);
};
const numbers = (table: Table, name: string) =>
  column(table, name).map((cell) => (typeof cell === "number" ? cell : null));

/** A colour of the style sheet in the theme that is shown. A canvas knows no variables. */
function colour(name: string): string {
  const probe = element("i", {});
  document.body.append(probe);
  probe.style.color = `var(${name})`;
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

const plots = new Set<() => void>();

/** Draws all graphs anew: the theme has changed. */
export const redrawGraphs = () => {
  for (const draw of plots) draw();
};

/** The graph. It follows the width of its place until it is taken out of the page. */
export function drawDays(days: Table, before: Table | undefined, notes: Note[]): HTMLElement {
  const times = column(days, "day").map((day) => Date.parse(String(day)) / 1000);
  const [views, visitors] = [numbers(days, "views"), numbers(days, "visitors")];
  const [noise, wide] = [numbers(days, "noise"), wideOf("site", "visitors")];
  const edge = (side: number) =>
    visitors.map((value, at) => (value === null ? null : value + side * 2 * wide * (noise[at] ?? 0)));
  const then = before ? numbers(before, "visitors") : [];
  // Days of both periods are as far from their period's begin.
  const behind = before ? column(before, "day").map((day) => Date.parse(String(day)) / 1000) : [];
  const apart = (times[0] ?? 0) - (behind[0] ?? 0);
  const beside = times.map((time) => then[behind.indexOf(time - apart)] ?? null);
  const lines = before ? [views, visitors, beside] : [views, visitors];
  const data = [times, ...lines, edge(1), edge(-1)] as uPlot.AlignedData;
  const incomplete = column(days, "complete").filter(
    (complete) => complete === false || complete === 0,
  ).length;

  const place = element("div", { class: "graph", role: "img", "aria-label": described(views, visitors) });
  let plot: uPlot | undefined;
  const draw = () => {
    plot?.destroy();
    const shown = options(place.clientWidth || 600, Boolean(before), times.length === 1);
    shown.hooks = { draw: [(plot) => mark(plot, notes)] };
    plot = new uPlot(shown, data, place);
  };
  const follow = () => {
    if (!place.isConnected) {
      plots.delete(draw);
      watcher.disconnect();
    } else if (plot && place.clientWidth > 0) plot.setSize({ width: place.clientWidth, height: HEIGHT });
    else draw();
  };
  // In the next frame: what is drawn changes sizes again.
  const watcher = new ResizeObserver(() => requestAnimationFrame(follow));
  plots.add(draw);
  watcher.observe(place);
  const note =
    incomplete > 0 && element("p", { class: "note" }, say("incomplete", { n: String(incomplete) }));
  return element("div", {}, place, note, notes.length > 0 && listed(notes));
}

/** A dashed line and a number for each annotation; the list below the graph has the same numbers. */
function mark({ ctx, bbox, valToPos }: uPlot, notes: Note[]): void {
  ctx.save();
  ctx.strokeStyle = colour("--quiet");
  ctx.fillStyle = colour("--text");
  ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
  for (const [at, { day }] of notes.entries()) {
    const x = Math.round(valToPos(Date.parse(day) / 1000, "x", true));
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    // Of several on a day, each stands below the one before.
    const before = notes.slice(0, at).filter((note) => note.day === day).length;
    ctx.fillText(String(at + 1), x + 4 * devicePixelRatio, bbox.top + (11 + 13 * before) * devicePixelRatio);
  }
  ctx.restore();
}

const listed = (notes: Note[]) =>
  element(
    "ol",
    { class: "notes", "aria-label": say("notes") },
    ...notes.map(({ day, text }) => element("li", {}, `${dated(new Date(day), false, true)}: ${text}`)),
  );

function described(views: (number | null)[], visitors: (number | null)[]): string {
  const sum = (values: (number | null)[]) =>
    number(values.reduce<number>((sum, value) => sum + (value ?? 0), 0));
  return `${say("p_days")}: ${say("views")} ${sum(views)}, ${say("visitors")} ${sum(visitors)}`;
}

function options(width: number, hasBefore: boolean, isOneDay: boolean): uPlot.Options {
  // A line needs two days.
  const points = { show: isOneDay, size: 8 };
  // Of no chosen day, the legend has the numbers of the last one.
  const of = (plot: uPlot, value: number | null, series: number, at: number | null) =>
    at === null ? (plot.data?.[series]?.at(-1) ?? null) : value;
  const value: uPlot.Series.Value = (plot, value, series, at) => {
    const shown = of(plot, value, series, at);
    return shown === null ? say("hidden") : number(shown);
  };
  const earlier = {
    label: say("series_before", { name: say("visitors") }),
    stroke: colour("--quiet"),
    width: 2,
    dash: [2, 4],
    value,
    points: { show: false },
  };
  const axis = {
    stroke: colour("--text"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
  };
  const date = (seconds: number, weekday: boolean) => dated(new Date(seconds * 1000), weekday, true);
  return {
    width,
    height: HEIGHT,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "UTC"),
    cursor: { y: false, points: { size: 6 } },
    scales: {
      // One day alone is no length of time: it stands in the middle of a week.
      x: {
        range: (_, first, last) => (isOneDay ? [first - 3 * DAY_S, first + 3 * DAY_S] : [first, last]),
      },
      y: { range: (_, low, high) => [Math.min(0, low), Math.max(10, high * 1.05)] },
    },
    axes: [
      {
        ...axis,
        space: 70,
        values: (_, times) => {
          const days = times.map((time) => date(time, false));
          // Of a few days there is a mark every few hours.
          return days.map((day, at) => (day === days[at - 1] ? "" : day));
        },
      },
      { ...axis, size: 60, values: (_, values) => values.map((value) => number(value)) },
    ],
    series: [
      {
        value: (plot, day, series, at) => {
          const shown = of(plot, day, series, at);
          return shown === null ? "" : date(shown, true);
        },
        label: say("day"),
      },
      { label: say("views"), stroke: colour("--views"), width: 2, value, points },
      { label: say("visitors"), stroke: colour("--visitors"), width: 2, value, points },
      ...(hasBefore ? [earlier] : []),
      { label: "+", class: "edge", stroke: "transparent", points: { show: false } },
      { label: "−", class: "edge", stroke: "transparent", points: { show: false } },
    ],
    bands: [{ series: hasBefore ? [4, 5] : [3, 4], fill: colour("--band") }],
  };
}
