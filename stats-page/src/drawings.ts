/**
 * Drawings of a table: the ways through a page, and the regions of Kazakhstan. The table itself is in a tab beside. Each is made twice,
 * for a broad and for a narrow screen, and the style sheet shows one of them.
 */
import { breakable, element, svg } from "./dom";
import { reader } from "./figures";
import { number } from "./format";
import { wideOf } from "./noise";
import { short, tileOf, tiles } from "./regions";
import type { Table } from "./server";
import { aboutNumber, type Beside, cut, numberKind, OTHER, shown } from "./table";
import { say } from "./words";

const text = (x: number, y: number, said: string, anchor = "start", kind = "label") => {
  const made = svg("text", { x, y, class: kind, "text-anchor": anchor });
  made.textContent = said;
  return made;
};

const titled = (said: string) => {
  const made = svg("title", {});
  made.textContent = said;
  return made;
};

const HEIGHT = 220;
const GAP = 6;
const MOST = 8;

interface Way {
  path: string;
  visits: number;
}

/** Ways in on the left, the page in the middle, ways out on the right: as thick as they have visits. */
export function drawWays(table: Table, beside: Beside): HTMLElement {
  const of = reader(table);
  const page = String(of(table.rows[0] ?? [], "page") ?? "");
  const side = (way: string): Way[] =>
    table.rows
      .filter((row) => of(row, "way") === way && Number(of(row, "visits")) > 0)
      .map((row) => ({ path: String(of(row, "path")), visits: Number(of(row, "visits")) }))
      .sort((a, b) => b.visits - a.visits)
      .slice(0, MOST);
  const sides = [side("in"), side("out")];
  const sum = (ways: Way[]) => ways.reduce((sum, { visits }) => sum + visits, 0);
  const most = Math.max(1, ...sides.map(sum));
  const lines = Math.max(1, ...sides.map((ways) => ways.length));
  const scale = HEIGHT / most;
  const height = HEIGHT + lines * (GAP + 8) + 24;
  const begin = (ways: Way[]) => (height - sum(ways) * scale) / 2;
  const drawn = sides.flatMap((ways, at) => {
    let middle = begin(ways);
    // Thin ways keep the height of a line of text.
    const tall = (way: Way) => Math.max(14, way.visits * scale);
    let outer = (height - ways.reduce((all, way) => all + tall(way) + GAP, -GAP)) / 2;
    return ways.map((way) => {
      const thick = Math.max(1, way.visits * scale);
      const [y0, y1] = [outer + (tall(way) - thick) / 2, middle];
      outer += tall(way) + GAP;
      middle += way.visits * scale;
      return drawWay(way, at === 0, thick, y0, y1, beside);
    });
  });
  const all = Math.max(...sides.map(sum)) * scale;
  const node = svg("rect", {
    x: 314,
    y: (height - all) / 2,
    width: 12,
    height: Math.max(1, all),
    class: "node",
  });
  const head = [
    text(0, 12, say("ways_in")),
    text(320, 12, cut(page, 34), "middle", "label strong"),
    text(640, 12, say("ways_out"), "end"),
  ];
  const drawing = svg(
    "svg",
    {
      viewBox: `0 0 640 ${Math.ceil(height)}`,
      role: "group",
      "aria-label": `${say("t_picture")}: ${page}`,
    },
    ...head,
    ...drawn,
    node,
  );
  return element(
    "div",
    {},
    element("h3", {}, page),
    element("div", { class: "figure broad" }, drawing),
    element("div", { class: "narrow" }, ...sides.map((ways, at) => listed(ways, at === 0, most, beside))),
    element("p", { class: "note" }, say("ways_note")),
  );
}

/** What a way is called, what is said of it, and whether it leads to another page. */
function described(way: Way, beside: Beside) {
  const isEnd = way.path === "(entry)" || way.path === "(end)";
  const wide = isEnd
    ? wideOf("pages", way.path === "(entry)" ? "entries" : "last_pages")
    : wideOf("transitions", "visits");
  const name = isEnd
    ? say(way.path === "(entry)" ? "way_entry" : "way_end")
    : way.path === OTHER
      ? say("other")
      : way.path;
  const about = `${name}: ${say("visits")} ${number(way.visits)}. ${aboutNumber("", wide * beside.noise)}`;
  return { name, about, isPage: !isEnd && way.path !== OTHER };
}

/** The ways of a side as lines with bars. */
function listed(ways: Way[], isIn: boolean, most: number, beside: Beside): HTMLElement {
  const lines = ways.map((way) => {
    const { name, about, isPage } = described(way, beside);
    const said = isPage
      ? element(
          "button",
          { class: "link", type: "button", onclick: () => beside.onPage(way.path) },
          ...breakable(name),
        )
      : name;
    return element(
      "li",
      { title: about },
      element("span", { class: "name" }, said),
      element("meter", { min: 0, max: most, value: way.visits, "aria-hidden": "true" }),
      element("span", { class: "number" }, number(way.visits)),
    );
  });
  return element(
    "section",
    {},
    element("h4", {}, say(isIn ? "ways_in" : "ways_out")),
    element("ol", { class: "steps" }, ...lines),
  );
}

