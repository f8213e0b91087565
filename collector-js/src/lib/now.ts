/**
 * The page's clock in whole milliseconds, whose sums are exact, so the engaged time of a view is never longer than the
 * view. Some pages replace the clock by one without time.
 */
export const now = () => performance.now() | 0;
