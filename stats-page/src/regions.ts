/** The regions of Kazakhstan as a grid of tiles: where each lies, roughly, and what databases of addresses call it. */
import { languageNow } from "./words";

export interface Tile {
  column: number;
  row: number;
  name: string;
}

/** The begin of the name without accents, [column, row], and the name in English, Russian and Kazakh. */
const REGIONS: [RegExp, number, number, string, string, string][] = [
  [/^(north|severo|soltustik)/, 4, 0, "North", "Север", "Солтүстік"],
  [/^(ko|qo|ku)stana/, 3, 1, "Kostanay", "Костанай", "Қостанай"],
  [/^a[kq]mol/, 4, 1, "Akmola", "Акмола", "Ақмола"],
  [/^(astana|nur)/, 5, 1, "Astana", "Астана", "Астана"],
  [/^pavlodar/, 6, 1, "Pavlodar", "Павлодар", "Павлодар"],
  [/^(west|zapadn|batys)/, 0, 2, "West", "Запад", "Батыс"],
  [/^a[kq]t(o|yu|iu)b/, 2, 2, "Aktobe", "Актобе", "Ақтөбе"],
  [/^(ulyt|ulut|ulit)/, 4, 2, "Ulytau", "Улытау", "Ұлытау"],
  [/^[kq]ara?g/, 5, 2, "Karaganda", "Караганда", "Қарағанды"],
  [/^aba[iy]/, 6, 2, "Abai", "Абай", "Абай"],
  [/^(east|vosto|shyghys)/, 7, 2, "East", "Восток", "Шығыс"],
  [/^atyra/, 1, 3, "Atyrau", "Атырау", "Атырау"],
  [/^[kq][yi]?z[yi]l/, 3, 3, "Kyzylorda", "Кызылорда", "Қызылорда"],
  [/^(zh?|j)am?b/, 5, 3, "Zhambyl", "Жамбыл", "Жамбыл"],
  [
    /^almat(y|inskaya) ?(region|obl|province)|^almatinsk/,
    6,
    3,
    "Almaty Region",
    "Алматинская",
    "Алматы обл.",
  ],
  [/^(zhet|jet|zhyt)/, 7, 3, "Zhetysu", "Жетысу", "Жетісу"],
  [/^mang/, 0, 4, "Mangystau", "Мангистау", "Маңғыстау"],
  [/^(turk[ie]s|south|yuzhn)/, 3, 4, "Turkistan", "Туркестан", "Түркістан"],
  [/^(shym|chim)/, 4, 4, "Shymkent", "Шымкент", "Шымкент"],
  [/^almaty/, 6, 4, "Almaty", "Алматы", "Алматы"],
];

const named = ([, column, row, en, ru, kk]: (typeof REGIONS)[number]): Tile => {
  const language = languageNow();
  return { column, row, name: language === "ru" ? ru : language === "kk" ? kk : en };
};

export const tiles = (): Tile[] => REGIONS.map(named);

/** A region's name in nine letters or fewer. */
export const short = (name: string): string => {
  const [first = "", second] = name.split(" ");
  if (second) return `${first.slice(0, 3)}. ${second.slice(0, 4)}`;
  return first.length > 9 ? `${first.slice(0, 7)}.` : first;
};

/** The tile of a region by its name in a database of addresses. */
export function tileOf(region: string): Tile | undefined {
  const plain = region
    .normalize("NFD")
    .replace(/[\u0300-\u036f'ʼ’]/g, "")
    .toLowerCase();
  const found = REGIONS.find(([name]) => name.test(plain));
  return found && named(found);
}
