/**
 * No error of the snippet may reach the page. What a guarded function throws ends here, unreported: a console line
 * would only alarm the page's developers, and a report would need the transport, which may be the cause.
 */
export function guard<Args extends unknown[]>(run: (...args: Args) => void): (...args: Args) => void {
  return (...args) => {
    try {
      run(...args);
    } catch {
      // See above.
    }
  };
}
