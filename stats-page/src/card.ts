/** A panel as a card: its tabs, what it shows, and its statement and CSV. It asks when it comes into view. */
import { drawDays } from "./chart";
import { element } from "./dom";
import { drawMap, drawWays } from "./drawings";
import { drawCohorts, drawHours, drawSteps, drawTiles, drawToday } from "./figures";
import type { Panel, Tab } from "./panels";
import { compared, type View } from "./period";
import { type Cell, type Note, type Question, Refused, rows, statement, type Table } from "./server";
import { asCsv, type Beside, drawTable } from "./table";
import { say, sayOf, type Word } from "./words";

/** What a card knows of the page. */
export interface Around {
  view: View;
  /** The first day that is published. */
  firstDay: string;
  /** The time zone of the site's days. */
  zone: string;
  /** What happened in the period. */
  notes: Note[];
  /** The page whose ways are shown. */
  path: string;
  choosePath: (path: string) => void;
  refused: (word: string) => void;
}

const chosen = new Map<string, number>();

/** The event at which a card asks, also out of view. */
const ASK = "ask";

/** All cards ask, for a sheet of paper shows all. Ends when they are answered. */
export async function askAll(): Promise<void> {
  for (const made of document.querySelectorAll(".card")) made.dispatchEvent(new Event(ASK));
  while (document.querySelector(".content[aria-busy]")) await new Promise((soon) => setTimeout(soon, 50));
}

const titleOf = (tab: Tab) => say(`t_${tab.title ?? tab.panel}` as Word);

export function card(panel: Panel, around: Around): HTMLElement {
  const title = element("h2", { id: `p-${panel.id}` }, say(`p_${panel.id}` as Word));
  const content = element(
    "div",
    { class: "content", tabindex: "0", role: "group", "aria-labelledby": `p-${panel.id}` },
    element("p", { class: "note" }, say("loading")),
  );
  const tools = element("div", { class: "tools" });
  let open = Math.min(chosen.get(panel.id) ?? 0, panel.tabs.length - 1);
  const show = () => {
    const tab = panel.tabs[open];
    if (tab) void fill(tab, content, tools, around);
  };
  const buttons = panel.tabs.map((tab, at) =>
    element(
      "button",
      { type: "button", class: "tab", onclick: () => turn(at) },
      panel.tabs.length > 1 ? titleOf(tab) : "",
    ),
  );
  const mark = () => {
    for (const [at, button] of buttons.entries()) button.setAttribute("aria-pressed", String(at === open));
  };
  const turn = (at: number) => {
    open = at;
    chosen.set(panel.id, at);
    mark();
    show();
  };
  mark();
  const head = element(
    "header",
    {},
    title,
    panel.tabs.length > 1 &&
      element("div", { class: "tabs", role: "group", "aria-labelledby": `p-${panel.id}` }, ...buttons),
    tools,
  );
  const made = element(
    "section",
    { class: panel.isWide ? "card wide" : "card", "aria-labelledby": `p-${panel.id}`, id: panel.id },
    head,
    content,
  );
  // A busy browser says at once that a card was out of view and that it is in view.
  const watcher = new IntersectionObserver(
    (entries) => entries.some(({ isIntersecting }) => isIntersecting) && ask(),
    { rootMargin: "200px" },
  );
  const ask = () => {
    watcher.disconnect();
    if (!content.dataset.asked) show();
  };
  watcher.observe(made);
  made.addEventListener(ASK, ask);
  return made;
}

/** Opens a tab of a panel, the next time that it is drawn. */
export const openTab = (panel: string, at: number) => chosen.set(panel, at);

async function fill(tab: Tab, content: HTMLElement, tools: HTMLElement, around: Around): Promise<void> {
  const { view } = around;
  const item = tab.item === "$goal" ? view.goal : tab.item === "$page" ? around.path : (tab.item ?? "");
  const asked: Question = { panel: tab.panel, site: view.site, from: view.from, to: view.to, item };
  const stamp = JSON.stringify([asked, Math.random()]);
  content.dataset.asked = stamp;
  content.setAttribute("aria-busy", "true");
  try {
    const [table, beside] = await Promise.all([rows(asked), besides(tab, asked, around)]);
    if (content.dataset.asked !== stamp) return;
    content.replaceChildren(draw(tab, table, beside, around.notes));
    tools.replaceChildren(...toolsOf(tab, asked, table, around.zone));
  } catch (error) {
    if (content.dataset.asked !== stamp) return;
    const word = error instanceof Refused ? error.word : "request";
    if (word === "session" || word === "password") around.refused(word);
    const again = element(
      "button",
      { type: "button", onclick: () => void fill(tab, content, tools, around) },
      say("again"),
    );
    content.replaceChildren(element("p", { class: "note" }, sayOf(`e_${word}`), " ", again));
  } finally {
    if (content.dataset.asked === stamp) content.removeAttribute("aria-busy");
  }
}

