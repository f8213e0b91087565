/** The panels of the page, each with its queries (`src/stats_page/sql`). Columns and numbers are what a query answers. */

export interface Tab {
  /** The query, and the words of the tab. */
  panel: string;
  /** The words of the tab, where several have one query. */
  title?: string;
  /** The parameter `item`: itself, the chosen goal (`$goal`), or the chosen page (`$page`). */
  item?: string;
  /** How it is drawn; a table otherwise. */
  as?: "days" | "hours" | "today" | "tiles" | "steps" | "cohorts" | "ways" | "map";
  /** The column that the rows are ordered and compared by; the first number otherwise. */
  by?: string;
  /** How much wider the noise of its numbers is than that of the window: of all, or by column. */
  wider?: number | Record<string, number>;
  /** Shares and means, each in the place of a number that it divides. */
  ratios?: Ratio[];
  /** Each row is the sum of what lies beneath it, a channel or a country, with noise three times as wide. */
  isSum?: boolean;
  /** The numbers are of another kind: they are not compared, and have no noise. */
  isPlain?: boolean;
}

/** A number divided by another one of its row. */
export interface Ratio {
  name: string;
  part: string;
  of: string;
  /** How much wider the noise of the part is; without it that of its column. */
  wider?: number;
  isPercent?: boolean;
  /** The part is shown, too. */
  isBeside?: boolean;
}

export interface Panel {
  id: string;
  tabs: Tab[];
  isWide?: boolean;
}

const OF_VISITS = { visitors: 7, bounces: 3 };
const BOUNCE_RATE: Ratio = { name: "bounce_rate", part: "bounces", of: "visits", isPercent: true };
const CONVERSION: Ratio = { name: "rate", part: "converted", of: "visits", isPercent: true, isBeside: true };
const READ: Ratio = { name: "seconds_a_view", part: "engaged_s", of: "views", wider: 360 };
const DEVICES: Ratio = {
  name: "of_devices",
  part: "visitors",
  of: "devices",
  isPercent: true,
  isBeside: true,
};
const OF_PAGES = 2;
const COUNTS_WIDER = { count: 2, clicks: 2 };
const VISITS_WIDER = { visits: 2 };

const attribute = (item: string): Tab => ({
  panel: "attributes",
  title: item,
  item,
  wider: 2,
  ratios: [DEVICES],
});

export const PANELS: Panel[] = [
  { id: "totals", isWide: true, tabs: [{ panel: "totals", as: "tiles" }] },
  { id: "days", isWide: true, tabs: [{ panel: "days", as: "days" }] },
  {
    id: "sources",
    tabs: ["channels", "sources", "campaigns"].map((panel) => ({
      panel,
      item: "$goal",
      wider: OF_VISITS,
      ratios: [BOUNCE_RATE, CONVERSION],
      isSum: panel === "channels",
    })),
  },
  {
    id: "pages",
    tabs: [
      { panel: "pages", wider: OF_PAGES, ratios: [READ] },
      { panel: "sections", wider: { views: 4, unnamed_percent: 0 } },
      { panel: "pages", title: "entries", by: "entries", wider: OF_PAGES, ratios: [READ] },
      { panel: "pages", title: "last_pages", by: "last_pages", wider: OF_PAGES, ratios: [READ] },
      { panel: "landings", item: "$goal", wider: OF_VISITS, ratios: [BOUNCE_RATE, CONVERSION] },
    ],
  },
  {
    id: "places",
    tabs: [
      { panel: "regions", title: "map", as: "map" },
      { panel: "regions", wider: VISITS_WIDER },
      { panel: "countries", wider: VISITS_WIDER, isSum: true },
    ],
  },
  {
    id: "clients",
    tabs: [
      { panel: "browsers", wider: VISITS_WIDER },
      { panel: "devices", wider: VISITS_WIDER },
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
      { panel: "goals", wider: VISITS_WIDER, ratios: [CONVERSION] },
      { panel: "funnels", as: "steps" },
      { panel: "experiments", wider: VISITS_WIDER, ratios: [CONVERSION] },
      { panel: "declared", wider: COUNTS_WIDER },
    ],
  },
  {
    id: "flow",
    tabs: [
      { panel: "ways", title: "picture", item: "$page", as: "ways", wider: 2 },
      { panel: "flow", wider: 2 },
    ],
  },
  {
    id: "hours",
    tabs: [
      { panel: "hours", as: "hours" },
      { panel: "today", as: "today", isPlain: true },
    ],
  },
  { id: "visits", tabs: [{ panel: "length" }, { panel: "depth" }] },
  { id: "returning", tabs: [{ panel: "recency" }, { panel: "retention", as: "cohorts" }] },
  {
    id: "content",
    tabs: [
      ...["searches", "outbound"].map((panel) => ({ panel, wider: COUNTS_WIDER })),
      { panel: "errors", wider: 2 },
    ],
  },
  {
    id: "trust",
    isWide: true,
    tabs: [
      { panel: "trust", isPlain: true },
      { panel: "bots", wider: 10 },
      { panel: "outcomes", wider: 3 },
    ],
  },
];
