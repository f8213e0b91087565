/** The page: signing in, what is looked at, and the cards of the panels. */
import { type Around, askAll, card, openTab } from "./card";
import { redrawGraphs } from "./chart";
import { coded, element } from "./dom";
import { PANELS } from "./panels";
import { addressOf, compared, dayOf, plusDays, type View, viewOf } from "./period";
import { type Account, account, forget, Refused, rows, signIn, signOut } from "./server";
import { explain, LANGUAGES, type Language, preferred, say, sayOf, speak, type Word } from "./words";

const THEMES = ["auto", "light", "dark"] as const;

const kept = {
  read: (key: string) => {
    try {
      return localStorage.getItem(`tamga-stats-${key}`);
    } catch {
      return null;
    }
  },
  write: (key: string, value: string) => {
    try {
      localStorage.setItem(`tamga-stats-${key}`, value);
    } catch {
      // Storage is off. The choice lasts as long as the page.
    }
  },
};

function setTheme(theme: string) {
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  redrawGraphs();
}

let who: Account | undefined;
let path = "";

async function start(word = "") {
  try {
    who = await account();
  } catch (error) {
    who = undefined;
    const refused = error instanceof Refused ? error.word : "network";
    return showSignIn(refused === "session" ? word : refused);
  }
  show();
}

const select = (
  label: string,
  value: string,
  options: [string, string][],
  onChange: (value: string) => void,
) =>
  element(
    "label",
    {},
    element("span", {}, label),
    element(
      "select",
      { onchange: (event) => onChange((event.target as HTMLSelectElement).value) },
      ...options.map(([key, text]) => element("option", { value: key, selected: key === value }, text)),
    ),
  );

/** Language and theme: they change the page at once and are kept in this browser. */
function tastes(again: () => void): HTMLElement[] {
  const language = document.documentElement.lang;
  const theme = document.documentElement.dataset.theme ?? "auto";
  return [
    select(say("language"), language, LANGUAGES, (code) => {
      kept.write("language", code);
      speak(code as Language);
      again();
    }),
    select(
      say("theme"),
      theme,
      THEMES.map((name) => [name, say(`theme_${name}` as Word)]),
      (name) => {
        kept.write("theme", name);
        setTheme(name);
      },
    ),
  ];
}

function showSignIn(word: string) {
  document.title = `Tamga · ${say("sign_in")}`;
  const name = element("input", {
    id: "name",
    name: "name",
    autocomplete: "username",
    required: true,
  }) as HTMLInputElement;
  const password = element("input", {
    id: "password",
    type: "password",
    autocomplete: "current-password",
    required: true,
  }) as HTMLInputElement;
  const trouble = element("p", { class: "trouble", role: "alert" }, word ? sayOf(`e_${word}`) : "");
  const button = element("button", { type: "submit" }, say("sign_in")) as HTMLButtonElement;
  const send = async (event: Event) => {
    event.preventDefault();
    button.disabled = true;
    trouble.textContent = "";
    try {
      await signIn(name.value, password.value);
      forget();
      await start();
    } catch (error) {
      trouble.textContent = sayOf(`e_${error instanceof Refused ? error.word : "network"}`);
      password.value = "";
      password.focus();
    } finally {
      button.disabled = false;
    }
  };
  const form = element(
    "form",
    { onsubmit: (event) => void send(event) },
    element("label", { for: "name" }, say("account")),
    name,
    element("label", { for: "password" }, say("password")),
    password,
    button,
    element("p", { class: "note" }, ...coded(say("who"))),
  );
  // A password is typed only where nobody can read it on its way.
  const inside = window.isSecureContext ? form : element("p", { class: "trouble" }, say("not_secure"));
  document.body.replaceChildren(
    element(
      "main",
      { class: "door" },
      element("h1", {}, "Tamga"),
      element("p", {}, say("about")),
      trouble,
      inside,
      element("div", { class: "tastes" }, ...tastes(() => showSignIn(word))),
    ),
  );
  name.focus();
}

