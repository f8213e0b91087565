import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { pieces } from "../src/dom";
import { number } from "../src/format";
import { wideOf } from "../src/noise";
import { PANELS } from "../src/panels";
import { addressOf, compared, dayOf, daysBetween, plusDays, type View, viewOf } from "../src/period";
import { short, tileOf } from "../src/regions";
import { aboutNumber, asCsv, cut, ratioNoise } from "../src/table";

const SITES = [
  { site: "a.kz", zone: "Asia/Almaty", first: 0, end: Date.UTC(2026, 10, 28, 19) / 1000, notes: [] },
  { site: "b.kz", zone: "UTC", first: 0, end: Date.UTC(2026, 10, 20) / 1000, notes: [] },
];

test("days are the site's own", () => {
  assert.equal(dayOf(Date.UTC(2026, 10, 28, 18, 59) / 1000, "Asia/Almaty"), "2026-11-28");
  assert.equal(dayOf(Date.UTC(2026, 10, 28, 19, 0) / 1000, "Asia/Almaty"), "2026-11-29");
  assert.equal(plusDays("2026-02-28", 1), "2026-03-01");
  assert.equal(daysBetween("2026-02-28", "2026-03-02"), 2);
});

test("an empty or wrong address is the last published month", () => {
  for (const address of ["", "?from=x&to=2026-99-99&compare=z&site=evil"]) {
    const view = viewOf(address, SITES);
    assert.deepEqual(view, {
      site: "a.kz",
      from: "2026-10-30",
      to: "2026-11-29",
      compare: "before",
      goal: "",
    });
  }
  assert.equal(viewOf("?from=2026-03-01&to=2026-02-01", SITES).from, "2026-01-31");
  assert.equal(viewOf("", []).site, "");
});

test("an address says what is looked at", () => {
  const view: View = { site: "b.kz", from: "2026-01-01", to: "2026-02-01", compare: "year", goal: "a&b=c" };
  assert.deepEqual(viewOf(addressOf(view), SITES), view);
});

test("the period before has the same length, the year before the same weekdays", () => {
  const view: View = { site: "a.kz", from: "2026-11-22", to: "2026-11-29", compare: "before", goal: "" };
  assert.deepEqual(compared(view, "2020-01-01"), { from: "2026-11-15", to: "2026-11-22" });
  assert.deepEqual(compared({ ...view, compare: "year" }, "2020-01-01"), {
    from: "2025-11-23",
    to: "2025-11-30",
  });
  assert.equal(compared({ ...view, compare: "no" }, "2020-01-01"), undefined);
  assert.equal(compared(view, "2026-11-16"), undefined, "a day of it was not published");
});

test("no text becomes a formula of a spreadsheet", () => {
  const columns = [
    { name: "term", isText: true },
    { name: "count", isText: false },
  ];
  const rows = [
    ['=HYPERLINK("http://evil","x")', -5],
    ["a,b\nc", null],
    ["@x", 1],
  ];
  const csv = asCsv({ columns, rows });
  assert.equal(csv, 'term,count\r\n"\'=HYPERLINK(""http://evil"",""x"")",-5\r\n"a,b\nc",\r\n\'@x,1');
});

test("a name breaks at its signs, and within a word that is longer than a line", () => {
  assert.deepEqual(pieces("/catalog/smart-phones/:id"), ["/catalog", "/smart-", "phones", "/:id"]);
  assert.deepEqual(pieces("Error: Samsung Internet"), ["Error: ", "Samsung ", "Internet"]);
  assert.deepEqual(pieces("2026-11-28 19:00"), ["2026-", "11-", "28 ", "19:00"]);
  assert.deepEqual(pieces("x".repeat(30)), ["x".repeat(24), "x".repeat(6)]);
  for (const name of ["", "/", "a_b.kz?c=d&e", "осенняя-распродажа"])
    assert.equal(pieces(name).join(""), name);
});

test("a region has a short name for a narrow screen", () => {
  assert.deepEqual(["Astana", "Almaty Region", "Алматинская"].map(short), [
    "Astana",
    "Alm. Regi",
    "Алматин.",
  ]);
});

