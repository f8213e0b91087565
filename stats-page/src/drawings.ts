/** Drawings of a table: the ways through a page, and the regions of Kazakhstan. The table itself is in a tab beside. */
import { element, svg } from "./dom";
import { reader } from "./figures";
import { wideOf } from "./noise";
import { tileOf, tiles } from "./regions";
import type { Table } from "./server";
import { aboutNumber, type Beside, cut, OTHER, shown } from "./table";
import { number, say } from "./words";

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
    element("div", { class: "figure" }, drawing),
    element("p", { class: "note" }, say("ways_note")),
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
  const isEnd = way.path === "(entry)" || way.path === "(end)";
  const wide = isEnd
    ? wideOf("pages", way.path === "(entry)" ? "entries" : "last_pages")
    : wideOf("transitions", "visits");
  const name = isEnd ? say(way.path === "(entry)" ? "way_entry" : "way_end") : way.path;
  const about = `${name}: ${say("visits")} ${number(way.visits)}. ${aboutNumber("", wide * beside.noise)}`;
  const said = text(
    isIn ? 144 : 496,
    outer + thick / 2 + 4,
    `${cut(name, 17)} ${number(way.visits)}`,
    isIn ? "end" : "start",
    isEnd ? "label" : "label way",
  );
  const made = svg(
    "g",
    { class: isEnd ? "flow end" : "flow" },
    titled(about),
    svg("path", { d: line }),
    said,
  );
  if (!isEnd) {
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
  const boxes = tiles().map(({ column, row, name }) => {
    const visitors = known.get(name);
    const said = visitors === undefined ? say("hidden") : number(visitors);
    const about = `${name}: ${say("visitors")} ${said}. ${visitors === undefined ? "" : aboutNumber("visitors", wideOf("places", "visitors") * beside.noise)}`;
    const [x, y] = [column * 80, row * 46];
    const share = Math.max(0, visitors ?? 0) / most;
    const box = svg("rect", {
      x,
      y,
      width: 77,
      height: 43,
      rx: 4,
      class: visitors === undefined ? "tile-box none" : "tile-box",
      "fill-opacity": visitors === undefined ? 1 : 0.12 + 0.4 * share,
    });
    const number_ = text(
      x + 38.5,
      y + 34,
      visitors === undefined ? say("few") : said,
      "middle",
      visitors === undefined ? "label" : "label strong",
    );
    return svg("g", {}, titled(about), box, text(x + 38.5, y + 17, name, "middle", "label dark"), number_);
  });
  const drawing = svg("svg", { viewBox: "0 0 640 228", role: "group", "aria-label": say("t_map") }, ...boxes);
  // Countries, and what the regions of one leave.
  const elsewhereWide = wideOf("places", "visitors", "parent");
  const isRest = ([name]: [string, number]) => Number(name === OTHER || name === "");
  const lines = [...elsewhere]
    .sort((a, b) => isRest(a) - isRest(b) || b[1] - a[1])
    .map(([name, visitors]) =>
      element(
        "li",
        {
          title: aboutNumber("visitors", elsewhereWide * beside.noise),
          class: isRest([name, 0]) ? "other" : undefined,
        },
        element("span", {}, name.length === 2 ? shown("country", name) : shown("", name)),
        element("span", { class: "number" }, number(visitors)),
      ),
    );
  return element(
    "div",
    {},
    element("div", { class: "figure" }, drawing),
    element("ul", { class: "elsewhere" }, ...lines),
    element("p", { class: "note" }, say("map_note")),
  );
}
