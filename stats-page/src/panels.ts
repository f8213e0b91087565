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
  /** How much wider the noise of its numbers is than that of the window. */
  wider?: number;
  /** The numbers are of another kind: they are not compared, and have no noise. */
  isPlain?: boolean;
}

export interface Panel {
  id: string;
  tabs: Tab[];
  isWide?: boolean;
}

const attribute = (item: string): Tab => ({ panel: "attributes", title: item, item, wider: 2 });

export const PANELS: Panel[] = [
  { id: "totals", isWide: true, tabs: [{ panel: "totals", as: "tiles" }] },
  { id: "days", isWide: true, tabs: [{ panel: "days", as: "days" }] },
  {
    id: "sources",
    tabs: ["channels", "sources", "campaigns"].map((panel) => ({ panel, item: "$goal" })),
  },
  {
    id: "pages",
    tabs: [
      { panel: "pages" },
      { panel: "pages", title: "entries", by: "entries" },
      { panel: "pages", title: "last_pages", by: "last_pages" },
      { panel: "landings", item: "$goal" },
      { panel: "ways", item: "$page" },
    ],
  },
  { id: "places", tabs: [{ panel: "regions" }, { panel: "countries" }] },
  {
    id: "clients",
    tabs: [
      { panel: "browsers" },
      { panel: "devices" },
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
      { panel: "declared" },
    ],
  },
  { id: "flow", tabs: [{ panel: "flow" }] },
  { id: "hours", tabs: [{ panel: "hours", as: "hours", wider: 3 }] },
  { id: "visits", tabs: [{ panel: "length" }, { panel: "depth" }] },
  { id: "returning", tabs: [{ panel: "recency" }, { panel: "retention", as: "cohorts" }] },
  { id: "content", tabs: [{ panel: "searches" }, { panel: "outbound" }, { panel: "errors" }] },
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