function drawWay(
  way: Way,
  isIn: boolean,
  thick: number,
  outer: number,
  inner: number,
  beside: Beside,
): SVGElement {
  const [from, to] = isIn ? [150, 314] : [490, 326];
  const half = (from + to) / 2;
  const line = `M${from},${outer} C${half},${outer} ${half},${inner} ${to},${inner} V${inner + thick} C${half},${inner + thick} ${half},${outer + thick} ${from},${outer + thick} Z`;
  const { name, about, isPage } = described(way, beside);
  const said = text(
    isIn ? 144 : 496,
    outer + thick / 2 + 4,
    `${cut(name, 15)} ${number(way.visits)}`,
    isIn ? "end" : "start",
    isPage ? "label way" : "label",
  );
  const made = svg(
    "g",
    { class: isPage ? "flow" : "flow end" },
    titled(about),
    svg("path", { d: line }),
    said,
  );
  if (isPage) {
    made.setAttribute("role", "button");
    made.setAttribute("tabindex", "0");
    made.setAttribute("aria-label", `${said.textContent}. ${about}`);
    const open = () => beside.onPage(way.path);
    made.addEventListener("click", open);
    made.addEventListener("keydown", (event) => {
      if ((event as KeyboardEvent).key === "Enter") open();
    });
  }
  return made;
}

/** The regions of Kazakhstan as tiles, and all that lies elsewhere as lines. */
export function drawMap(table: Table, beside: Beside): HTMLElement {
  const of = reader(table);
  const known = new Map<string, number>();
  const elsewhere = new Map<string, number>();
  for (const row of table.rows) {
    const [country, region, visitors] = [
      String(of(row, "country")),
      String(of(row, "region")),
      Number(of(row, "visitors")),
    ];
    const tile = country === "KZ" ? tileOf(region) : undefined;
    const [into, name] = tile
      ? [known, tile.name]
      : [elsewhere, country === "KZ" ? `${shown("country", "KZ")}: ${shown("region", region)}` : country];
    into.set(name, (into.get(name) ?? 0) + visitors);
  }
  const most = Math.max(1, ...known.values());
  const noise = wideOf("places", "visitors") * beside.noise;
  // Countries, and what the regions of one leave.
  const elsewhereWide = wideOf("places", "visitors", "parent");
  const isRest = ([name]: [string, number]) => Number(name === OTHER || name === "");
  const lines = [...elsewhere]
    .sort((a, b) => isRest(a) - isRest(b) || b[1] - a[1])
    .map(([name, visitors]) =>
      element(
        "li",
        {
          title: aboutNumber("visitors", elsewhereWide * beside.noise, visitors),
          class: isRest([name, 0]) ? "other" : undefined,
        },
        element("span", {}, name.length === 2 ? shown("country", name) : shown("", name)),
        element("span", { class: numberKind(visitors, elsewhereWide * beside.noise) }, number(visitors)),
      ),
    );
  return element(
    "div",
    {},
    ...[false, true].map((isNarrow) => tiled(known, most, noise, isNarrow)),
    element("ul", { class: "elsewhere" }, ...lines),
    element("p", { class: "note" }, say("map_note")),
  );
}

/** Keeps a text of small letters within a width. */
function squeeze(made: SVGElement, width: number): void {
  if ((made.textContent ?? "").length * 5.2 <= width) return;
  made.setAttribute("textLength", String(width));
  made.setAttribute("lengthAdjust", "spacingAndGlyphs");
}

/** A tile for each region, as dark as it has visitors. */
function tiled(known: Map<string, number>, most: number, noise: number, isNarrow: boolean): HTMLElement {
  const [wide, tall] = isNarrow ? [44, 40] : [80, 46];
  const boxes = tiles().map(({ column, row, name }) => {
    const visitors = known.get(name);
    const said = visitors === undefined ? say("hidden") : number(visitors);
    const about = `${name}: ${say("visitors")} ${said}. ${visitors === undefined ? "" : aboutNumber("visitors", noise, visitors)}`;
    const [x, y] = [column * wide, row * tall];
    const share = Math.max(0, visitors ?? 0) / most;
    const middle = x + (wide - 3) / 2;
    const box = svg("rect", {
      x,
      y,
      width: wide - 3,
      height: tall - 3,
      rx: 4,
      class: visitors === undefined ? "tile-box none" : "tile-box",
      "fill-opacity": visitors === undefined ? 1 : 0.12 + 0.33 * share,
    });
    const shownName = text(middle, y + tall * 0.37, isNarrow ? short(name) : name, "middle", "label dark");
    const few = visitors === undefined ? say("few") : said;
    const number_ = text(
      middle,
      y + tall * 0.74,
      few,
      "middle",
      // What may be noise alone is not bold.
      visitors === undefined || visitors <= 2 * noise ? "label dark" : "label strong",
    );
    if (isNarrow) for (const made of [shownName, number_]) squeeze(made, wide - 6);
    return svg("g", {}, titled(about), box, shownName, number_);
  });
  const drawing = svg(
    "svg",
    { viewBox: `0 0 ${8 * wide} ${5 * tall - 2}`, role: "group", "aria-label": say("t_map") },
    ...boxes,
  );
  return element("div", { class: isNarrow ? "figure narrow" : "figure broad" }, drawing);
}