test("a region has one tile, whatever a database of addresses calls it", () => {
  const spelled: [string, string[]][] = [
    ["Almaty", ["Almaty", "Almaty City", "Almaty Qalasy"]],
    ["Almaty Region", ["Almaty Region", "Almaty Oblysy", "Almaty Province", "Almatinskaya Oblast'"]],
    ["Mangystau", ["Mangystau Region", "Mangghystaū oblysy", "Mangistauskaya Oblast'"]],
    ["Aktobe", ["Aktobe Region", "Aqtöbe oblysy", "Aktyubinskaya Oblast'"]],
    ["Kyzylorda", ["Kyzylorda Region", "Qyzylorda oblysy", "Kzyl-Orda"]],
    ["Karaganda", ["Karaganda", "Qaraghandy oblysy", "Karagandinskaya Oblast'"]],
    ["Zhambyl", ["Zhambyl Region", "Jambyl"]],
    ["Zhetysu", ["Jetisu Region", "Zhetysu oblysy"]],
    ["Turkistan", ["Turkistan Region", "Turkestan", "South Kazakhstan"]],
    ["North", ["North Kazakhstan", "Soltustik Qazaqstan Oblysy"]],
    ["West", ["West Kazakhstan Region", "Batys Qazaqstan"]],
    ["East", ["East Kazakhstan Region", "Shyghys Qazaqstan"]],
    ["Kostanay", ["Kostanay Region", "Qostanay", "Kustanayskaya Oblast'"]],
    ["Akmola", ["Akmola Region", "Aqmola oblysy"]],
    ["Astana", ["Astana", "Nur-Sultan"]],
    ["Shymkent", ["Shymkent", "Chimkent"]],
    ["Abai", ["Abai Region", "Abay oblysy"]],
    ["Ulytau", ["Ulytau Region", "Ulytaū oblysy"]],
    ["Pavlodar", ["Pavlodar Region"]],
    ["Atyrau", ["Atyrau Region", "Atyraū oblysy"]],
  ];
  for (const [tile, names] of spelled) for (const name of names) assert.equal(tileOf(name)?.name, tile, name);
  for (const name of ["", "(other)", "Tashkent"]) assert.equal(tileOf(name), undefined, name);
});

test("a long path keeps its begin and its end", () => {
  assert.equal(cut("/short", 10), "/short");
  assert.equal(cut("/catalog/tea/green", 11), "/cata…green");
});

test("the noise of a mean is that of its parts", () => {
  assert.equal(ratioNoise(0, 100, 3, 2, 9), 0.27);
  assert.ok(Math.abs(ratioNoise(2, 100, 3, 2, 9) - 0.45) < 1e-9);
});

test("the noise of every number of a panel is known", () => {
  let known = 0;
  for (const { panel, table, as, isPlain, isSum } of PANELS.flatMap(({ tabs }) => tabs)) {
    if (as === "days" || as === "tiles" || isPlain) continue;
    const sql = readFileSync(`../src/stats_page/sql/${panel}.sql`, "utf8");
    for (const [, name = ""] of sql.matchAll(/\bsum\([^)]*\) AS (\w+)/g)) {
      const aliases: Record<string, string> = { reached: "visits" };
      const column = name === "converted" && table !== "experiments" ? "goals" : (aliases[name] ?? name);
      assert.ok(wideOf(table, column, isSum ? "parent" : "row") > 0 || name === "moves", `${panel}: ${name}`);
      known++;
    }
  }
  assert.ok(known > 50, `${known} numbers`);
});

test("the noise of goals grows with their number, and that of steps with theirs", () => {
  for (const list of [1, 2, 8].map((at) => [
    wideOf("entries", "goals", "row", at),
    wideOf("funnels", "visits", "row", at),
  ]))
    assert.ok(list.every((wide) => wide >= 1));
  assert.ok(wideOf("entries", "goals", "row", 8) > wideOf("entries", "goals", "row", 1));
  assert.equal(
    wideOf("entries", "goals", "row", 0),
    wideOf("entries", "goals"),
    "without goals nothing is shown",
  );
  assert.equal(wideOf("pages", "unnamed_percent", "parent"), 0);
});

test("numbers of a column stand below each other, and none is −0", () => {
  assert.deepEqual(
    [3, 20.94, -0.04, 9.96].map((value) => number(value, 1)),
    ["3.0", "20.9", "0.0", "10.0"],
  );
  assert.deepEqual(
    [-0.4, -120, 1234].map((value) => number(value)),
    ["0", "−120", "1,234"],
  );
});

test("a number below 0 says why it is", () => {
  assert.match(aboutNumber("views", 9, -7), /±18 .* the true number is 0/);
  assert.doesNotMatch(aboutNumber("views", 9, 7), /the true number is 0/);
});
