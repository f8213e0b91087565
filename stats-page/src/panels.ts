/** The panels of the page, each with its queries (`src/stats_page/sql`). Columns and numbers are what a query answers. */

export interface Tab {
  /** The query, and the words of the tab. */
  panel: string;
  /** The words of the tab, where several have one query. */
  title?: string;
  /** The parameter `item`: itself, the chosen goal (`$goal`), or the chosen page (`$page`). */
  item?: string;
  /** How it is drawn; a table otherwise. */
  as?: "days" | "hours" | "tiles" | "steps" | "cohorts";
  /** The column that the rows are ordered and compared by; the first number otherwise. */
  by?: string;
  /** How much wider the noise of its numbers is than that of the window: of all, or by column. */
  wider?: number | Record<string, number>;
  /** The numbers are of another kind: they are not compared, and have no noise. */
  isPlain?: boolean;
}

export interface Panel {
  id: string;
  tabs: Tab[];
  isWide?: boolean;
}

const OF_VISITS = { visitors: 3, bounces: 3 };
const OF_PAGES = { visitors: 2, entries: 2, last_pages: 2 };
const VISITORS_WIDER = { visitors: 2 };
const VISITS_WIDER = { visits: 2 };

const attribute = (item: string): Tab => ({ panel: "attributes", title: item, item, wider: 2 });

export const PANELS: Panel[] = [
  { id: "totals", isWide: true, tabs: [{ panel: "totals", as: "tiles" }] },
  { id: "days", isWide: true, tabs: [{ panel: "days", as: "days" }] },
  {
    id: "sources",
    tabs: ["channels", "sources", "campaigns"].map((panel) => ({ panel, item: "$goal", wider: OF_VISITS })),
  },
  {
    id: "pages",
    tabs: [
      { panel: "pages", wider: OF_PAGES },
      { panel: "pages", title: "entries", by: "entries", wider: OF_PAGES },
      { panel: "pages", title: "last_pages", by: "last_pages", wider: OF_PAGES },
      { panel: "landings", item: "$goal", wider: OF_VISITS },
      { panel: "ways", item: "$page" },
    ],
  },
  { id: "places", tabs: ["regions", "countries"].map((panel) => ({ panel, wider: VISITS_WIDER })) },
  {
    id: "clients",
    tabs: [
      { panel: "browsers", wider: VISITS_WIDER },
      { panel: "devices", wider: VISITS_WIDER },
      { ...attribute("screen_size"), title: "screen" },
      attribute("languages"),
      attribute("provider"),
      attribute("time_zone"),
    ],
  },
  {
    id: "goals",
    tabs: [
      { panel: "goals" },
      { panel: "funnels", as: "steps" },
      { panel: "experiments" },
      { panel: "declared", wider: VISITORS_WIDER },
    ],
  },
  { id: "flow", tabs: [{ panel: "flow" }] },
  { id: "hours", tabs: [{ panel: "hours", as: "hours" }] },
  { id: "visits", tabs: [{ panel: "length" }, { panel: "depth" }] },
  { id: "returning", tabs: [{ panel: "recency" }, { panel: "retention", as: "cohorts" }] },
  {
    id: "content",
    tabs: ["searches", "outbound", "errors"].map((panel) => ({ panel, wider: VISITORS_WIDER })),
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
