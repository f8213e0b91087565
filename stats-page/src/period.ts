/** Days of a site's calendar as texts, `2026-11-29`, and what the address of the page says. */
import type { Site } from "./server";

const DAY = 86_400_000;

export const plusDays = (day: string, days: number) =>
  new Date(Date.parse(day) + days * DAY).toISOString().slice(0, 10);

export const daysBetween = (from: string, to: string) =>
  Math.round((Date.parse(to) - Date.parse(from)) / DAY);

/** The day of a moment in a time zone. */
export function dayOf(seconds: number, zone: string): string {
  const parts = new Intl.DateTimeFormat("en-CA", {
    timeZone: zone,
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
  });
  return parts.format(new Date(seconds * 1000));
}

/** What is looked at. `to` is not included. */
export interface View {
  site: string;
  from: string;
  to: string;
  /** Compare with nothing, the period before, or the same one a year before. */
  compare: "no" | "before" | "year";
  goal: string;
}

/** The period that a view is compared with. None where its days were not published: sums of fewer days are no comparison. */
export function compared(view: View, firstDay: string): { from: string; to: string } | undefined {
  if (view.compare === "no") return undefined;
  const days = view.compare === "year" ? 364 : daysBetween(view.from, view.to);
  const from = plusDays(view.from, -days);
  return from < firstDay ? undefined : { from, to: plusDays(view.to, -days) };
}

const IS_DAY = /^\d{4}-\d{2}-\d{2}$/;

/** The view that the address names; what is missing or wrong is the last thirty published days of the first site. */
export function viewOf(address: string, sites: Site[]): View {
  const named = new URLSearchParams(address);
  const site = sites.find(({ site }) => site === named.get("site")) ?? sites[0];
  const end = site ? dayOf(site.end - 1, site.zone) : "2026-01-01";
  const day = (key: string) => {
    const text = named.get(key) ?? "";
    return IS_DAY.test(text) && !Number.isNaN(Date.parse(text)) ? text : "";
  };
  const to = day("to") || plusDays(end, 1);
  const from = day("from") || plusDays(to, -30);
  const compare = named.get("compare");
  return {
    site: site?.site ?? "",
    from: from < to ? from : plusDays(to, -1),
    to,
    compare: compare === "no" || compare === "year" ? compare : "before",
    goal: named.get("goal") ?? "",
  };
}

export const addressOf = (view: View) => `?${new URLSearchParams({ ...view })}`;