/** The noise of the period, and the same question about the period before. */
async function besides(tab: Tab, asked: Question, around: Around): Promise<Beside> {
  const then = compared(around.view, around.firstDay);
  const before = then && { ...asked, ...then };
  const noise = async (question: Question) => {
    const { columns, rows: found } = await rows({ ...question, panel: "totals", item: "" });
    return ["noise", "goals_declared"].map((of) =>
      Number(found[0]?.[columns.findIndex(({ name }) => name === of)] ?? 0),
    );
  };
  const [of, [noiseOf = 0, goalsDeclared = 0], [noiseBefore = 0]] = await Promise.all([
    before && !tab.isPlain ? rows(before) : undefined,
    noise(asked),
    before ? noise(before) : [],
  ]);
  return {
    before: of,
    noise: noiseOf,
    noiseBefore,
    goalsDeclared,
    goal: around.view.goal,
    onPage: around.choosePath,
  };
}

function draw(tab: Tab, table: Table, beside: Beside, notes: Note[]): HTMLElement {
  // Of a site without numbers, tiles and days still have the windows and their noise.
  const counts = table.columns.flatMap(({ name }, at) =>
    /^(views|visits|visitors)$/.test(name) ? [at] : [],
  );
  const isBare = (row: Cell[]) => counts.every((at) => row[at] === null || row[at] === 0);
  const isEmpty = tab.as === "tiles" || tab.as === "days" ? table.rows.every(isBare) : !table.rows.length;
  if (isEmpty) return element("p", { class: "note empty" }, say("empty"));
  switch (tab.as) {
    case "tiles":
      return drawTiles(table, beside);
    case "days":
      return drawDays(table, beside.before, notes);
    case "hours":
      return drawHours(table, beside);
    case "today":
      return drawToday(table);
    case "steps":
      return drawSteps(table, beside);
    case "ways":
      return drawWays(table, beside);
    case "map":
      return drawMap(table, beside);
    case "cohorts":
      return drawCohorts(table);
    default:
      return drawTable(table, tab, beside);
  }
}

function toolsOf(tab: Tab, asked: Question, table: Table, zone: string): HTMLElement[] {
  const name = `${asked.site} ${tab.title ?? tab.panel} ${asked.from}.csv`;
  const save = () => {
    const href = URL.createObjectURL(new Blob(["\ufeff", asCsv(table)], { type: "text/csv" }));
    element("a", { href, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(href), 10_000);
  };
  return [
    element(
      "button",
      { type: "button", class: "tool", title: say("sql_is"), onclick: () => void showStatement(asked, zone) },
      "SQL",
    ),
    element("button", { type: "button", class: "tool", title: say("csv_is"), onclick: save }, "CSV"),
  ];
}

/** The statement behind a panel, with its parameters filled in as SQL texts. */
async function showStatement(asked: Question, zone: string): Promise<void> {
  const dialog = element("dialog", { "aria-label": "SQL" }) as HTMLDialogElement;
  const sql = await statement(asked.panel).catch((error) => sayOf(`e_${(error as Refused).word}`));
  const parameters = Object.entries({ ...asked, zone }).filter(([key]) => sql.includes(`{${key}:`));
  const text = `${parameters.map(([key, value]) => `-- ${key} = '${value.replaceAll("\n", " ")}'`).join("\n")}\n${sql}`;
  const copy = () => void navigator.clipboard?.writeText(text);
  const shut = () => dialog.close();
  dialog.append(
    element("pre", { tabindex: "0" }, text),
    element("button", { type: "button", onclick: copy }, say("copy")),
    element("button", { type: "button", onclick: shut }, say("close")),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
