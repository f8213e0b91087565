/** Numbers, dates and countries, as the language of the page writes them. */
import { languageNow } from "./words";

const formats = new Map<string, Intl.NumberFormat>();

/** A number with so many digits after its point, so that the numbers of a column stand below each other. */
export function number(value: number, digits = 0): string {
  const key = `${languageNow()}${digits}`;
  const made = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  const known = formats.get(key) ?? new Intl.NumberFormat(locale(), made);
  formats.set(key, known);
  // Rounding gives no −0, and a minus is as wide as a plus.
  return known
    .format(value)
    .replace(/^[-−](0([.,]0+)?)$/, "$1")
    .replace("-", "−");
}

// Some browsers take Kazakh and know none of its words.
const KNOWS_KAZAKH = /[а-я]/i.test(new Intl.DateTimeFormat("kk", { month: "long" }).format(0));

/** The language of numbers and names. Where Kazakh is not known, numbers and countries are as in Russian. */
const locale = () => (languageNow() === "kk" && !KNOWS_KAZAKH ? "ru" : languageNow());

const KAZAKH_MONTHS = "қаң. ақп. нау. сәу. мам. мау. шіл. там. қыр. қаз. қар. жел.".split(" ");
const KAZAKH_WEEKDAYS = "жс дс сс ср бс жм сб".split(" ");

/** A date of UTC, by its weekday, its day and month, or both. */
export function dated(date: Date, weekday: boolean, day: boolean): string {
  if (locale() !== languageNow()) {
    const [name, month] = [KAZAKH_WEEKDAYS[date.getUTCDay()], KAZAKH_MONTHS[date.getUTCMonth()]];
    return [weekday && name, day && `${date.getUTCDate()} ${month}`].filter(Boolean).join(", ");
  }
  return new Intl.DateTimeFormat(languageNow(), {
    timeZone: "UTC",
    ...(weekday && { weekday: "short" }),
    ...(day && { day: "numeric", month: "short" }),
  }).format(date);
}

/** The countries that most visits come from, where a browser has no Kazakh. */
const KAZAKH_COUNTRIES: Record<string, string> = {
  AE: "БАӘ",
  AZ: "Әзербайжан",
  BY: "Беларусь",
  CN: "Қытай",
  DE: "Германия",
  FR: "Франция",
  GB: "Ұлыбритания",
  GE: "Грузия",
  IN: "Үндістан",
  KG: "Қырғызстан",
  KR: "Оңтүстік Корея",
  KZ: "Қазақстан",
  MN: "Моңғолия",
  PL: "Польша",
  RU: "Ресей",
  TJ: "Тәжікстан",
  TM: "Түрікменстан",
  TR: "Түркия",
  UA: "Украина",
  US: "АҚШ",
  UZ: "Өзбекстан",
};

/** A country by its code. */
export function country(code: string): string {
  const kazakh = locale() === languageNow() ? undefined : KAZAKH_COUNTRIES[code];
  if (kazakh) return kazakh;
  try {
    return new Intl.DisplayNames(locale(), { type: "region" }).of(code) ?? code;
  } catch {
    return code;
  }
}
