/** How much wider than that of a window the noise of a published number is. `schema/noise.json` has it from the publisher. */
import widths from "../../schema/noise.json";

/** A stats table. */
export type Published = keyof typeof widths;
type Wide = number | number[];
type Widths = Record<string, { row: Wide; parent?: Wide; all?: Wide }>;

/**
 * The width of a number of a row, or of the sum of all rows beneath a channel, a country or a section. `at` is the number of declared
 * goals, or of a step of a funnel. 0 if the number has no noise.
 */
export function wideOf(table: Published, column: string, of: "row" | "parent" = "row", at = 1): number {
  const wide = (widths[table] as Widths)[column]?.[of] ?? 0;
  return typeof wide === "number" ? wide : (wide[Math.max(1, at) - 1] ?? 0);
}