function show() {
  const account = who;
  if (!account) return;
  const view = viewOf(location.search, account.sites);
  document.title = `Tamga · ${view.site}`;
  const go = (change: Partial<View>) => {
    history.pushState(null, "", addressOf({ ...view, ...change }));
    show();
  };
  const seen = account.sites.find(({ site }) => site === view.site);
  const firstDay = seen ? dayOf(seen.first, seen.zone) : "";
  const isLonely = view.compare !== "no" && seen !== undefined && !compared(view, firstDay);
  const around: Around = {
    view,
    firstDay,
    zone: seen?.zone ?? "",
    notes: (seen?.notes ?? []).filter(({ day }) => view.from <= day && day < view.to),
    path,
    choosePath: (chosen) => {
      path = chosen;
      openTab("flow", 0);
      show();
      document.querySelector("#flow")?.scrollIntoView({ block: "nearest" });
    },
    refused: (word) => void start(word),
  };
  const cards = account.sites.length
    ? PANELS.map((panel) => card(panel, around))
    : [element("p", { class: "note" }, say("no_site"))];
  const scrolled = window.scrollY;
  document.body.replaceChildren(
    element("a", { href: "#numbers", class: "skip" }, say("to_content")),
    element(
      "header",
      { class: "top" },
      element("h1", {}, "Tamga", element("small", {}, say("title"))),
      element("div", { class: "controls" }, ...controls(account, view, go)),
      element(
        "div",
        { class: "tastes" },
        ...tastes(show),
        element("button", { type: "button", onclick: () => void askAll().then(() => print()) }, say("print")),
        element("button", { type: "button", class: "leave", onclick: () => void leave() }, say("sign_out")),
      ),
    ),
    element(
      "main",
      { id: "numbers", class: "grid" },
      isLonely && element("p", { class: "note wide" }, say("no_before")),
      !account.notes_are_read && element("p", { class: "note wide" }, ...coded(say("no_notes"))),
      account.sites.length > 0 && guide(),
      ...cards,
    ),
    element("footer", {}, element("p", { class: "note" }, say("about"))),
  );
  window.scrollTo(0, scrolled);
  void offerGoals(view, go);
}

const GUIDE =
  "visitors visits views new_visitors count_only_views bounces duration engaged entries last_pages reached rate".split(
    " ",
  );

/** What the page says of its numbers when they are pointed at, for those who have nothing to point with. */
const guide = () =>
  element(
    "details",
    { class: "guide wide" },
    element("summary", {}, say("guide")),
    element("p", {}, say("guide_noise")),
    element(
      "dl",
      {},
      ...GUIDE.flatMap((name) => [element("dt", {}, sayOf(name)), element("dd", {}, explain(name))]),
    ),
  );

async function leave() {
  await signOut().catch(() => undefined);
  forget();
  await start();
}

function controls(account: Account, view: View, go: (change: Partial<View>) => void): HTMLElement[] {
  const end = viewOf(`?site=${encodeURIComponent(view.site)}`, account.sites).to;
  const lengths: [string, string][] = [7, 30, 90, 365].map((n) => [String(n), say("last", { n: String(n) })]);
  const isLast = view.to === end && lengths.find(([n]) => plusDays(end, -Number(n)) === view.from);
  const day = (label: string, value: string, onDay: (day: string) => void) =>
    element(
      "label",
      {},
      element("span", {}, label),
      element("input", {
        type: "date",
        value,
        onchange: (event) => {
          const day = (event.target as HTMLInputElement).value;
          if (day) onDay(day);
        },
      }),
    );
  return [
    select(
      say("site"),
      view.site,
      account.sites.map(({ site }) => [site, site]),
      (site) => {
        path = "";
        history.pushState(null, "", `?${new URLSearchParams({ site, compare: view.compare })}`);
        show();
      },
    ),
    select(say("period"), isLast ? isLast[0] : "", isLast ? lengths : [["", "…"], ...lengths], (n) => {
      if (n) go({ to: end, from: plusDays(end, -Number(n)) });
    }),
    day(say("from"), view.from, (from) => go({ from, to: from < view.to ? view.to : plusDays(from, 1) })),
    day(say("to"), plusDays(view.to, -1), (last) => {
      const to = plusDays(last, 1);
      go({ to, from: view.from < to ? view.from : last });
    }),
    select(
      say("compare"),
      view.compare,
      (["before", "year", "no"] as const).map((key) => [key, say(`compare_${key}`)]),
      (compare) => go({ compare: compare as View["compare"] }),
    ),
  ];
}

/** A choice of goals, where the site has declared some. */
async function offerGoals(view: View, go: (change: Partial<View>) => void) {
  // Of the page as it is now: when the answer comes, another period may be shown.
  const place = document.querySelector(".controls");
  const asked = { panel: "goals", site: view.site, from: view.from, to: view.to, item: "" };
  const { rows: goals } = await rows(asked).catch(() => ({ rows: [] }));
  const names = goals.map(([goal]) => String(goal));
  if (!names.length) return;
  if (!place?.isConnected || place.querySelector(".goal")) return;
  const choice = select(
    say("goal"),
    view.goal,
    [["", "–"], ...names.map((name): [string, string] => [name, name])],
    (goal) => go({ goal }),
  );
  choice.classList.add("goal");
  place.append(choice);
}

speak(preferred(kept.read("language")));
setTheme(kept.read("theme") ?? "auto");
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawGraphs);
addEventListener("popstate", show);

// Paper is light, and canvases have the colours that they were made with.
let themeOnScreen = "auto";
addEventListener("beforeprint", () => {
  themeOnScreen = document.documentElement.dataset.theme ?? "auto";
  setTheme("light");
  void askAll();
});
addEventListener("afterprint", () => setTheme(themeOnScreen));
void start();
