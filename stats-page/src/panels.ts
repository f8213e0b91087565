/** The panels of the page, each with its queries (`src/stats_page/sql`). Columns and numbers are what a query answers. */
import type { Published } from "./noise";

export interface Tab {
  /** The query, and the words of the tab. */
  panel: string;
  /** The stats table of its numbers: it says how wide their noise is. */
  table: Published;
  /** The words of the tab, where several have one query. */
  title?: string;
  /** The parameter `item`: itself, the chosen goal (`$goal`), or the chosen page (`$page`). */
  item?: string;
  /** How it is drawn; a table otherwise. */
  as?: "days" | "hours" | "today" | "tiles" | "steps" | "cohorts" | "ways" | "map";
  /** The column that the rows are ordered and compared by; the first number otherwise. */
  by?: string;
  /** Shares and means, each in the place of a number that it divides. */
  ratios?: Ratio[];
  /** A row's part of all rows says nothing, or the table is wide without it. */
  isShareless?: boolean;
  /** Each row is the sum of what lies beneath it, of a channel or a country. */
  isSum?: boolean;
  /** The numbers are of another kind: they are not compared, and have no noise. */
  isPlain?: boolean;
}

/** A number divided by another one of its row. */
export interface Ratio {
  name: string;
  part: string;
  of: string;
  isPercent?: boolean;
  /** The part is shown, too. */
  isBeside?: boolean;
}

export interface Panel {
  id: string;
  tabs: Tab[];
  isWide?: boolean;
}

const BOUNCE_RATE: Ratio = { name: "bounce_rate", part: "bounces", of: "visits", isPercent: true };
const CONVERSION: Ratio = { name: "rate", part: "converted", of: "visits", isPercent: true, isBeside: true };
const READ: Ratio = { name: "seconds_a_view", part: "engaged_s", of: "views" };
const DEVICES: Ratio = {
  name: "of_devices",
  part: "visitors",
  of: "devices",
  isPercent: true,
  isBeside: true,
};

const attribute = (item: string): Tab => ({
  panel: "attributes",
  table: "attributes",
  title: item,
  item,
  ratios: [DEVICES],
  isShareless: true,
});

export const PANELS: Panel[] = [
  { id: "totals", isWide: true, tabs: [{ panel: "totals", table: "site", as: "tiles" }] },
  { id: "days", isWide: true, tabs: [{ panel: "days", table: "site", as: "days" }] },
  {
    id: "sources",
    tabs: ["channels", "sources", "campaigns"].map((panel) => ({
      panel,
      table: panel === "campaigns" ? "campaigns" : "entries",
      item: "$goal",
      ratios: [BOUNCE_RATE, CONVERSION],
      isSum: panel === "channels",
      isShareless: panel === "campaigns",
    })),
  },
  {
    id: "places",
    tabs: [
      { panel: "regions", table: "places", title: "map", as: "map" },
      { panel: "regions", table: "places" },
      { panel: "countries", table: "places", isSum: true },
    ],
  },
  {
    id: "pages",
    isWide: true,
    tabs: [
      { panel: "pages", table: "pages", ratios: [READ] },
      { panel: "sections", table: "pages", isSum: true },
      { panel: "pages", table: "pages", title: "entries", by: "entries", ratios: [READ] },
      { panel: "pages", table: "pages", title: "last_pages", by: "last_pages", ratios: [READ] },
      {
        panel: "landings",
        table: "landings",
        item: "$goal",
        ratios: [BOUNCE_RATE, CONVERSION],
        isShareless: true,
      },
    ],
  },
  {
    id: "clients",
    tabs: [
      { panel: "browsers", table: "clients" },
      { panel: "devices", table: "devices" },
      attribute("model"),
      attribute("os_version"),
      { ...attribute("screen_size"), title: "screen" },
      attribute("languages"),
      attribute("provider"),
      attribute("time_zone"),
    ],
  },
  {
    id: "goals",
    tabs: [
      { panel: "goals", table: "site", ratios: [CONVERSION], isShareless: true },
      { panel: "funnels", table: "funnels", as: "steps" },
      { panel: "experiments", table: "experiments", ratios: [CONVERSION], isShareless: true },
      { panel: "declared", table: "events" },
    ],
  },
  {
    id: "flow",
    tabs: [
      { panel: "ways", table: "transitions", title: "picture", item: "$page", as: "ways" },
      { panel: "flow", table: "transitions" },
    ],
  },
  {
    id: "hours",
    tabs: [
      { panel: "hours", table: "hours", as: "hours" },
      { panel: "today", table: "hours", as: "today", isPlain: true },
    ],
  },
  {
    id: "visits",
    // A length is a sum over eight numbers of pages at most, whose noise together is hardly less wide than that of a parent.
    tabs: ["length", "depth"].map((panel) => ({ panel, table: "visits", isSum: true })),
  },
  {
    id: "returning",
    tabs: [
      { panel: "recency", table: "recency" },
      { panel: "retention", table: "retention", as: "cohorts" },
    ],
  },
  {
    id: "content",
    isWide: true,
    tabs: [
      { panel: "searches", table: "searches" },
      { panel: "outbound", table: "exits" },
      { panel: "errors", table: "errors", isShareless: true },
    ],
  },
  {
    id: "trust",
    isWide: true,
    tabs: [
      { panel: "trust", table: "publications", isPlain: true },
      { panel: "bots", table: "automation" },
      { panel: "outcomes", table: "quality" },
    ],
  },
];
