/**
 * No error of the snippet may reach the page. What a guarded function throws ends here, unreported: a console line
 * would only alarm the page's developers, and a report would need the transport, which may be the cause.
 */
export function guard<Args extends unknown[], Result>(run: (...args: Args) => Result) {
  return (...args: Args): Result | undefined => {
    try {
      return run(...args);
    } catch {
      return undefined;
    }
  };
}
